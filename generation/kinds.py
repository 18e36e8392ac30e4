"""What image jobs and model jobs do differently: the order they hand over, where results are kept, and what an outcome
does to the image, the model and the request. All that write here are called inside a transaction that holds the
request's row, so that two images which finish at one moment see each other."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Protocol

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.text import slugify

from gallery import actions as gallery
from gallery.models import StoredFile
from generation.models import GeneratedImage, GenerationRequest, ImageGenerationJob, ModelGenerationJob, Stale
from generation.states import ImageStatus, RequestStatus, Stage
from lumi import clock, files, wavefront
from providers.base import Billed, Fault, FileRole, ImageOrder, ModelOrder, ProviderError, ResultFile

EXTENSIONS = {FileRole.MTL: "mtl", FileRole.TEXTURE: "png", FileRole.PREVIEW: "png"}


class Kind(Protocol):
    """What `steps` asks of a kind of job."""

    def order(self, job: Any) -> Any:
        """What is handed to the provider. Raises ProviderError when it cannot be put together."""
        ...

    def alike(self, job: Any, provider: Any) -> tuple[list[Any], int]:
        """Waiting jobs that the provider could do with this one in one order, locked; and how many of them at most."""
        ...

    def keep(self, job: Any, results: list[ResultFile]) -> list[StoredFile]:
        """Copy the results into Lumi's own storage. Raises ProviderError when they are not what was ordered."""
        ...

    def begin(self, job: Any, request: GenerationRequest) -> None:
        """The job is about to be submitted."""
        ...

    def complete(self, job: Any, request: GenerationRequest, kept: list[StoredFile]) -> None:
        """The job has ended well."""
        ...

    def fail(self, job: Any, request: GenerationRequest, code: str) -> None:
        """The job has ended badly, for good."""
        ...


@contextmanager
def locked_request(request_id: str) -> Iterator[GenerationRequest]:
    """A transaction that holds the request's row: always the first lock. Raises Stale when the request is gone."""
    with transaction.atomic():
        request = GenerationRequest.objects.select_for_update().filter(pk=request_id).first()
        if request is None:
            raise Stale
        yield request


class ImageKind:
    """Paints one of a request's four pictures."""

    def order(self, job: ImageGenerationJob) -> ImageOrder:
        """The prompt that the designs wrote for this picture."""
        return ImageOrder(reference=job.reference, prompt=job.words, variant=job.image.index)

    def alike(self, job: ImageGenerationJob, provider: Any) -> tuple[list[ImageGenerationJob], int]:
        """Pictures of the same request and words; not one whose worker was lost. All four are locked, by their ids and
        in their order, as a heartbeat does: other workers may be taking them up at this moment."""
        if provider.batch < 2:
            return [], 0
        ids = list(ImageGenerationJob.objects.of_request(job.request_id).values_list("pk", flat=True))
        four = ImageGenerationJob.objects.with_context().filter(pk__in=ids).order_by("pk").select_for_update()
        waiting = [each for each in four if each.stage == Stage.WAITING and each.next_at and not each.recoveries]
        return [each for each in waiting if each.pk != job.pk and each.words == job.words], provider.batch - 1

    def keep(self, job: ImageGenerationJob, results: list[ResultFile]) -> list[StoredFile]:
        """The picture, under a name of its own."""
        picture = one_of(results, FileRole.IMAGE)
        folder = files.new_folder("images", job.image.request.owner_id)
        return [store(picture, f"{folder}/image-{job.image.index}{picture.path.suffix.lower()}")]

    def begin(self, job: ImageGenerationJob, request: GenerationRequest) -> None:
        """The first image that is painted moves the request."""
        write_image(job.image, ImageStatus.GENERATING)
        if request.status == RequestStatus.IMAGE_PENDING:
            request.move(RequestStatus.IMAGE_GENERATING)
        else:
            request.touch()

    def complete(self, job: ImageGenerationJob, request: GenerationRequest, kept: list[StoredFile]) -> None:
        """The picture is there."""
        done = {"key": kept[0]["key"], "error_code": "", "completed_at": timezone.now(), "failed_at": None}
        write_image(job.image, ImageStatus.COMPLETED, **done)
        settle_images(request)

    def fail(self, job: ImageGenerationJob, request: GenerationRequest, code: str) -> None:
        """This picture will not come."""
        write_image(job.image, ImageStatus.FAILED, error_code=code, failed_at=timezone.now())
        settle_images(request)


