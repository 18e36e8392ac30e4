"""Kept counters, proven against the rows that they count.

A room that keeps counters fills the slot RECOUNTS with a callable `recount(*, mend: bool) -> Iterator[Page]`: it goes
through its rows in pages, and a page tells what differs. A difference counts only if it is still there while the row is
held by the lock that all writers of the counter take: whoever likes something at this moment is no difference. With
`mend` it is written under the same lock.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from django.conf import settings
from django.utils.module_loading import import_string

from lumi.chores import Tell, in_silence, note

SHOWN = 1000  # differences that are told one by one; all are counted
# Sums of moments that left no row behind: nothing to prove them by.
NO_ROWS = ("view_count", "download_count")


@dataclass(frozen=True)
class Difference:
    """One counter of one row: what it says, and how many rows there are."""

    counter: str
    row: str
    kept: int
    counted: int


@dataclass(frozen=True)
class Page:
    """Some rows of one table, by its name, with the names of the counters that were proven."""

    table: str
    counters: tuple[str, ...]
    rows: int
    differences: tuple[Difference, ...] = ()


@dataclass
class Outcome:
    """What a whole run has found. `rows` are those looked at, by "table.counter"."""

    rows: dict[str, int] = field(default_factory=dict)
    wrong: dict[str, int] = field(default_factory=dict)
    differences: list[Difference] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """All counters are right."""
        return not any(self.wrong.values())

    def add(self, page: Page) -> None:
        """One page more."""
        for counter in page.counters:
            name = f"{page.table}.{counter}"
            self.rows[name] = self.rows.get(name, 0) + page.rows
            found = [one for one in page.differences if one.counter == counter]
            self.wrong[name] = self.wrong.get(name, 0) + len(found)
        self.differences += page.differences[: SHOWN - len(self.differences)]


def recount(*, mend: bool, tell: Tell = in_silence) -> Outcome:
    """Prove all kept counters, and write what is wrong if told to. One line of the audit trail, also for a run that was
    broken off."""
    outcome = Outcome()
    with written_down(outcome, mend):
        for slot in settings.RECOUNTS:
            for page in import_string(slot)(mend=mend):
                outcome.add(page)
                tell(" and ".join(page.counters), outcome.rows[f"{page.table}.{page.counters[0]}"], None)
    return outcome


@contextmanager
def written_down(outcome: Outcome, mend: bool) -> Iterator[None]:
    """What was changed, by counter; nothing for nothing."""
    try:
        yield
    finally:
        if mend and not outcome.is_good:
            note("recounted", **{name: count for name, count in outcome.wrong.items() if count})
