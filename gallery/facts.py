"""What the gallery knows about people's models, and what rooms above it know about them."""

from collections.abc import Iterator, Sequence
from typing import Any, TypedDict

from django.conf import settings
from django.db.models import Sum
from django.utils.module_loading import import_string

from gallery.models import Model
from lumi.accounts.exports import Record, each, path_for
from lumi.accounts.models import User


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


def count_models(user: User) -> int:
    """How many models a person has, finished or not."""
    return Model.objects.owned_by(user).count()


def count_public_models(user: User) -> int:
    """How many of a person's models everybody can see."""
    return Model.objects.in_gallery().owned_by(user).count()


def count_received_likes(user: User) -> int:
    """How many likes a person's models have in all."""
    return Model.objects.owned_by(user).aggregate(likes=Sum("like_count", default=0))["likes"]


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
