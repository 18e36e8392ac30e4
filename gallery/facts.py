"""What the gallery knows about people's models, and what rooms above it know about them."""

from collections.abc import Iterator, Sequence
from typing import Any, TypedDict

from django.conf import settings
from django.db.models import Sum
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _

from gallery.models import Model, Moderation, Report, Visibility
from lumi.accounts.exports import Record, each, path_for
from lumi.accounts.models import User
from lumi.pages import bounded


class JobFacts(TypedDict):
    """The job that makes a model."""

    id: str
    status: str
    progress: int


class ModelFacts(TypedDict, total=False):
    """What the slot GALLERY_MODEL_FACTS tells of one model. Every key may be missing or None."""

    requestId: str | None
    sourceImageId: str | None
    generationJob: JobFacts | None
    errorMessage: str | None


def facts_of(model_ids: Sequence[str]) -> dict[str, ModelFacts]:
    """What the room above knows of these models, asked once for all of them; not at all for none."""
    if not model_ids:
        return {}
    found: dict[str, ModelFacts] = import_string(settings.GALLERY_MODEL_FACTS)(list(model_ids))
    return found


def prompts_of(model_ids: Sequence[str]) -> dict[str, str]:
    """The sentences that these models were asked for with, where there are any: for staff."""
    found: dict[str, str] = import_string(settings.GALLERY_MODEL_PROMPTS)(list(model_ids))
    return found


def count_models(user: User) -> int:
    """How many models a person has, finished or not."""
    return Model.objects.owned_by(user).count()


def count_public_models(user: User) -> int:
    """How many of a person's models everybody can see."""
    return Model.objects.in_gallery().owned_by(user).count()


def count_received_likes(user: User) -> int:
    """How many likes a person's models have in all."""
    return Model.objects.owned_by(user).aggregate(likes=Sum("like_count", default=0))["likes"]


def facts_of_person(user_id: str) -> list[dict[str, Any]]:
    """Models and reports, for staff who look at a person (the slot PERSON_FACTS): label, value, link."""
    models = Model.objects.filter(owner_id=user_id)
    public = models.filter(visibility=Visibility.PUBLIC)
    out_of_sight = models.exclude(moderation=Moderation.VISIBLE)
    made, received = Report.objects.filter(reporter_id=user_id), Report.objects.filter(model__owner_id=user_id)
    own = {"owner__id__exact": user_id}
    return [
        {"label": _("models"), "value": bounded(models), "link": link("model", **own)},
        {"label": _("public models"), "value": bounded(public), "link": link("model", **own, visibility="PUBLIC")},
        {"label": _("hidden models"), "value": bounded(out_of_sight), "link": link("model", **own)},
        {"label": _("reports made"), "value": bounded(made), "link": link("report", reporter__id__exact=user_id)},
        {"label": _("reports received"), "value": bounded(received),
         "link": link("model", **own, open_reports__gt="0")},
    ]  # fmt: skip


def link(table: str, **filters: str) -> str:
    """The admin's list of these rows."""
    return f"{reverse(f'admin:gallery_{table}_changelist')}?{urlencode(filters)}"


def export(user: User) -> Iterator[Record]:
    """All models of a person, with their files (the accounts' slot)."""
    for model in each(Model.objects.owned_by(user)):
        own = {path_for(f"models/{model.pk}", file["key"]): file["key"] for file in model.files}
        yield Record(exported(model) | {"files": list(own)}, own)


def exported(model: Model) -> dict[str, Any]:
    """What a model's row knows."""
    return {
        "id": model.pk,
        "source": model.source,
        "name": model.name,
        "description": model.description,
        "format": model.format,
        "visibility": model.visibility,
        "publishedAt": model.published_at,
        "viewCount": model.view_count,
        "likeCount": model.like_count,
        "favoriteCount": model.favorite_count,
        "downloadCount": model.download_count,
        "createdAt": model.created_at,
        "completedAt": model.completed_at,
        "failedAt": model.failed_at,
    }


def file_keys() -> Iterator[tuple[str, str]]:
    """Every model file's storage key, and whose it is (the ground's slot FILE_KEYS)."""
    for model in each(Model.objects.only("pk", "files")):
        for file in model.files:
            yield file["key"], f"model {model.pk}"
