"""Likes and favourites: the row and the counter in one transaction."""

from django.db import transaction
from django.db.models import F

from gallery.actions import NotFinished, get_visible
from gallery.models import Model
from interactions.models import Kind, ModelInteraction
from lumi.accounts.models import User
from lumi.again import again_after_deadlock

COUNTERS = {Kind.LIKE: "like_count", Kind.FAVORITE: "favorite_count"}


@transaction.atomic
def toggle(*, user: User, model_id: str, kind: Kind) -> tuple[bool, int]:
    """Like it, or take that back: whether it is liked now, and how many like it. Raises NotFound, NotFinished.

    The model's row is locked first: whoever toggles on it waits here, so that row and counter cannot part.
    """
    model = get_visible(user=user, model_id=model_id, locked=True)
    if not model.is_finished:
        raise NotFinished
    now_on = flip(user, model_id, kind)
    count = max(0, getattr(model, COUNTERS[kind]) + (1 if now_on else -1))
    Model.objects.filter(pk=model_id).update(**{COUNTERS[kind]: count})
    return now_on, count


def flip(user: User, model_id: str, kind: Kind) -> bool:
    """Delete the row, or make it if there was none; whether there is one now."""
    deleted, _rows = ModelInteraction.objects.between(user, model_id).filter(type=kind).delete()
    if not deleted:
        ModelInteraction.objects.create(user=user, model_id=model_id, type=kind)
    return not deleted


def withdraw_all(user: User, *, keep_public: bool) -> None:
    """A person goes (the accounts' slot): so do their likes, whatever else stays, and the counters follow."""
    for pk, model_id, kind in ModelInteraction.objects.filter(user=user).values_list("pk", "model_id", "type"):
        withdraw(pk, model_id, Kind(kind))


@again_after_deadlock
@transaction.atomic
def withdraw(pk: str, model_id: str, kind: Kind) -> None:
    """Take one back. The model is locked first, as by `toggle`."""
    Model.objects.select_for_update().with_id(model_id)
    deleted, _rows = ModelInteraction.objects.filter(pk=pk).delete()
    if deleted:
        counter = COUNTERS[kind]
        Model.objects.filter(pk=model_id, **{f"{counter}__gt": 0}).update(**{counter: F(counter) - 1})
