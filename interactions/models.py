"""What people feel about models: one row a person, model and kind."""

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from gallery.models import Model
from interactions.querysets import InteractionQuerySet
from lumi.ids import IdField


class Kind(models.TextChoices):
    """The kinds of interaction."""

    LIKE = "LIKE", _("like")
    FAVORITE = "FAVORITE", _("favourite")


class ModelInteraction(models.Model):
    """A person likes a model, or keeps it as a favourite."""

    id = IdField()
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", verbose_name=_("user")
    )
    model = models.ForeignKey(Model, on_delete=models.CASCADE, related_name="+", verbose_name=_("model"))
    type = models.CharField(_("type"), max_length=10, choices=Kind)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    objects = InteractionQuerySet.as_manager()

    class Meta:
        db_table = "model_interactions"
        verbose_name = _("interaction")
        verbose_name_plural = _("interactions")
        constraints = [
            models.UniqueConstraint(fields=["user", "model", "type"], name="interactions_once"),
            models.CheckConstraint(condition=models.Q(type__in=["LIKE", "FAVORITE"]), name="interactions_type"),
        ]
        indexes = [models.Index(fields=["user", "type", "-created_at", "-id"], name="interactions_recent")]

    def __str__(self) -> str:
        return f"{self.type} {self.model_id}"
