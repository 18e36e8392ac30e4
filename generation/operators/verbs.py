"""What operators do. Each verb goes through the same door as the API, and writes a line of the audit trail as the last
statement of its transaction."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.db import transaction

from generation import journal, messages, outcomes, pipeline, spending, sweeps, tasks
from generation.kinds import locked_request
from generation.models import (
    GenerationRequest,
    ImageGenerationJob,
    Job,
    JobEvent,
    ModelGenerationJob,
    ProviderCall,
    QueuePause,
    Stale,
)
from generation.queue import jobs_of, lease_from
from generation.states import JobStatus, RequestStatus
from lumi import audit, clock, process
from lumi.again import again_after_deadlock
from lumi.chores import Refused
from lumi.errors import LumiError
from providers import registry

# --- What it would cost ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NewOrder:
    """What a failed job that is queued again is expected to cost at the first provider of the list. `is_second`: nobody
    knows whether the order before it was taken, so that two may be paid for."""

    provider: str
    product: str
    cost: Decimal
    is_second: bool


def may_be_paid_twice(job: Job) -> bool:
    """Nobody knows whether the provider took the order: another one may be the second that is paid for."""
    return job.error_code == messages.OUTCOME_UNKNOWN or journal.is_unknown(job)


def new_orders(jobs: Sequence[Job]) -> list[NewOrder | None]:
    """What is ordered when these failed jobs are queued again. None for a job of which nothing is: what was paid for is
    fetched, or asked for again (`pipeline.what_is_paid`). One statement, however many there are."""
    calls = ProviderCall.objects.in_bulk([job.reference for job in jobs], field_name="reference")
    return [new_order(job, calls.get(job.reference)) for job in jobs]


def new_order(job: Job, call: ProviderCall | None) -> NewOrder | None:
    """Of one job, whose last call this is."""
    if job.error_code in messages.OUR_SIDE and (job.provider_job_id or job.results or was_taken(call)):
        return None
    provider = next(iter(registry.listed(job.kind)), job.provider)
    is_lost = call is not None and call.outcome in ("", journal.UNKNOWN)
    is_second = is_lost or job.error_code == messages.OUTCOME_UNKNOWN
    return NewOrder(provider, *spending.expected(job.kind, provider), is_second)


def was_taken(call: ProviderCall | None) -> bool:
    """Whether the provider has said so."""
    return call is not None and call.outcome == journal.ACCEPTED


def to_retry(request: GenerationRequest) -> list[Job]:
    """The jobs that a retry of the request starts again."""
    if request.status == RequestStatus.IMAGE_FAILED:
        jobs = ImageGenerationJob.objects.of_request(request.pk).with_context().order_by("image__index")
        return [job for job in jobs if job.status != JobStatus.COMPLETED]
    if request.status == RequestStatus.MODEL_FAILED:
        return list(ModelGenerationJob.objects.of_request(request.pk).with_context())
    return []


# --- Jobs and requests ----------------------------------------------------------------------------------------------


def subject(thing: Any) -> tuple[str, str]:
    """What a line of the audit trail is about."""
    return thing._meta.model_name, thing.pk


def facts_of(job: Job) -> dict[str, Any]:
    """A job, as a line of the audit trail has it."""
    return {"status": job.status, "stage": job.stage, "error": job.error_code, "attempt": job.attempt}


@again_after_deadlock
def requeue(job: Job) -> None:
    """Queue a failed job again. Raises Refused."""
    try:
        with transaction.atomic():
            before = facts_of(jobs_of(job.kind).get(pk=job.pk))
            if not pipeline.requeue(job=job):
                raise Refused("its request no longer waits for it")
            after = jobs_of(job.kind).get(pk=job.pk)
            audit.record("requeued", subject(job), before=before, after=facts_of(after))
    except (Stale, ObjectDoesNotExist) as error:
        raise Refused("its request no longer waits for it") from error


@again_after_deadlock
def cancel(request: GenerationRequest) -> None:
    """Cancel a whole request, as its owner would. Raises Refused."""
    before = {"status": request.status}
    try:
        with transaction.atomic():
            after = pipeline.cancel(owner=request.owner, request_id=request.pk)
            audit.record("cancelled", subject(request), before=before, after={"status": after.status})
    except LumiError as error:
        raise Refused(str(error.message)) from error


@again_after_deadlock
def retry(request: GenerationRequest) -> None:
    """Try again what has failed of a request, as its owner would. Raises Refused."""
    before = {"status": request.status, "error": request.error_code}
    try:
        with transaction.atomic():
            after = pipeline.retry(owner=request.owner, request_id=request.pk)
            audit.record("retried", subject(request), before=before, after={"status": after.status})
    except LumiError as error:
        raise Refused(str(error.message)) from error


@again_after_deadlock
def fail(job: Job, reason: str) -> None:
    """End one job by hand. Whoever works on it writes nothing more; what runs at the provider is stopped there.
    Raises Refused."""
    try:
        with locked_request(job.request_id):
            job = jobs_of(job.kind).with_context().select_for_update().get(pk=job.pk)
            if job.has_ended:
                raise Refused(f"it has already ended: {job.status}")
            before = facts_of(job)
            pipeline.stop_at_provider(job)
            job.take(lease_from(clock.now()))
            outcomes.give_up(job, JobStatus.FAILED, messages.FAILED_BY_OPERATOR, reason)
            audit.record("failed", subject(job), reason=reason, before=before, after=facts_of(job))
    except (Stale, ObjectDoesNotExist) as error:
        raise Refused("it has just been deleted") from error


# --- Queues ---------------------------------------------------------------------------------------------------------


def sweep() -> dict[str, int]:
    """One round of the sweeps, now: how many lines of history of each word it wrote."""
    last = JobEvent.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    sweeps.sweep()
    tasks.ring()
    mine = JobEvent.objects.filter(pk__gt=last, process=process.name())
    return dict(sorted(Counter(mine.values_list("event", flat=True)).items()))


@again_after_deadlock
def pause(kind: str) -> tuple[QueuePause, bool]:
    """Start nothing new of this queue; the pause, and whether it is new."""
    with transaction.atomic():
        found, is_new = QueuePause.objects.get_or_create(kind=kind, defaults={"paused_by": process.actor.get()})
        if is_new:
            audit.record("paused", subject(found))
    return found, is_new


@again_after_deadlock
def resume(kind: str) -> bool:
    """End a pause; False where there was none."""
    with transaction.atomic():
        gone, _ = QueuePause.objects.filter(pk=kind).delete()
        if gone:
            audit.record("resumed", (QueuePause._meta.model_name or "", kind))
        tasks.ring_after_commit()
    return bool(gone)
