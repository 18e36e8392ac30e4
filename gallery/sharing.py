"""Whom a model is shown to. Its files lie where only signed, ending addresses lead, or where everybody may read: to
show or to hide it is to lay them elsewhere, under new addresses, so that an old one opens nothing any more."""

from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone

from gallery.actions import NotFinished, change, get_own, get_visible
from gallery.models import Model, Moderation, StoredFile, Visibility
from lumi import files
from lumi.accounts.models import User
from lumi.again import again_after_deadlock
from lumi.errors import Conflict

TRIES = 3


def is_for_all(model: Model) -> bool:
    """Whether everybody may read its files."""
    return model.visibility == Visibility.PUBLIC and model.moderation == Moderation.VISIBLE


def publish(*, user: User, model_id: str) -> Model:
    """Show it to everybody, as of now; a public one stays as it is. Raises NotFound, NotYours, NotFinished."""
    return show(user, model_id, visibility=Visibility.PUBLIC, published_at=timezone.now())


def unpublish(*, user: User, model_id: str) -> Model:
    """Show it to nobody else; a private one stays as it is. Raises NotFound, NotYours."""
    return show(user, model_id, visibility=Visibility.PRIVATE, published_at=None)


def show(user: User, model_id: str, *, visibility: Visibility, **fields: Any) -> Model:
    """Change whom it is shown to. Copies are made before the transaction: files may be large, and a store far away; who
    finds that the files have moved meanwhile looks again. Raises Conflict when that happens again and again."""
    for _ in range(TRIES):
        seen = get_visible(user=user, model_id=model_id)
        try:
            return settle(user, model_id, copies_for(seen, user, visibility), visibility=visibility, **fields)
        except (Conflict, FileNotFoundError):
            continue
    raise Conflict


def copies_for(seen: Model, user: User, visibility: Visibility) -> dict[str, str]:
    """The files where they shall lie, if there is anything to change. Raises FileNotFoundError: moved or gone."""
    if seen.owner_id != user.pk or not seen.is_finished or seen.visibility == visibility:
        return {}
    for_all = visibility == Visibility.PUBLIC and seen.moderation == Moderation.VISIBLE
    return files.copies(keys_of(seen), public=for_all)


@again_after_deadlock
@transaction.atomic
def settle(user: User, model_id: str, moved: dict[str, str], *, visibility: Visibility, **fields: Any) -> Model:
    """Write it down, if the files are still those that were copied. Raises Conflict and what `get_own` raises."""
    model = get_own(user=user, model_id=model_id)
    if model.visibility == visibility:
        return model
    if not model.is_finished:
        raise NotFinished
    return change(model, files=relaid(model, moved), visibility=visibility, **fields)


def relaid(model: Model, moved: dict[str, str]) -> list[StoredFile]:
    """The model's files under their new keys; the old ones end with this transaction. Raises Conflict."""
    if set(moved) != set(keys_of(model)):
        raise Conflict
    files.own(moved.values())
    files.doom(moved.keys())
    return [StoredFile(role=file["role"], key=moved[file["key"]], size=file["size"]) for file in model.files]


def keys_of(model: Model) -> list[str]:
    """Where its files lie."""
    return [file["key"] for file in model.files]


# --- What staff do ----------------------------------------------------------------------------------------------------


def moderate(*, model_ids: Sequence[str], moderation: Moderation) -> int:
    """Hide models from everybody but their owners, or show them again; how many there were."""
    found = Model.objects.filter(pk__in=model_ids).exclude(moderation=moderation)
    return sum(judge(model, moderation) for model in found)


def judge(seen: Model, moderation: Moderation) -> bool:
    """Hide one, or show it again; False when it is gone, or was changed at this moment."""
    is_shown = seen.visibility == Visibility.PUBLIC
    for_all = is_shown and moderation == Moderation.VISIBLE
    try:
        moved = files.copies(keys_of(seen), public=for_all) if is_shown else {}
    except FileNotFoundError:
        return False
    return write_judgement(seen.pk, moved, moderation)


@again_after_deadlock
@transaction.atomic
def write_judgement(model_id: str, moved: dict[str, str], moderation: Moderation) -> bool:
    """In one transaction with the files' new places."""
    model = Model.objects.select_for_update().with_id(model_id)
    if model is None or (model.visibility == Visibility.PUBLIC and set(moved) != set(keys_of(model))):
        return False
    fields = {"files": relaid(model, moved)} if moved and model.visibility == Visibility.PUBLIC else {}
    Model.objects.filter(pk=model_id).update(moderation=moderation, **fields)
    return True
