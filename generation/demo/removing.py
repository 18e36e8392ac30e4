"""All that generation and the gallery keep of invented people goes, files included."""

from collections.abc import Callable, Sequence
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from gallery.models import Model
from generation.models import (
    GeneratedImage,
    GenerationRequest,
    ImageGenerationJob,
    JobEvent,
    ModelGenerationJob,
    ProviderCall,
)
from lumi import files
from lumi.demo import BATCH, in_batches


def remove(people_ids: Sequence[str]) -> None:
    """A few hundred rows a transaction; what hangs on a row goes before it, so that no delete has to look for it."""
    requests = GenerationRequest.objects.filter(owner_id__in=people_ids)
    models = Model.objects.filter(owner_id__in=people_ids)
    in_pieces(requests, remove_requests)
    in_pieces(models, remove_models)
    ProviderCall.objects.filter(owner_id__in=people_ids).delete()


def in_pieces(rows: QuerySet[Any], remove_some: Callable[[list[str]], None]) -> None:
    """By their ids, which are read once."""
    for ids in in_batches(list(rows.values_list("pk", flat=True)), BATCH):
        with transaction.atomic():
            remove_some(ids)


def remove_requests(ids: list[str]) -> None:
    """With pictures, jobs and history; their models stay."""
    images = GeneratedImage.objects.filter(request_id__in=ids)
    image_ids, keys = (
        list(images.values_list("pk", flat=True)),
        list(images.exclude(key="").values_list("key", flat=True)),
    )
    image_jobs = ImageGenerationJob.objects.filter(image_id__in=image_ids)
    model_jobs = ModelGenerationJob.objects.filter(request_id__in=ids)
    for jobs in (image_jobs, model_jobs):
        JobEvent.objects.filter(job_id__in=list(jobs.values_list("pk", flat=True))).delete()
        jobs.delete()
    images.delete()
    GenerationRequest.objects.filter(pk__in=ids).delete()
    files.doom(keys)


def remove_models(ids: list[str]) -> None:
    """With whatever hangs on them."""
    models = Model.objects.filter(pk__in=ids)
    keys = [file["key"] for stored in models.values_list("files", flat=True) for file in stored]
    models.delete()
    files.doom(keys)
