"""Whom a model is shown to. Its files lie where only signed, ending addresses lead, or where everybody may read: to
show or to hide it is to lay them elsewhere, under new addresses, so that an old one opens nothing any more."""

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from gallery.actions import NotFinished, change, get_own, locked
from gallery.models import Model, Moderation, StoredFile, Visibility
from lumi import files
from lumi.accounts.models import User
from lumi.again import again_after_deadlock
from lumi.errors import Conflict

logger = logging.getLogger(__name__)

TRIES = 4
PAGE = 200
LATELY = timedelta(days=7)

Find = Callable[[], Model]
Decide = Callable[[Model], dict[str, Any]]
Then = Callable[[Model, str], None]


def is_for_all(model: Model) -> bool:
    """Whether everybody may read its files."""
    return model.visibility == Visibility.PUBLIC and model.moderation == Moderation.VISIBLE


def lies_wrong(model: Model) -> bool:
    """Whether its files lie elsewhere than they should."""
    return any(files.is_public(key) != is_for_all(model) for key in keys_of(model))


def keys_of(model: Model) -> list[str]:
    """Where its files lie."""
    return [file["key"] for file in model.files]


# --- What its owner does ----------------------------------------------------------------------------------------------
def publish(*, user: User, model_id: str) -> Model:
    """Show it to everybody, as of now, or when staff have looked at it; a public one stays as it is. Raises NotFound,
    NotYours, NotFinished, Conflict."""
    return settle(partial(get_own, user=user, model_id=model_id), published)


def published(model: Model) -> dict[str, Any]:
    """What publishing makes of it. What staff have hidden stays hidden, and does not ask them to look again."""
    if model.visibility == Visibility.PUBLIC:
        return {}
    if not model.is_finished:
        raise NotFinished
    now = timezone.now()
    fields: dict[str, Any] = {"visibility": Visibility.PUBLIC, "published_at": now}
    if model.moderation == Moderation.HIDDEN:
        return fields
    return fields | {"review_since": now, "moderation": at_first(model)}


def at_first(model: Model) -> Moderation:
    """What is said of a model before anybody has looked at it."""
    allowed = shown(model)
    return Moderation.PENDING if settings.REVIEW_BEFORE_PUBLISHING and allowed == Moderation.VISIBLE else allowed


def unpublish(*, user: User, model_id: str) -> Model:
    """Show it to nobody else; a private one stays as it is. Raises NotFound, NotYours, Conflict."""
    return settle(partial(get_own, user=user, model_id=model_id), withdrawn)


def withdrawn(model: Model) -> dict[str, Any]:
    """What taking it back makes of it: nobody need look at it any more, unless it was reported."""
    if model.visibility == Visibility.PRIVATE:
        return {}
    moderation = Moderation.VISIBLE if model.moderation == Moderation.PENDING else model.moderation
    return {
        "visibility": Visibility.PRIVATE, "published_at": None, "review_since": None, "moderation": moderation,
    }  # fmt: skip


# --- One change, with the files ---------------------------------------------------------------------------------------
class Mislaid(Exception):
    """Its files are to be copied first. `public`: where to."""

    def __init__(self, model: Model) -> None:
        self.keys, self.public = keys_of(model), is_for_all(model)


def nothing_more(model: Model, was: str) -> None:
    """The change is all."""


def settle(find: Find, decide: Decide, then: Then = nothing_more) -> Model:
    """Write what `decide` says of a model ({}: nothing), lay its files where they belong then, and do what goes with it
    (`then`, told the moderation before): one transaction. `find` gives the model, locked.

    Copies are made outside of the transaction: files may be large, and a store far away; who finds that the files have
    moved meanwhile copies again. Raises Conflict when that happens again and again, StorageAway, and what `find` and
    `decide` raise.
    """
    copied: dict[str, str] = {}
    for _ in range(TRIES):
        try:
            return write(find, decide, then, copied)
        except Mislaid as found:
            with suppress(FileNotFoundError):  # they have moved
                copied = files.copies(found.keys, public=found.public)
    raise Conflict


