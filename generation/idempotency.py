"""`Idempotency-Key`: the same thing asked again gets the first answer, and is done once.

The key's row is written first, in a transaction of its own; the work and its answer are committed together. A process
that dies in between has therefore committed nothing, and when its lock is over another call may take the key.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _

from generation.models import IdempotencyKey
from lumi import clock
from lumi.accounts.models import User
from lumi.errors import Conflict, Invalid

LOCK = timedelta(seconds=20)  # longer than a call takes; safe even if not: the answer is stored by compare-and-set
MOST_CHARACTERS = 255

Work = Callable[[], Any]


class BadKey(Invalid):
    """A key that is none."""

    message = _("The Idempotency-Key must be 1 to 255 printable ASCII characters.")


class OtherRequest(Invalid):
    """The key stands for something else already."""

    status = 422
    message = _("This Idempotency-Key was already used for a different request. Please use a new key.")


class UnderWay(Conflict):
    """The first call has not been answered yet."""

    message = _("The first request with this Idempotency-Key is still being worked on. Please try again in a moment.")


@dataclass(frozen=True)
class Answer:
    """What is answered, and whether it was answered before."""

    body: Any
    replayed: bool


def once(*, user: User, key: str, asked: Any, work: Work) -> Answer:
    """Do the work, unless this person's key got an answer already: then that answer.

    `asked` is all that makes two calls the same; what `work` makes goes into the database, so it must be plain JSON.
    An error of the work frees the key. Raises BadKey, OtherRequest, UnderWay, and what `work` raises.
    """
    if not (key.isascii() and key.isprintable() and 0 < len(key) <= MOST_CHARACTERS):
        raise BadKey
    row, is_mine = claim(user, digest(key), fingerprint_of(asked))
    if not is_mine:
        return Answer(row.response, replayed=True)
    try:
        return Answer(do_and_keep(row, work), replayed=False)
    except Exception:
        free(row)
        raise


def digest(text: str) -> str:
    """64 characters for any text."""
    return hashlib.sha256(text.encode()).hexdigest()


def fingerprint_of(asked: Any) -> str:
    """The same for the same JSON, however it is written. Raises Invalid for one too deep to be written."""
    try:
        return digest(json.dumps(asked, sort_keys=True))
    except RecursionError as error:
        raise Invalid from error


def claim(user: User, key: str, fingerprint: str) -> tuple[IdempotencyKey, bool]:
    """The key's row, and whether the work is the caller's; if not, the row holds the answer."""
    now = clock.now()
    fresh = {"fingerprint": fingerprint, "locked_until": now + LOCK, "created_at": now}
    try:
        with transaction.atomic():
            return IdempotencyKey.objects.create(user=user, key=key, **fresh), True
    except IntegrityError:
        row = IdempotencyKey.objects.filter(user=user, key=key).first()
    if row is None:  # removed by the sweep at this moment
        raise UnderWay(retry_after=1)
    is_free = row.locked_until is None and row.response is None
    if row.fingerprint != fingerprint and not is_free:
        raise OtherRequest
    if row.response is not None:
        return row, False
    take_over(row, now, fresh)
    return row, True


def take_over(row: IdempotencyKey, now: datetime, fresh: dict[str, Any]) -> None:
    """Make a free key the caller's, or one whose holder is gone. Raises UnderWay."""
    if row.locked_until and row.locked_until > now:
        raise UnderWay(retry_after=min(5.0, (row.locked_until - now).total_seconds()))
    if not write(row, **fresh):
        raise UnderWay(retry_after=1)
    row.locked_until = fresh["locked_until"]


def do_and_keep(row: IdempotencyKey, work: Work) -> Any:
    """The work and its answer, together or not at all. Raises UnderWay when the key was taken over meanwhile."""
    with transaction.atomic():
        body = work()
        if not write(row, locked_until=None, response=body):
            raise UnderWay(retry_after=1)
    return body


def free(row: IdempotencyKey) -> None:
    """Nothing was written: the key may be used again, for this or anything else."""
    write(row, locked_until=None)


def write(row: IdempotencyKey, **fields: Any) -> bool:
    """One UPDATE; False when the row is no longer as this instance believes."""
    mine = IdempotencyKey.objects.filter(pk=row.pk, locked_until=row.locked_until, response__isnull=True)
    return bool(mine.update(**fields))
