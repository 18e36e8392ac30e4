"""Rows for tests: plain functions, every field with a sensible value."""

from itertools import count
from typing import Any

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from gallery.models import Model
from generation import pipeline
from generation.models import GenerationRequest, ImageGenerationJob, ModelGenerationJob
from lumi import files
from lumi.accounts.models import User

numbers = count(1)


def make_user(email: str = "", **fields: Any) -> User:
    """A person without a password."""
    number = next(numbers)
    return User.objects.create_user(email or f"person{number}@example.com", **{"name": f"Person {number}", **fields})


def store(kind: str, owner: User, name: str, content: bytes = b"content", *, public: bool = False) -> dict[str, Any]:
    """A stored file: its key and size."""
    key = f"{files.new_folder(kind, owner.id, public=public)}/{name}"
    default_storage.save(key, ContentFile(content))
    return {"key": key, "size": len(content)}


def make_model(owner: User, *, finished: bool = True, public: bool = False, **fields: Any) -> Model:
    """A model: finished and private unless told otherwise. Its files exist."""
    if finished:
        stored = [
            {"role": role, **store("models", owner, name, public=public)}
            for role, name in (("obj", "cat.obj"), ("mtl", "cat.mtl"), ("texture", "cat.png"), ("glb", "cat.glb"),
                               ("stl", "cat.stl"), ("preview", "cat-preview.png"))
        ]  # fmt: skip
        fields = {"files": stored, "format": "OBJ", "size": stored[0]["size"], "completed_at": timezone.now(), **fields}
    if public:
        fields = {"visibility": "PUBLIC", "published_at": timezone.now(), **fields}
    return Model.objects.create(**{"owner": owner, "name": f"Cat {next(numbers)}", **fields})


def make_request(owner: User, *, status: str = "IMAGE_PENDING", **fields: Any) -> GenerationRequest:
    """A request as the pipeline starts it, its rows then moved to `status` as if the work had been done.

    From IMAGE_COMPLETED on all four pictures are there; from MODEL_PENDING on image 0 is chosen.
    """
    request = pipeline.start(owner=owner, prompt=fields.pop("prompt", "a small cat"), optimize_prompt=False)
    if status == "IMAGE_PENDING":
        return request
    if status == "IMAGE_FAILED":
        write_images(request, status="FAILED", job_status="FAILED", error_code="UNAVAILABLE", failed_at=timezone.now())
    elif status == "IMAGE_GENERATING":
        write_images(request, status="PENDING", job_status="PENDING")
    else:
        write_images(request, status="COMPLETED", job_status="COMPLETED", completed_at=timezone.now())
        store_images(request)
    if status not in ("IMAGE_FAILED", "IMAGE_GENERATING"):
        GenerationRequest.objects.filter(pk=request.pk).update(status="IMAGE_COMPLETED")
    if status in ("MODEL_PENDING", "MODEL_GENERATING", "MODEL_FAILED", "COMPLETED"):
        pipeline.select_image(owner=owner, request_id=request.id, index=0)
        move_model(request, status)
    if status in ("CANCELLED", "FAILED"):
        fields = {"ended_from": "IMAGE_COMPLETED", **fields}
    GenerationRequest.objects.filter(pk=request.pk).update(status=status, **fields)
    request.refresh_from_db()
    return request


def write_images(request: GenerationRequest, *, status: str, job_status: str, **fields: Any) -> None:
    """All four images and their jobs in one state."""
    request.images.update(status=status, prompt=request.prompt, **fields)
    stage = "WAITING" if job_status == "PENDING" else "ENDED"
    ImageGenerationJob.objects.of_request(request.id).update(status=job_status, stage=stage)
    GenerationRequest.objects.filter(pk=request.pk).update(next_at=None)


def store_images(request: GenerationRequest) -> None:
    """Four files."""
    for image in request.images.all():
        image.key = store("images", request.owner, f"image-{image.index}.png")["key"]
        image.save()


def move_model(request: GenerationRequest, status: str) -> None:
    """The model and its job in the state that goes with the request's."""
    job = ModelGenerationJob.objects.get(request=request)
    if status == "COMPLETED":
        model = make_model(request.owner, name="spare")
        Model.objects.filter(pk=job.model_id).update(
            files=model.files, format=model.format, size=model.size, completed_at=timezone.now()
        )
        Model.objects.filter(pk=model.pk).delete()
        ModelGenerationJob.objects.filter(pk=job.pk).update(stage="ENDED", status="COMPLETED", progress=100)
    elif status == "MODEL_FAILED":
        Model.objects.filter(pk=job.model_id).update(failed_at=timezone.now(), error_code="UNAVAILABLE")
        ModelGenerationJob.objects.filter(pk=job.pk).update(stage="ENDED", status="FAILED", error_code="UNAVAILABLE")
    elif status == "MODEL_GENERATING":
        ModelGenerationJob.objects.filter(pk=job.pk).update(
            stage="POLLING", status="RUNNING", provider="scripted", provider_job_id="job-1", progress=40
        )
