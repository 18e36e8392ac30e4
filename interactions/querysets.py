"""What people like, asked for by whom."""

from typing import TYPE_CHECKING

from django.db import models

from gallery.querysets import may_be_seen_by

if TYPE_CHECKING:
    from interactions.models import ModelInteraction  # noqa: F401  # the base class below names it
    from lumi.accounts.models import User


class InteractionQuerySet(models.QuerySet["ModelInteraction"]):
    """Rows of likes and favourites."""

    def between(self, user: "User", model_id: str) -> "InteractionQuerySet":
        """What one person feels about one model."""
        return self.filter(user=user, model_id=model_id)

    def shelf_of(self, user: "User", kind: str) -> "InteractionQuerySet":
        """What a person likes or keeps and may still see, the most recent first, ready to be shown."""
        mine = self.filter(may_be_seen_by(user, through="model__"), user=user, type=kind)
        return mine.select_related("model__owner").order_by("-created_at", "-id")
