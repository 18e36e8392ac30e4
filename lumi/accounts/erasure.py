"""Deleting a person, with all that is theirs: by themselves or by staff, through this one door.

First, in one transaction, the account is closed for good (`leaving`) and whatever let anybody in has ended. Then each
room lets go of its things (the slots ACCOUNT_BEFORE_DELETE), in transactions of its own, and at last the row goes. A
process that dies in between leaves a closed account, and the sweep goes on; every step may be done twice.
"""

import logging

from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.utils.module_loading import import_string

from lumi import files
from lumi.accounts import codes, sessions
from lumi.accounts.exports import has_anything
from lumi.accounts.models import ApiToken, EmailVerificationCode, Leaving, Purpose, User
from lumi.again import again_after_deadlock

logger = logging.getLogger(__name__)
MOST_ROUNDS = 5  # calls that were under way when the account was closed may still have made something


def ask(*, user: User, language: str) -> None:
    """Mail the code without which nothing is deleted. Raises what `send_code` raises."""
    codes.send_code(email=user.email, purpose=Purpose.DELETE, language=language, user=user)


def leave(*, user: User, code: str, public_models: Leaving) -> None:
    """A person goes. Raises WrongCode."""
    row = codes.check_code(email=user.email, purpose=Purpose.DELETE, code=code, user=user)
    with transaction.atomic():
        codes.spend_code(row=row)
        close(person_id=user.pk, public_models=public_models)
    finish_soon(person_id=user.pk)


def erase(*, person_id: str) -> None:
    """Staff remove a person; nothing of theirs stays."""
    close(person_id=person_id, public_models=Leaving.REMOVE)
    finish_soon(person_id=person_id)


@transaction.atomic
def close(*, person_id: str, public_models: Leaving) -> None:
    """Nobody comes in any more, and it cannot be taken back."""
    people = User.objects.filter(pk=person_id)
    sessions.suspend(people=people)
    people.update(leaving=public_models)


def finish_soon(*, person_id: str) -> None:
    """Now; or by the sweep, where now something is away."""
    try:
        finish(person_id=person_id)
    except Exception:
        logger.exception("the sweep will finish deleting an account", extra={"person": person_id})


def finish(*, person_id: str) -> None:
    """What hangs on the person goes, then the person."""
    for _ in range(MOST_ROUNDS):
        person = User.objects.filter(pk=person_id).exclude(leaving="").first()
        if person is None:
            return
        for slot in settings.ACCOUNT_BEFORE_DELETE:
            import_string(slot)(person, keep_public=person.leaving == Leaving.KEEP)
        remove_row(person_id=person_id)


@again_after_deadlock
@transaction.atomic
def remove_row(*, person_id: str) -> None:
    """The person and what only accounts knows of them; not while a room still has something. While the row is locked
    nobody can add anything to it."""
    person = User.objects.select_for_update().filter(pk=person_id).first()
    if person is None or has_anything(person):
        return
    files.doom([person.avatar] if person.avatar else [])
    EmailVerificationCode.objects.filter(email=person.email).delete()
    forget_names(person)
    person.delete()


def forget_names(person: User) -> None:
    """The admin's log quotes what people call themselves and their tokens."""
    own_tokens = list(ApiToken.objects.filter(user=person).values_list("pk", flat=True))
    for model, ids in ((User, [person.pk]), (ApiToken, own_tokens)):
        entries = LogEntry.objects.filter(content_type=ContentType.objects.get_for_model(model), object_id__in=ids)
        entries.update(object_repr="deleted")


def finish_interrupted() -> None:
    """Whoever was being deleted when a process died. For the sweep."""
    leaving = User.objects.filter(leaving__in=Leaving.values)
    for person_id in leaving.values_list("pk", flat=True)[:100]:
        finish_soon(person_id=person_id)
