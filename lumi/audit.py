"""The audit trail: who did what to what, when, why, and what was there before and after (docs/adr/0011).

Lines are only ever added, each bound to the one before it by its hash, so that whoever changes one, takes one out or
cuts the end off is found out.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from lumi import clock, process
from lumi.again import again_after_deadlock
from lumi.models import AuditEntry, AuditHead
from lumi.pages import each

HASHED = ("number", "at", "actor", "action", "subject_type", "subject_id", "reason", "before", "after", "previous_hash")
ACTIONS = {
    "added": _("added"),
    "changed": _("changed"),
    "deleted": _("deleted"),
    # models
    "reported": _("reported"),
    "approved": _("approved"),
    "hidden": _("hidden"),
    "restored": _("restored"),
    "removed": _("removed"),
    "appealed": _("appealed"),
    "appeal refused": _("appeal refused"),
    # people
    "warned": _("warned"),
    "suspended": _("suspended"),
    "quota": _("quota changed"),
    # jobs and queues
    "requeued": _("queued again"),
    "retried": _("tried again"),
    "cancelled": _("cancelled"),
    "failed": _("ended by hand"),
    "adopted": _("adopted"),
    "paused": _("paused"),
    "resumed": _("resumed"),
    # the whole house
    "recounted": _("recounted"),
    "pruned": _("pruned"),
    "doomed": _("files to be deleted"),
    "spared": _("files not to be deleted"),
    "exported": _("exported"),
    "imported": _("imported"),
    "created demo data": _("demo data created"),
    "removed demo data": _("demo data removed"),
}


class Altered(Exception):
    """The trail is not as Lumi has written it; the text names the line, and says what is wrong with it."""


# --- Write ------------------------------------------------------------------------------------------------------------


@again_after_deadlock
@transaction.atomic
def record(
    action: str,
    subject: tuple[str, str],
    *,
    reason: str = "",
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> AuditEntry:
    """Add a line, in the transaction of what it tells of, as its last statement: the end of the chain stays locked
    until that is committed, and who locks anything else after it invites a deadlock. `subject`: kind and id of the
    thing, as in `("model", model.pk)`; who acts is `lumi.process.acting_as`. `before` and `after` are what JSON can
    hold, with ids in place of people's names and addresses."""
    head = AuditHead.objects.select_for_update().filter(pk=1).first() or new_head()
    entry = AuditEntry(
        number=head.number + 1,
        at=to_the_millisecond(clock.now()),
        actor=process.actor.get(),
        action=action,
        subject_type=subject[0],
        subject_id=subject[1],
        reason=reason[:500],
        before=plain(before),
        after=plain(after),
        previous_hash=head.hash,
    )
    entry.hash = hash_of(entry)
    entry.save(force_insert=True)
    AuditHead.objects.filter(pk=1).update(number=entry.number, hash=entry.hash)
    return entry


def new_head() -> AuditHead:
    """A migration has made it; a database that was emptied since has none. A trail whose end somebody took away is not
    begun anew: the next line would have the number of the first one, and the database refuses it."""
    AuditHead.objects.get_or_create(pk=1)
    return AuditHead.objects.select_for_update().get(pk=1)


def plain(facts: dict[str, Any] | None) -> Any:
    """As it will come back out of a JSON column."""
    return json.loads(json.dumps(facts or {}, cls=DjangoJSONEncoder))


