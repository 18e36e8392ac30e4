"""Facts from generation that rooms below or beside it show; found through slots named in the settings."""

from typing import Any

from generation.messages import sentence
from generation.models import GenerationRequest, ModelGenerationJob
from generation.states import FAILED, JobStatus
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
