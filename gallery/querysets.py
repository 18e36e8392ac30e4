"""The gallery's questions, named for who asks."""

from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import AnonymousUser
from django.db import models
from django.db.models import Q
from django.db.models.functions import Cast

from lumi.files import PUBLIC

if TYPE_CHECKING:
    from gallery.models import Model
    from lumi.accounts.models import User

SORT_ORDERS = {
    "latest": ("-published_at", "-id"),
    "popular": ("-view_count", "-id"),
    "liked": ("-like_count", "-id"),
}


def may_be_seen_by(user: "User | AnonymousUser", through: str = "") -> Q:
    """Who may see what is decided here and nowhere else. `through`: the way to the model, as in "model__".

    Everybody: what is public, finished, not hidden by moderation; its owner: all of it. That a public model is finished
    is the table's own law (`models_public_is_complete`): not asked here again, so that counts and pages are read from
    an index alone.
    """
    public = Q(**{f"{through}visibility": "PUBLIC", f"{through}moderation": "VISIBLE"})
    return public | Q(**{f"{through}owner_id": user.pk}) if user.is_authenticated else public


class ModelQuerySet(models.QuerySet["Model"]):
    """Rows of models."""

    def in_gallery(self) -> "ModelQuerySet":
        """What everybody may see."""
        return self.filter(may_be_seen_by(AnonymousUser()))

    def owned_by(self, user: "User") -> "ModelQuerySet":
        """A person's own."""
        return self.filter(owner=user)

    def visible_to(self, user: "User | AnonymousUser") -> "ModelQuerySet":
        """A person's own and what everybody may see."""
        return self.filter(may_be_seen_by(user))

    def laid_open(self) -> "ModelQuerySet":
        """Hidden, but its files still lie where everybody may read: somebody is about to move them, or the sweep is.
        The most viewed first."""
        hidden = self.filter(moderation__in=["HIDDEN", "SUSPENDED"])
        as_text = hidden.annotate(places=Cast("files", models.TextField()))
        return as_text.filter(places__contains=f'"{PUBLIC}').order_by("-view_count", "-id")

    def sorted_by(self, order: str) -> "ModelQuerySet":
        """One of SORT_ORDERS; the id breaks ties, so that pages do not overlap."""
        return self.order_by(*SORT_ORDERS[order])

    def newest_first(self) -> "ModelQuerySet":
        """By creation."""
        return self.order_by("-created_at", "-id")

    def with_owner(self) -> "ModelQuerySet":
        """Ready to be shown: the owner's name comes with the row."""
        return self.select_related("owner")

    def with_id(self, model_id: str) -> "Model | None":
        """The one with this id, if it is among them."""
        return self.filter(pk=model_id).first()

    def count_one_more(self, model_id: str, counter: str, by: int = 1) -> int:
        """Move a counter in the database, without touching `updated_at`; how many rows it met."""
        return self.filter(pk=model_id).update(**{counter: models.F(counter) + by})


def in_order(rows: "models.QuerySet[Any]", ids: list[str]) -> list[Any]:
    """The rows in the order of `ids`."""
    found = {row.pk: row for row in rows}
    return [found[pk] for pk in ids if pk in found]