def to_the_millisecond(moment: datetime) -> datetime:
    """As every database keeps it."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def hash_of(entry: AuditEntry) -> str:
    """SHA-256, in hexadecimal digits, over the line and the hash of the line before it."""
    return hashlib.sha256(as_text(facts_of(entry)).encode()).hexdigest()


def facts_of(entry: AuditEntry) -> dict[str, Any]:
    """What is hashed of a line."""
    return {name: getattr(entry, name) for name in HASHED} | {"at": entry.at.isoformat(timespec="milliseconds")}


def as_text(facts: dict[str, Any]) -> str:
    """JSON in its one spelling."""
    return json.dumps(facts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


# --- Read -------------------------------------------------------------------------------------------------------------


def lines(first: int = 1, last: int | None = None) -> Iterator[AuditEntry]:
    """The trail from line `first` to line `last`, or to its end."""
    found = AuditEntry.objects.filter(number__gte=first)
    return each(found if last is None else found.filter(number__lte=last))


def exported(first: int = 1) -> Iterator[str]:
    """Each line as JSON that ends in a newline. Its hash is that of the same JSON without `hash`: anybody can check it,
    without Lumi."""
    for entry in lines(first):
        yield as_text(facts_of(entry) | {"hash": entry.hash}) + "\n"


# --- Verify -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Mark:
    """A line's number and hash, as an operator has noted them elsewhere."""

    number: int
    hash: str

    @classmethod
    def read(cls, text: str) -> "Mark":
        """`number:hash`. Raises ValueError."""
        number, colon, digest = text.partition(":")
        if not colon or len(digest) != 64 or int(number) < 1:
            raise ValueError(text)
        return cls(int(number), digest.lower())

    def __str__(self) -> str:
        return f"{self.number}:{self.hash}"


def verify(*, first: int = 1, noted: Mark | None = None) -> tuple[int, Mark]:
    """How many lines were looked at, and the mark of the last one. Raises Altered.

    `first`: look at nothing before this line. `noted`: the line must be there as it was; together with all lines up to
    it that proves that none of them was written anew.
    """
    head = end_of_trail()
    last, count = mark_before(first), 0
    for entry in lines(first, head.number):
        check_line(entry, last)
        last, count = Mark(entry.number, entry.hash), count + 1
        if noted and noted.number == last.number and noted != last:
            raise Altered(f"line {last.number} is not the one that was noted: it was written anew")
    check_end(last, head)
    if noted and not first <= noted.number <= last.number:
        raise Altered(f"line {noted.number} was noted, and is not among the lines {first} to {last.number}")
    return count, last


def end_of_trail() -> AuditHead:
    """Raises Altered when somebody took it away."""
    head = AuditHead.objects.filter(pk=1).first()
    if head is None and AuditEntry.objects.exists():
        raise Altered("the row that knows the end of the trail is missing")
    return head or AuditHead()


def mark_before(first: int) -> Mark:
    """What the first line follows. Raises Altered when that is not there."""
    if first == 1:
        return Mark(0, "")
    found = AuditEntry.objects.filter(number=first - 1).first()
    if found is None:
        raise Altered(f"line {first - 1} is missing")
    return Mark(found.number, found.hash)


def check_line(entry: AuditEntry, before: Mark) -> None:
    """Raises Altered unless the line is whole and follows the one before."""
    if entry.number != before.number + 1:
        missing = span(before.number + 1, entry.number - 1)
        raise Altered(f"{missing} missing: line {entry.number} comes next")
    if hash_of(entry) != entry.hash:
        raise Altered(f"line {entry.number} was changed: its hash is not that of what it says")
    if entry.previous_hash != before.hash:
        raise Altered(f"line {before.number or 1} was changed: line {entry.number} follows another one")


def check_end(last: Mark, head: AuditHead) -> None:
    """Raises Altered unless the trail ends where its head says."""
    if last.number < head.number:
        raise Altered(f"{span(last.number + 1, head.number)} missing: cut off at the end")
    if last != Mark(head.number, head.hash):
        raise Altered(f"line {last.number} was changed: the end of the trail remembers another one")
    stray = AuditEntry.objects.filter(number__gt=head.number).order_by("number").first()
    if stray and stray.number > end_of_trail().number:  # asked again: lines may have been written meanwhile
        raise Altered(f"line {stray.number} was not written by Lumi: the trail ends at line {head.number}")


def span(first: int, last: int) -> str:
    """Of numbers."""
    return f"line {first} is" if first == last else f"lines {first} to {last} are"
