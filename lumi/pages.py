"""Whole tables, a page at a time: MySQL's driver would fetch all rows at once, whatever is said to it."""

from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet

MOST_COUNTED = 2000  # rows of a table that is never counted whole


def each(rows: QuerySet[Any], size: int = 1000) -> Iterator[Any]:
    """The rows by their primary key, whatever its type."""
    for page in pages(rows, size):
        yield from page


def pages(rows: QuerySet[Any], size: int = 1000) -> Iterator[list[Any]]:
    """The same, in lists. What is deleted meanwhile is not there, what comes meanwhile may be."""
    rows = rows.order_by("pk")
    page = list(rows[:size])
    while page:
        yield page
        page = list(rows.filter(pk__gt=page[-1].pk)[:size])


def bounded(rows: QuerySet[Any]) -> str:
    """How many there are, as far as anybody counts."""
    count = rows[:MOST_COUNTED].count()
    return f"{count}+" if count == MOST_COUNTED else str(count)
