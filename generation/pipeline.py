"""The front door: what a person or an operator can ask of generation. Each verb is one transaction; what must happen
outside (a bell, a file deleted, a provider told to stop) follows the commit."""

from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from gallery import actions as gallery
from gallery.models import Model, Visibility
from gallery.names import name_from
from generation import choice, journal, messages, queue, quotas, tasks
from generation.kinds import locked_request, write_image
from generation.models import (
    IMAGES_PER_REQUEST,
    GeneratedImage,
    GenerationRequest,
    ImageGenerationJob,
    Job,
    ModelGenerationJob,
    Stale,
)
from generation.states import FAILED, RETRYABLE, UNFINISHED, ImageStatus, JobStatus, Phase, RequestStatus, Stage
from lumi import clock, files
from lumi.accounts.models import User
from lumi.accounts.sessions import AccountClosed
from lumi.again import again_after_deadlock
from lumi.errors import Conflict, InvalidState, NotFound, QueueFull
from lumi.models import FilterRule
from lumi.pictures import cleaned_picture
from lumi.wordfilter import only_welcome
from providers.base import Report

POSTS_AT_ONCE = 500  # more than this are never under way at one moment


@only_welcome(FilterRule.Scope.PROMPT, "prompt")
def start(*, owner: User, prompt: str, optimize_prompt: bool = True) -> GenerationRequest:
    """A new request with its four images and their jobs. The LLM and the painting happen in a worker."""
    with transaction.atomic():
        check_room(owner)
        quotas.check_requests(owner)
        now = clock.now()
        request = GenerationRequest.objects.create(
            owner=owner, prompt=prompt, optimize_prompt=optimize_prompt, next_at=now, deadline_at=work_deadline(now)
        )
        images = [GeneratedImage(request=request, index=index) for index in range(IMAGES_PER_REQUEST)]
        GeneratedImage.objects.bulk_create(images)
        ImageGenerationJob.objects.bulk_create(
            ImageGenerationJob(image=image, owner=owner, max_retries=retries("image")) for image in images
        )
        tasks.ring_after_commit()
    return request


@only_welcome(FilterRule.Scope.PROMPT, "prompt")
def start_from_image(*, owner: User, file: UploadedFile, prompt: str) -> GenerationRequest:
    """A request whose image 0 is the person's own picture; the choice is all that is left. Raises Invalid and
    OverQuota."""
    quotas.check_requests(owner)  # before the file is kept; once more where two at once are counted one by one
    return request_for_picture(owner, prompt, keep_picture(owner, cleaned_picture(file)))


def request_for_picture(owner: User, prompt: str, key: str) -> GenerationRequest:
    """The rows of a request that starts with a picture: four images, of which the first is finished."""
    now = timezone.now()
    done = {"prompt": prompt, "key": key, "status": ImageStatus.COMPLETED, "completed_at": now}
    none = {"status": ImageStatus.FAILED, "error_code": messages.NOT_PAINTED, "failed_at": now}
    with transaction.atomic():
        quotas.check_requests(owner)
        request = GenerationRequest.objects.create(
            owner=owner,
            prompt=prompt,
            optimize_prompt=False,
            status=RequestStatus.IMAGE_COMPLETED,
            deadline_at=choice_deadline(),
        )
        GeneratedImage.objects.bulk_create(
            GeneratedImage(request=request, index=index, **(none if index else done))
            for index in range(IMAGES_PER_REQUEST)
        )
        files.own([key])
    return request


@again_after_deadlock
def select_image(*, owner: User, request_id: str, index: int) -> Model:
    """Choose one of the four pictures; a model is built from it. Raises NotFound, Conflict, InvalidState,
    OverQuota."""
    with transaction.atomic():
        check_room(owner)
        request = locked(owner, request_id)
        if request.selected_image_index is not None:
            raise Conflict(_("A picture has already been chosen for this request."))
        if request.status != RequestStatus.IMAGE_COMPLETED:
            raise InvalidState(_("The pictures are not ready yet. Please wait until they are finished."))
        image = request.images.get(index=index)
        if image.status != ImageStatus.COMPLETED:
            raise InvalidState(_("This picture was not finished. Please choose another one."))
        quotas.check_models(owner)
        model = order_model(request, image)
        request.move(RequestStatus.MODEL_PENDING, selected_image_index=index, deadline_at=work_deadline())
        tasks.ring_after_commit()
    return model


