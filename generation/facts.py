"""Facts from generation that rooms below or beside it show; found through slots named in the settings."""

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from generation import spending
from generation.messages import sentence
from generation.models import GeneratedImage, GenerationRequest, ModelGenerationJob, ProviderCall
from generation.states import FAILED, JobStatus
from lumi.accounts.exports import Record, each, path_for
from lumi.accounts.models import User
from lumi.pages import bounded

NOT_MADE = FAILED | {JobStatus.CANCELLED}


def facts_of_models(model_ids: list[str]) -> dict[str, dict[str, Any]]:
    """By model id: `requestId`, `sourceImageId`, `generationJob`, `errorMessage`. One statement."""
    jobs = ModelGenerationJob.objects.filter(model_id__in=model_ids)
    return {job.model_id: facts_of(job) for job in jobs}


def facts_of(job: ModelGenerationJob) -> dict[str, Any]:
    """What a model's own row does not know."""
    return {
        "requestId": job.request_id,
        "sourceImageId": job.source_image_id,
        "generationJob": {"id": job.id, "status": job.status, "progress": job.progress},
        "errorMessage": sentence(job.error_code) if job.status in NOT_MADE else None,
    }


def prompts_of_models(model_ids: list[str]) -> dict[str, str]:
    """By model id the sentence that each was asked for with, for staff. One statement."""
    jobs = ModelGenerationJob.objects.filter(model_id__in=model_ids)
    return dict(jobs.values_list("model_id", "request__prompt"))


def count_requests(user: User) -> int:
    """How many requests a person has."""
    return GenerationRequest.objects.owned_by(user).count()


def facts_of_person(user_id: str) -> list[dict[str, Any]]:
    """Requests, 3D jobs and money, for staff who look at a person (the slot PERSON_FACTS): label, value, link."""
    requests = GenerationRequest.objects.filter(owner_id=user_id)
    jobs = ModelGenerationJob.objects.filter(owner_id=user_id)
    calls = ProviderCall.objects.filter(owner_id=user_id)
    month = calls.filter(sent_at__gte=spending.this_month().begins)
    own, to_calls = {"owner__id__exact": user_id}, link("providercall", owner_id__exact=user_id)
    return [
        {"label": _("requests"), "value": bounded(requests), "link": link("generationrequest", **own)},
        {"label": _("3D jobs"), "value": bounded(jobs), "link": link("modelgenerationjob", **own)},
        {"label": _("spent this month"), "value": in_currency(month), "link": to_calls},
        {"label": _("spent in all"), "value": in_currency(calls), "link": to_calls},
    ]


def in_currency(calls: "QuerySet[ProviderCall]") -> str:
    """What calls have cost."""
    return f"{spending.total(calls):.2f} {settings.CURRENCY}"


def link(table: str, **filters: str) -> str:
    """The admin's list of these rows."""
    return f"{reverse(f'admin:generation_{table}_changelist')}?{urlencode(filters)}"


def export(user: User) -> Iterator[Record]:
    """All requests of a person, with their pictures (the accounts' slot)."""
    for request in each(GenerationRequest.objects.owned_by(user).prefetch_related("images")):
        images = [exported_image(image) for image in request.images.all()]
        own = {image["file"]: key for image, key in images if key}
        yield Record(exported(request) | {"images": [image for image, _key in images]}, own)


def exported(request: GenerationRequest) -> dict[str, Any]:
    """What a request's row knows."""
    return {
        "id": request.pk,
        "prompt": request.prompt,
        "optimizePrompt": request.optimize_prompt,
        "status": request.status,
        "selectedImageIndex": request.selected_image_index,
        "createdAt": request.created_at,
        "completedAt": request.completed_at,
    }


def exported_image(image: GeneratedImage) -> tuple[dict[str, Any], str]:
    """A picture's row, and its storage key; "" where it was not painted."""
    path = path_for(f"requests/{image.request_id}", image.key) if image.key else None
    content = {"index": image.index, "prompt": image.prompt, "status": image.status, "createdAt": image.created_at}
    return content | {"file": path}, image.key


def file_keys() -> Iterator[tuple[str, str]]:
    """Every picture's storage key, and whose it is (the ground's slot FILE_KEYS)."""
    for image in each(GeneratedImage.objects.exclude(key="").only("pk", "key")):
        yield image.key, f"image {image.pk}"
