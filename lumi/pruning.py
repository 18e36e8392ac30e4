"""Rows that nobody needs any more, by age.

A room that has some fills the slot PRUNES with a callable that takes nothing and returns its `Heap`s. The audit trail
is none of them, nor are the rows that sums of money are made from.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils.module_loading import import_string

from lumi import clock
from lumi.again import again_after_deadlock
from lumi.chores import Refused, Tell, in_silence, note

BATCH = 500  # rows in one transaction


def delete(rows: QuerySet[Any]) -> int:
    """The usual way to be rid of rows; how many of them there were."""
    return rows.delete()[1].get(rows.model._meta.label, 0)


@dataclass(frozen=True)
class Heap:
    """Rows of one kind. `name`: of the option, as in "history"; `old`: those that may go at this moment, of those from
    before another; `discard`: what is done with some of them, which takes them out of `old`; `age`: where none is
    given; `least`: the smallest that harms nobody."""

    name: str
    about: str
    age: timedelta
    old: Callable[[datetime], QuerySet[Any]]
    discard: Callable[[QuerySet[Any]], int] = delete
    least: timedelta = timedelta()


@dataclass(frozen=True)
class Pruned:
    """What became of a heap: how many rows from before a moment."""

    name: str
    before: datetime
    rows: int


def heaps() -> list[Heap]:
    """All of them."""
    return [heap for slot in settings.PRUNES for heap in import_string(slot)()]


def prune(ages: dict[str, timedelta], *, dry_run: bool = False, tell: Tell = in_silence) -> list[Pruned]:
    """Discard what is older than these ages, by names of heaps; others are left. In small transactions, so that nobody
    waits for it and what is done stays done. With `dry_run` only counted. Raises Refused for an age below the least."""
    wanted = [heap for heap in heaps() if heap.name in ages]
    for heap in wanted:
        require(heap, ages[heap.name])
    done: list[Pruned] = []
    try:
        for heap in wanted:
            before = clock.now() - ages[heap.name]
            rows = heap.old(before).count() if dry_run else discard_all(heap, before, tell)
            done.append(Pruned(heap.name, before, rows))
    finally:
        if any(one.rows for one in done) and not dry_run:
            note("pruned", **{one.name: {"rows": one.rows, "before": one.before} for one in done if one.rows})
    return done


def require(heap: Heap, age: timedelta) -> None:
    """Raises Refused."""
    if age < heap.least:
        hours = int(heap.least.total_seconds() // 3600)
        raise Refused(f"--{heap.name} must be {hours}h or more: {heap.about}. Nothing was pruned.")


def discard_all(heap: Heap, before: datetime, tell: Tell) -> int:
    """A batch at a time, by primary key, so that no row is looked at twice."""
    done, last = 0, None
    while keys := keys_after(heap.old(before), last):
        done += discard(heap, before, keys)
        last = keys[-1]
        tell(heap.name, done, None)
    return done


def keys_after(rows: QuerySet[Any], last: Any) -> list[Any]:
    """The primary keys of the next batch."""
    rows = rows.order_by("pk")
    rows = rows if last is None else rows.filter(pk__gt=last)
    return list(rows.values_list("pk", flat=True)[:BATCH])


@again_after_deadlock
@transaction.atomic
def discard(heap: Heap, before: datetime, keys: list[Any]) -> int:
    """Those of a batch that are still old, as they may not have been looked at since."""
    return heap.discard(heap.old(before).order_by().filter(pk__in=keys))
