"""What staff do about people: warn, suspend, restore, set a quota. A row, a notice and a line of the audit trail each.

Suspending ends, in one transaction, whatever let the person in. Then the rooms follow (the slots ACCOUNT_SUSPENDED:
what everybody could see is hidden, what was still to be paid is stopped), each in transactions of its own. A process
that dies in between leaves the notice of it unsent, and the sweep sends none before the rooms have followed
(`send_notices`); every step may be done twice.
"""

import logging
from functools import partial

from django.conf import settings
from django.db import transaction
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _

from lumi import audit, clock, process
from lumi.accounts import notices, sessions
from lumi.accounts.models import Notice, NoticeKind, Strike, User
from lumi.again import again_after_deadlock
from lumi.errors import Forbidden, Invalid, InvalidState, NotFound

logger = logging.getLogger(__name__)
MOST_CHARACTERS = 500  # of a reason
MOST_QUOTA = 1_000_000


class NoPerson(NotFound):
    """Unknown, or stands for those who are gone."""

    message = _("There is no such person.")


class BeingDeleted(InvalidState):
    """Going, and not to be held up."""

    message = _("This account is being deleted.")


class NotOneself(Forbidden):
    """Somebody else must do it."""

    message = _("You cannot do this to your own account.")


class AboveYou(Forbidden):
    """A superuser's account."""

    message = _("Only a superuser may do this to a superuser's account.")


class BadReason(Invalid):
    """None, or too long a one."""

    message = _("Please give a reason of at most %(most)s characters.")

    def __init__(self) -> None:
        message = self.message % {"most": MOST_CHARACTERS}
        super().__init__(message, details={"reason": [message]})


class BadQuota(Invalid):
    """No number that a quota can be."""

    message = _("A quota is a whole number from 0 to %(most)s, or empty.")

    def __init__(self) -> None:
        super().__init__(self.message % {"most": MOST_QUOTA})


# --- Verbs ------------------------------------------------------------------------------------------------------------


@again_after_deadlock
@transaction.atomic
def warn(*, person_id: str, reason: str, about: str = "") -> Strike:
    """Give a person a warning, which they read. `about`: a model's id. Raises NoPerson, BeingDeleted, BadReason."""
    reason = checked_reason(reason)
    person = held(person_id)
    if person.leaving:
        raise BeingDeleted
    strike = Strike.objects.create(user=person, reason=reason, about=about, given_by=process.actor.get())
    notices.tell(user_id=person.pk, kind=NoticeKind.WARNING, about=about, reason=reason)
    audit.record("warned", subject(person), reason=reason, after={"strike": strike.pk, "about": about})
    return strike


@again_after_deadlock
@transaction.atomic
def suspend(*, person_id: str, reason: str, by: User | None = None) -> bool:
    """Nobody comes in as this person any more, and what is theirs is hidden; False where it is so already, or the
    account is being deleted. `by`: who of the staff, None for a script, which suspends no superuser.

    Raises NoPerson, NotOneself, AboveYou, BadReason.
    """
    reason = checked_reason(reason)
    person = held(person_id)
    require_standing(person, by)
    if person.suspended_at or person.leaving:
        return False
    before = state_of(person)
    sessions.suspend(people=User.objects.filter(pk=person.pk))
    write(person, is_active=False, suspended_at=clock.now())
    announce(person, "suspended", NoticeKind.SUSPENDED, reason, before)
    return True


@again_after_deadlock
@transaction.atomic
def restore(*, person_id: str, reason: str = "", by: User | None = None) -> bool:
    """The account is open again, with all that is theirs; False where it was open, or is being deleted. What let them
    in stays ended: they sign in anew. Raises NoPerson, AboveYou, BadReason."""
    reason = checked_reason(reason, required=False)
    person = held(person_id)
    require_standing(person, by)
    if person.is_active or person.leaving:
        return False
    before = state_of(person)
    write(person, is_active=True, suspended_at=None)
    announce(person, "restored", NoticeKind.RESTORED, reason, before)
    return True


@again_after_deadlock
@transaction.atomic
def set_quota(*, person_id: str, requests_a_day: int | None, models_a_month: int | None, reason: str = "") -> None:
    """What a person may do; None: what the settings say, 0: nothing. Raises NoPerson, BadQuota, BadReason."""
    reason = checked_reason(reason, required=False)
    quota = {"requests_a_day": requests_a_day, "models_a_month": models_a_month}
    if not all(number is None or 0 <= number <= MOST_QUOTA for number in quota.values()):
        raise BadQuota
    person = held(person_id)
    before = {name: getattr(person, name) for name in quota}
    if before != quota:
        write(person, **quota)
        audit.record("quota", subject(person), reason=reason, before=before, after=quota)


# --- Their parts ------------------------------------------------------------------------------------------------------


def held(person_id: str) -> User:
    """The row, until the transaction ends. Raises NoPerson."""
    person = User.objects.select_for_update().filter(pk=person_id).first()
    if person is None or person.is_tombstone:
        raise NoPerson
    return person


def require_standing(person: User, by: User | None) -> None:
    """Nobody judges themselves; nobody but a superuser a superuser. Raises NotOneself, AboveYou."""
    if by is not None and by.pk == person.pk:
        raise NotOneself
    if person.is_superuser and not (by is not None and by.is_superuser):
        raise AboveYou


def checked_reason(text: str, *, required: bool = True) -> str:
    """Without spaces around it. Raises BadReason."""
    reason = text.strip()
    if len(reason) > MOST_CHARACTERS or (required and not reason):
        raise BadReason
    return reason


def write(person: User, **fields: object) -> None:
    """These fields of a row that is held."""
    for name, value in fields.items():
        setattr(person, name, value)
    person.save(update_fields=[*fields, "updated_at"])


def announce(person: User, action: str, kind: NoticeKind, reason: str, before: dict[str, object]) -> None:
    """Tell the person, tell the rooms when all is written, and write the line, which comes last."""
    notices.tell(user_id=person.pk, kind=kind, reason=reason)
    transaction.on_commit(partial(follow, person_id=person.pk))
    audit.record(action, subject(person), reason=reason, before=before, after=state_of(person))


def subject(person: User) -> tuple[str, str]:
    """As the audit trail knows people."""
    return "user", person.pk


def state_of(person: User) -> dict[str, object]:
    """What suspending changes."""
    return {"active": person.is_active, "suspendedAt": person.suspended_at}


# --- What follows -----------------------------------------------------------------------------------------------------


def follow(*, person_id: str) -> bool:
    """Let the rooms do what the account's state means to them; False where one of them could not, and the sweep will
    ask again."""
    try:
        for slot in settings.ACCOUNT_SUSPENDED:
            import_string(slot)(person_id)
    except Exception:
        logger.exception("the sweep will go on with a suspended or restored account", extra={"person": person_id})
        return False
    return True


def send_notices() -> None:
    """Mail the notices that are due; one of suspending or restoring when the rooms have followed. For the sweep."""
    notices.send_due(ready=has_been_followed)


def has_been_followed(notice: Notice) -> bool:
    """Whether all is done that the notice tells of."""
    is_about_state = notice.kind in (NoticeKind.SUSPENDED, NoticeKind.RESTORED)
    return not is_about_state or follow(person_id=notice.user_id)
