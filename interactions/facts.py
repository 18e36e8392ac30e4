"""What somebody feels about a model."""

from gallery.actions import get_visible
from interactions.models import ModelInteraction
from lumi.accounts.models import User


def kinds_between(*, user: User, model_id: str) -> set[str]:
    """The kinds of interaction that a person has with a model. Raises NotFound for one they cannot see."""
    get_visible(user=user, model_id=model_id)
    return set(ModelInteraction.objects.between(user, model_id).values_list("type", flat=True))