class ModelKind:
    """Builds a model from the chosen picture."""

    def order(self, job: ModelGenerationJob) -> ModelOrder:
        """The chosen picture, and the words it was painted from."""
        image = job.source_image
        try:
            content = files.read(image.key)
        except FileNotFoundError as error:
            raise ProviderError(Fault.INVALID_INPUT, permanent=True, evidence="the picture's file is gone") from error
        return ModelOrder(
            reference=job.reference,
            prompt=job.words,
            name=job.model.name,
            image=content,
            image_url=files.url(image.key) or "",
        )

    def alike(self, job: ModelGenerationJob, provider: Any) -> tuple[list[ModelGenerationJob], int]:
        """A request has one model."""
        return [], 0

    def keep(self, job: ModelGenerationJob, results: list[ResultFile]) -> list[StoredFile]:
        """All files in one folder under the model's name; an OBJ finds its MTL, and the MTL its texture, there."""
        if not any(result.role in (FileRole.OBJ, FileRole.GLB, FileRole.STL) for result in results):
            raise ProviderError(
                Fault.BAD_ANSWER, permanent=True, billed=Billed.YES, evidence="no mesh among the results"
            )
        folder, stem = files.new_folder("models", job.model.owner_id), stem_of(job.model.name)
        names = {result.role: name_of(result, stem) for result in results}
        paths = {result.role.value: result.path for result in results}
        wavefront.let_find(paths, {role.value: name for role, name in names.items()})
        return [store(result, f"{folder}/{names[result.role]}") for result in results]

    def begin(self, job: ModelGenerationJob, request: GenerationRequest) -> None:
        """The model is being built."""
        if request.status == RequestStatus.MODEL_PENDING:
            request.move(RequestStatus.MODEL_GENERATING)
        else:
            request.touch()

    def complete(self, job: ModelGenerationJob, request: GenerationRequest, kept: list[StoredFile]) -> None:
        """The model is there, and the request is done."""
        gallery.complete(model_id=job.model_id, files=kept)
        now = timezone.now()
        request.move(RequestStatus.COMPLETED, completed_at=now, error_code="", deadline_at=None)

    def fail(self, job: ModelGenerationJob, request: GenerationRequest, code: str) -> None:
        """The model will not come."""
        gallery.fail(model_id=job.model_id, error_code=code)
        if request.status in (RequestStatus.MODEL_PENDING, RequestStatus.MODEL_GENERATING):
            request.move(RequestStatus.MODEL_FAILED, error_code=code, deadline_at=None)


KINDS: dict[str, Kind] = {"image": ImageKind(), "model": ModelKind()}


def write_image(image: GeneratedImage, status: ImageStatus, **fields: Any) -> None:
    """Change an image's row and the instance alike; the caller holds the request."""
    fields = {"status": status.value, "updated_at": timezone.now(), **fields}
    GeneratedImage.objects.filter(pk=image.pk).update(**fields)
    for name, value in fields.items():
        setattr(image, name, value)


def settle_images(request: GenerationRequest) -> None:
    """When no image is open any more the request moves on: to the choice if there is one, else to IMAGE_FAILED."""
    images = list(request.images.only("id", "index", "status", "error_code", "request_id"))
    if any(image.is_open for image in images):
        request.touch()
    elif any(image.status == ImageStatus.COMPLETED for image in images):
        deadline = clock.now() + timedelta(seconds=settings.GENERATION["choice_deadline"])
        request.move(RequestStatus.IMAGE_COMPLETED, error_code="", deadline_at=deadline)
    else:
        request.move(RequestStatus.IMAGE_FAILED, error_code=images[0].error_code, deadline_at=None)


def one_of(results: list[ResultFile], role: FileRole) -> ResultFile:
    """The one result of a role. Raises ProviderError when there is none."""
    found = next((result for result in results if result.role == role), None)
    if found is None:
        raise ProviderError(
            Fault.BAD_ANSWER, permanent=True, billed=Billed.YES, evidence=f"no {role} among the results"
        )
    return found


def store(result: ResultFile, key: str) -> StoredFile:
    """One result in Lumi's storage."""
    return StoredFile(role=result.role.value, key=key, size=files.save(result.path, key))


def stem_of(name: str) -> str:
    """A file name for a model's name: letters of any script, digits and hyphens."""
    return slugify(name, allow_unicode=True)[:60] or "model"


def name_of(result: ResultFile, stem: str) -> str:
    """`small-cat.obj`, `small-cat.png` (the texture), `small-cat-preview.png`."""
    extension = result.path.suffix.lower().lstrip(".") or EXTENSIONS.get(result.role, result.role.value)
    return f"{stem}-preview.{extension}" if result.role == FileRole.PREVIEW else f"{stem}.{extension}"
