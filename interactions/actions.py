"""Likes and favourites: the row and the counter in one transaction."""

from django.db import transaction

from gallery.actions import NotFinished, get_visible
from gallery.models import Model
from interactions.models import Kind, ModelInteraction
from lumi.accounts.models import User

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