def order_model(request: GenerationRequest, image: GeneratedImage) -> Model:
    """An unfinished model and the job that builds it."""
    model = gallery.create_unfinished(owner=request.owner, name=name_from(request.prompt))
    ModelGenerationJob.objects.create(
        owner=request.owner,
        model=model,
        request=request,
        source_image=image,
        next_at=clock.now(),
        max_retries=retries("model"),
    )
    return model


@again_after_deadlock
def retry(*, owner: User, request_id: str) -> GenerationRequest:
    """Once more what failed. Raises NotFound, InvalidState."""
    with transaction.atomic():
        request = locked(owner, request_id)
        if request.status not in RETRYABLE:
            raise InvalidState(_("Only failed requests can be tried again."))
        retry_locked(request)
    return request


def retry_locked(request: GenerationRequest) -> None:
    """What failed starts again; a model job that was given up while the provider still worked is picked up there."""
    if request.status == RequestStatus.IMAGE_FAILED:
        for job in ImageGenerationJob.objects.of_request(request.id).with_context():
            retry_image(job)
        reopen_images(request)
    else:
        retry_model(request)
    tasks.ring_after_commit()


def retry_image(job: ImageGenerationJob) -> None:
    """A failed image and its job start again; one that is painted stays."""
    if job.image.status == ImageStatus.FAILED:
        write_image(job.image, ImageStatus.PENDING, error_code="", failed_at=None)
        restart(job, next_at=clock.now() if job.image.prompt else None)


def reopen_images(request: GenerationRequest) -> None:
    """Painting starts again; where the prompts were never written, they come first."""
    undesigned = request.images.filter(prompt="").exists()
    design = {"next_at": clock.now(), "design_tries": 0} if undesigned else {}
    request.move(RequestStatus.IMAGE_PENDING, error_code="", deadline_at=work_deadline(), **design)
    if ImageGenerationJob.objects.of_request(request.id).open().exclude(stage=Stage.WAITING).exists():
        request.move(RequestStatus.IMAGE_GENERATING)


def retry_model(request: GenerationRequest) -> None:
    """The same model again, or a new one where its owner has deleted it."""
    request.move(RequestStatus.MODEL_PENDING, error_code="", deadline_at=work_deadline())
    job = ModelGenerationJob.objects.of_request(request.id).with_context().first()
    if job is None:
        order_model(request, request.images.get(index=request.selected_image_index or 0))
        return
    gallery.reopen(model_id=job.model_id)
    restart(job, next_at=clock.now())
    if job.stage != Stage.WAITING:
        request.move(RequestStatus.MODEL_GENERATING)


@again_after_deadlock
def requeue(*, job: Job) -> bool:
    """An operator's retry of one failed job; False where it has not failed, or its request no longer waits for it."""
    with suppress(Stale, type(job).DoesNotExist), locked_request(job.request_id) as request:
        job.refresh_from_db()
        return job.status in FAILED and requeue_locked(request, job)
    return False


def requeue_locked(request: GenerationRequest, job: Job) -> bool:
    """A model job starts its request's model again; an image job itself, while its request may still use it."""
    if isinstance(job, ModelGenerationJob) and request.status == RequestStatus.MODEL_FAILED:
        retry_model(request)
    elif isinstance(job, ImageGenerationJob) and request.phase == Phase.IMAGE_GENERATION and is_open(request):
        retry_image(job)
        if request.status == RequestStatus.IMAGE_FAILED:
            reopen_images(request)
    else:
        return False
    tasks.ring_after_commit()
    return True


def is_open(request: GenerationRequest) -> bool:
    """It still waits for something, or may be retried."""
    return request.status in UNFINISHED | RETRYABLE


