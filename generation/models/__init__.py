"""What generation remembers: requests, their four images, and the jobs that make images and models.

Rows are the queue's truth. A status is written by `move()` only: one UPDATE guarded by what the writer believed
(status, and for jobs the fence); zero rows mean that somebody else was faster, and raise `Stale`.
"""

from generation.models.jobs import ImageGenerationJob, Job, ModelGenerationJob
from generation.models.records import Breaker, IdempotencyKey, JobEvent, ProviderCall, ProviderGate, QueuePause
from generation.models.requests import GeneratedImage, GenerationRequest
from generation.models.words import IMAGES_PER_REQUEST, MAX_PROMPT, Stale

__all__ = [
    "IMAGES_PER_REQUEST",
    "MAX_PROMPT",
    "Breaker",
    "GeneratedImage",
    "GenerationRequest",
    "IdempotencyKey",
    "ImageGenerationJob",
    "Job",
    "JobEvent",
    "ModelGenerationJob",
    "ProviderCall",
    "ProviderGate",
    "QueuePause",
    "Stale",
]
