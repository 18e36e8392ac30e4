"""Making a row or writing over it, in one statement: `update_or_create` needs six."""

from collections.abc import Iterable
from typing import Any

from django.db import connection


def upsert(row: Any, *, by: str, fields: Iterable[str]) -> None:
    """Insert the row; where there is one with the same `by`, write these fields into that."""
    unique = [by] if connection.features.supports_update_conflicts_with_target else None
    rows = type(row)._default_manager
    rows.bulk_create([row], update_conflicts=True, update_fields=list(fields), unique_fields=unique)