def restart(job: Job, *, next_at: datetime | None) -> None:
    """A new life for an ended job. What was paid for is fetched or asked for again, not ordered again."""
    fresh: dict[str, Any] = {"retry_count": 0, "error_code": "", "error_text": "", "next_at": next_at}
    fresh |= {"started_at": None, "duration_ms": None, "recoveries": 0}
    fresh["timeout_at"] = clock.now() + timedelta(seconds=choice.limits(job.kind, job.provider)["timeout"])
    ref, results = what_is_paid(job)
    if results:
        fresh["timeout_at"] = clock.now() + timedelta(seconds=settings.GENERATION["store_deadline"])
        job.move(Stage.STORING, JobStatus.RUNNING, **fresh | {"provider_job_id": ref, "results": results})
    elif ref:
        job.move(Stage.POLLING, JobStatus.RUNNING, **fresh | {"provider_job_id": ref})
    else:
        fresh |= {"provider_job_id": "", "results": [], "progress": 0, "timeout_at": None, "refused_by": ""}
        job.move(Stage.WAITING, JobStatus.PENDING, attempt=job.attempt + 1, **fresh)


def what_is_paid(job: Job) -> tuple[str, list[dict[str, str]]]:
    """The vendor's id and the results of an order that failed on our side only, so that the vendor may still have it;
    also one whose answer came too late and lies in the journal. Nothing for an order that the vendor gave up."""
    if job.error_code not in messages.OUR_SIDE:
        return "", []
    answer = journal.answer_to(job)
    if job.provider_job_id or not isinstance(answer, Report):
        return job.provider_job_id, job.results
    return answer.ref, [{"role": file.role, "url": file.url} for file in answer.files]


@again_after_deadlock
def cancel(*, owner: User, request_id: str) -> GenerationRequest:
    """Stop what runs. Raises NotFound, InvalidState."""
    with transaction.atomic():
        request = locked(owner, request_id)
        if request.status not in UNFINISHED:
            raise InvalidState(_("This request is already finished and cannot be cancelled."))
        cancel_locked(request)
    return request


def cancel_locked(request: GenerationRequest) -> None:
    """End all open jobs, images and the model; whoever works on one of them writes nothing more.

    The jobs are locked as they are read: a tick may be claiming one of them at this moment.
    """
    now = timezone.now()
    for image_job in open_and_locked(ImageGenerationJob.objects.of_request(request.id)):
        end_as_cancelled(image_job)
        write_image(image_job.image, ImageStatus.FAILED, error_code=messages.CANCELLED, failed_at=now)
    for model_job in open_and_locked(ModelGenerationJob.objects.of_request(request.id)):
        end_as_cancelled(model_job)
        gallery.fail(model_id=model_job.model_id, error_code=messages.CANCELLED)
    request.move(
        RequestStatus.CANCELLED,
        ended_from=request.status,
        error_code=messages.CANCELLED,
        next_at=None,
        lease_until=None,
        deadline_at=None,
    )


def open_and_locked(jobs: Any) -> list[Any]:
    """Those that have not ended, locked by their ids and nothing else: a search by stage would lock other people's jobs
    on its way, and that would be a deadlock with whoever writes one of those."""
    ids = list(jobs.values_list("pk", flat=True))
    locked_jobs = jobs.model._default_manager.with_context().filter(pk__in=ids).order_by("pk").select_for_update()
    return [job for job in locked_jobs if not job.has_ended]


def end_as_cancelled(job: Job) -> None:
    """End a job, and have the provider told."""
    stop_at_provider(job)
    job.move(Stage.ENDED, JobStatus.CANCELLED, next_at=None, error_code=messages.CANCELLED)


def stop_at_provider(job: Job) -> None:
    """Have the provider told that nobody wants the job any more: written down, and done at once if a worker hears."""
    journal.unwanted(job)
    tasks.tell_to_stop_after_commit()


