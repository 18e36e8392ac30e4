"""Facts from generation that rooms below or beside it show; found through slots named in the settings."""

from collections.abc import Iterator
from typing import Any

from generation.messages import sentence
from generation.models import GeneratedImage, GenerationRequest, ModelGenerationJob
from generation.states import FAILED, JobStatus
from lumi.accounts.exports import Record, each, path_for
from lumi.accounts.models import User

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


def count_requests(user: User) -> int:
    """How many requests a person has."""
    return GenerationRequest.objects.owned_by(user).count()


def export(user: User) -> Iterator[Record]:
    """All requests of a person, with their pictures (the accounts' slot)."""
    for request in each(GenerationRequest.objects.owned_by(user).prefetch_related("images")):
        images = [exported_image(image) for image in request.images.all()]
        own = {image["file"]: key for image, key in images if key}
        yield Record(exported(request) | {"images": [image for image, _ in images]}, own)


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