def take_down(find: Find, decide: Decide, then: Then = nothing_more) -> Model:
    """As `settle`, but the model is out of sight before its files are moved, which nothing can then prevent: what does
    not work now, the sweep does."""
    model = write(find, decide, then, None)
    lay_quietly(model.pk)
    return model


@again_after_deadlock
@transaction.atomic
def write(find: Find, decide: Decide, then: Then, copied: dict[str, str] | None) -> Model:
    """`copied`: the files' new keys by the old ones; None leaves them where they are. Raises Mislaid."""
    model = find()
    was, fields = model.moderation, decide(model)
    for name, value in fields.items():
        setattr(model, name, value)
    if copied is not None and lies_wrong(model):
        change(model, **fields, files=relaid(model, copied))
    else:
        change(model, **fields)
    if fields:
        then(model, was)
    return model


def relaid(model: Model, copied: dict[str, str]) -> list[StoredFile]:
    """The model's files under their new keys; the old ones end with this transaction. Raises Mislaid."""
    if set(copied) != set(keys_of(model)):
        raise Mislaid(model)
    files.own(copied.values())
    files.doom(copied.keys())
    return [StoredFile(role=file["role"], key=copied[file["key"]], size=file["size"]) for file in model.files]


# --- What becomes of a suspended person's models ----------------------------------------------------------------------
def is_suspended(user_id: str) -> bool:
    """Whether a person is, until this transaction ends: their row is locked, so that nobody changes it meanwhile."""
    people = User.objects.select_for_update().filter(pk=user_id)
    return any(moment is not None for moment in people.values_list("suspended_at", flat=True))


def shown(model: Model) -> Moderation:
    """What is said of a model that nobody objects to: its owner may be suspended."""
    return Moderation.SUSPENDED if is_suspended(model.owner_id) else Moderation.VISIBLE


def follow_owner(user_id: str) -> None:
    """After somebody was suspended, or restored (the accounts' slot): their public models go, or come back, as they
    were. All are out of every list with the first statement; then go their files, the most viewed first. Done twice it
    changes nothing; what is cut off, or does not work, the sweep finishes."""
    their = Model.objects.filter(owner_id=user_id)
    if User.objects.filter(pk=user_id, suspended_at__isnull=False).exists():
        suspend_all(user_id)
        follow_each(their.laid_open())
    else:
        follow_each(their.filter(moderation=Moderation.SUSPENDED))


@again_after_deadlock
def suspend_all(user_id: str) -> None:
    """One statement."""
    shown_now = Model.objects.in_gallery().filter(owner_id=user_id)
    shown_now.update(moderation=Moderation.SUSPENDED, updated_at=timezone.now())


def finish_interrupted() -> None:
    """What a process that died, or a storage that was away, has left half done. For the sweep, which comes often: it
    looks at what happened LATELY."""
    since = timezone.now() - LATELY
    follow_each(Model.objects.in_gallery().filter(owner__suspended_at__gt=since)[:PAGE])
    follow_each(Model.objects.filter(moderation=Moderation.SUSPENDED, owner__suspended_at__isnull=True)[:PAGE])
    follow_each(Model.objects.laid_open().filter(updated_at__gt=since)[:PAGE])


def follow_each(models: Any) -> None:
    """One after the other, each in its own transaction."""
    for model_id in list(models.values_list("pk", flat=True)):
        lay_quietly(model_id)


def lay_quietly(model_id: str) -> None:
    """One that fails does not stop the others: the sweep comes back."""
    try:
        lay(model_id)
    except Exception:
        logger.exception("files not moved: the sweep tries again", extra={"model": model_id})


def lay(model_id: str) -> None:
    """A model as its owner stands, with its files where they belong. Raises NotFound, Conflict, StorageAway."""
    settle(partial(locked, model_id), as_owner_stands)


def as_owner_stands(model: Model) -> dict[str, Any]:
    """What its owner's being suspended, or not, makes of it. What staff say of the model itself is not touched."""
    if not (model.moderation == Moderation.SUSPENDED or is_for_all(model)):
        return {}
    moderation = shown(model)
    return {} if moderation == model.moderation else {"moderation": moderation}