@again_after_deadlock
def discard(*, owner: User, request_id: str) -> None:
    """Delete a request: what runs is stopped, rows and files go; a public model stays. Raises NotFound."""
    with transaction.atomic():
        request = locked(owner, request_id)
        if request.status in UNFINISHED:
            cancel_locked(request)
        job = ModelGenerationJob.objects.select_related("model").select_for_update().filter(request=request).first()
        keys = [key for key in request.images.values_list("key", flat=True) if key]
        if job and job.model.visibility != Visibility.PUBLIC:
            gallery.erase(model_id=job.model_id)
        request.delete()
        files.doom(keys)


def discard_all(owner: User, *, keep_public: bool) -> None:
    """A person goes (the accounts' slot): so do their requests. Public models are the gallery's affair."""
    for request_id in GenerationRequest.objects.owned_by(owner).values_list("pk", flat=True):
        with suppress(NotFound):  # somebody else was faster
            discard(owner=owner, request_id=request_id)


def stop_for_suspended(owner_id: str) -> None:
    """An account was suspended or restored (the accounts' slot): nothing more is paid for whoever is suspended."""
    owner = User.objects.filter(pk=owner_id, suspended_at__isnull=False).first()
    if owner is None:
        return
    for request_id in GenerationRequest.objects.unfinished().owned_by(owner).values_list("pk", flat=True):
        with suppress(NotFound, InvalidState):  # finished at this moment
            cancel(owner=owner, request_id=request_id)


def touch_request(model_id: str) -> None:
    """A model has changed (the gallery's slot): so has its request."""
    request_id = ModelGenerationJob.objects.filter(model_id=model_id).values_list("request_id", flat=True).first()
    if request_id:
        GenerationRequest.objects.touch(request_id)


def release_model(model_id: str) -> None:
    """A model is about to be deleted (the gallery's slot): stop what still builds it."""
    job = ModelGenerationJob.objects.select_related("request").filter(model_id=model_id).first()
    if job is None:
        return
    request = GenerationRequest.objects.select_for_update().filter(pk=job.request_id).first()
    if request is None:  # deleted at this moment, and its job with it
        return
    request.touch()
    if request.status in (RequestStatus.MODEL_PENDING, RequestStatus.MODEL_GENERATING):
        cancel_locked(request)


def check_room(owner: User) -> None:
    """The queue is bounded, for each person and in all. Raises QueueFull and AccountClosed before anything is written.

    One person's posts pass one at a time. All people's do when the queue is nearly full: then the gate is held.
    """
    person = User.objects.select_for_update().filter(pk=owner.pk).first()
    if person and person.suspended_at:  # at this moment
        raise AccountClosed
    unfinished, most = GenerationRequest.objects.unfinished(), settings.GENERATION["most_unfinished"]
    if unfinished.owned_by(owner).count() >= settings.GENERATION["most_unfinished_per_person"]:
        raise QueueFull(
            _("You have many requests under way. Please wait until some of them are finished."), retry_after=30
        )
    waiting = unfinished.count()
    if most - POSTS_AT_ONCE <= waiting < most:
        queue.hold_front_gate()
        waiting = unfinished.count()
    if waiting >= most:
        raise QueueFull(retry_after=60)


def locked(owner: User, request_id: str) -> GenerationRequest:
    """A person's own request, held until the transaction ends. Raises NotFound."""
    request = GenerationRequest.objects.select_for_update().owned_by(owner).filter(pk=request_id).first()
    if request is None:
        raise NotFound(_("We could not find this request. It may have been deleted."))
    return request


def retries(kind: str) -> int:
    """How often a job of this kind is tried again."""
    return max(0, settings.GENERATION[kind]["tries"] - 1)


def work_deadline(now: datetime | None = None) -> datetime:
    """When images or a model must be there, queueing included."""
    return (now or clock.now()) + timedelta(seconds=settings.GENERATION["work_deadline"])


def choice_deadline() -> datetime:
    """When a picture must be chosen."""
    return clock.now() + timedelta(seconds=settings.GENERATION["choice_deadline"])


def keep_picture(owner: User, content: bytes) -> str:
    """The picture in Lumi's storage; its key."""
    key = f"{files.new_folder('images', owner.id)}/image-0.png"
    with files.workspace() as folder:
        path = folder / "image-0.png"
        path.write_bytes(content)
        files.save(path, key)
    return key
