"""What somebody feels about a model."""

from collections.abc import Iterator

from gallery.actions import get_visible
from interactions.models import ModelInteraction
from lumi.accounts.exports import Record, each
from lumi.accounts.models import User


def kinds_between(*, user: User, model_id: str) -> set[str]:
    """The kinds of interaction that a person has with a model. Raises NotFound for one they cannot see."""
    get_visible(user=user, model_id=model_id)
    return set(ModelInteraction.objects.between(user, model_id).values_list("type", flat=True))


def export(user: User) -> Iterator[Record]:
    """All that a person likes and keeps (the accounts' slot)."""
    for row in each(ModelInteraction.objects.filter(user=user)):
        yield Record({"modelId": row.model_id, "type": row.type, "createdAt": row.created_at})
