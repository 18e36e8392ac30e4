"""Ids: UUIDv7 as text of 36 characters, time-ordered so that primary keys stay local in InnoDB."""

from collections.abc import Sequence
from typing import Any

from django.db import models
from uuid6 import uuid7


def new_id() -> str:
    """A new id, later than every id this machine made before."""
    return str(uuid7())


class IdField(models.CharField):
    """The primary key of every table of Lumi."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.update(max_length=36, primary_key=True, default=new_id, editable=False)
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> tuple[str, str, Sequence[Any], dict[str, Any]]:
        """What a migration writes down: the arguments above are the field's own."""
        name, path, args, kwargs = super().deconstruct()
        for given in ("max_length", "primary_key", "default", "editable"):
            kwargs.pop(given, None)
        return name, path, args, kwargs
