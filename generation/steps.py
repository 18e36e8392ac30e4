"""The hands: one job, one call to a provider, then one short transaction. No transaction is open during a call.

Every write is guarded by the job's fence: `Stale` means that the job was cancelled, deleted or claimed by somebody
else meanwhile, and that nothing was written.
"""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from django.conf import settings
from django.utils import timezone

from gallery.models import StoredFile
from generation import designs, messages, queue
from generation.kinds import KINDS, locked_request, request_id_of
from generation.models import GeneratedImage, GenerationRequest, ImageGenerationJob, Job, Stale
from generation.states import GiveUp, JobStatus, RequestStatus, Retry, Stage, after_failure, backoff
from lumi import clock, files
from providers import registry
from providers.base import Billed, Fault, JobState, ProviderError, RemoteFile, Report

logger = logging.getLogger(__name__)

MOST_DESIGN_TRIES = 2
EVIDENCE_LENGTH = 2000
T = TypeVar("T")


def asked(call: Callable[..., T], *arguments: Any) -> T:
    """What a provider answers. A fault in the adapter is an error of unknown outcome, never a crash of the step."""
    try:
        return call(*arguments)
    except ProviderError:
        raise
    except Exception as error:
        logger.exception("provider adapter failed")
        raise ProviderError(Fault.BAD_ANSWER, billed=Billed.UNKNOWN, evidence=repr(error)) from error


def provider_of(job: Job) -> Any:
    """The provider that has, or is to get, this job."""
    return registry.get(job.kind, job.provider)


def limits_of(job: Job) -> dict[str, Any]:
    """The numbers of its kind."""
    return settings.GENERATION[job.kind]


def seconds(number: float) -> timedelta:
    """A span."""
    return timedelta(seconds=number)


# --- Designs --------------------------------------------------------------------------------------------------------


def write_designs(request: GenerationRequest) -> None:
    """Ask the LLM for four designs, and let the painting begin. A request never fails for the LLM."""
    wanted = request.optimize_prompt
    found = designs.ask_or_none(request.prompt) if wanted and request.design_tries <= MOST_DESIGN_TRIES else None
    notice = messages.PROMPT_NOT_OPTIMIZED if wanted and found is None else ""
    with locked_request(request.id) as locked:
        if locked.fence != request.fence or locked.status != RequestStatus.IMAGE_PENDING:
            raise Stale
        images = list(locked.images.all())
        for image in images:
            image.prompt = found[image.index] if found else locked.prompt
        GeneratedImage.objects.bulk_update(images, ["prompt"])
        ImageGenerationJob.objects.of_request(locked.id).filter(stage=Stage.WAITING).update(next_at=clock.now())
        locked.next_at, locked.lease_until, locked.notice_code = None, None, notice
        locked.save(update_fields=["next_at", "lease_until", "notice_code", "updated_at"])


# --- Jobs -----------------------------------------------------------------------------------------------------------


def advance(job: Job) -> bool:
    """Do the job's next step; True when another can follow at once. Raises Stale."""
    return STEPS[Stage(job.stage)](job)


def submit(job: Job) -> bool:
    """Hand the job over. That it is about to be paid for is committed before the call."""
    kind, provider = KINDS[job.kind], provider_of(job)
    try:
        order = kind.order(job)
    except ProviderError as error:
        return give_up(job, JobStatus.FAILED, error.fault, error.evidence)
    with locked_request(request_id_of(job)) as request:
        lease = queue.lease_from(clock.now())
        started = job.started_at or timezone.now()
        job.move(Stage.SUBMITTING, JobStatus.RUNNING, lease_until=lease, started_at=started)
        kind.begin(job, request)
    try:
        report = asked(provider.submit, order)
    except ProviderError as error:
        return submit_failed(job, error)
    return accepted_or_stopped(job, report)


def accepted_or_stopped(job: Job, report: Report) -> bool:
    """Write the provider's answer down; if the job was cancelled or deleted meanwhile, stop what it accepted."""
    try:
        return accepted(job, report)
    except Stale:
        logger.warning("answer for a job that is no longer ours", extra={"job": job.id, "ref": report.ref})
        if report.ref:
            asked(provider_of(job).cancel, report.ref)
        raise


def submit_failed(job: Job, error: ProviderError) -> bool:
    """A "no" is followed by the retry law; an unknown outcome is held, unless repeating the submit is free."""
    if error.billed == Billed.NO or (error.billed == Billed.UNKNOWN and provider_of(job).resubmit_is_free):
        return try_failed(job, error)
    if error.billed == Billed.YES:
        return give_up(job, JobStatus.FAILED, error.fault, error.evidence)
    return hold(job, error.evidence)


def hold(job: Job, evidence: str) -> bool:
    """Nobody knows whether the provider took it: wait for a late answer, submit nothing."""
    until = clock.now() + seconds(settings.GENERATION["unknown_hold"])
    fields = {"error_code": messages.OUTCOME_UNKNOWN, "error_text": evidence[:EVIDENCE_LENGTH]}
    job.move(Stage.UNKNOWN, JobStatus.RUNNING, next_at=until, **fields)
    return False


def try_failed(job: Job, error: ProviderError) -> bool:
    """A try that surely cost nothing: again later, or not at all."""
    decision = after_failure(
        base=limits_of(job)["backoff"],
        retries=job.retry_count,
        max_retries=job.max_retries,
        permanent=error.permanent,
        later=error.is_later,
        retry_after=error.retry_after,
    )
    if isinstance(decision, GiveUp):
        return give_up(job, JobStatus.FAILED, error.fault, error.evidence)
    if error.is_later and error.retry_after:
        queue.close_gate(kind=job.kind, provider=job.provider, seconds=error.retry_after)
    return try_again(job, decision, error)


def try_again(job: Job, retry: Retry, error: ProviderError) -> bool:
    """Back to the queue, with what went wrong kept for staff."""
    with locked_request(request_id_of(job)) as request:
        job.move(
            Stage.WAITING,
            JobStatus.RETRYING,
            next_at=clock.now() + seconds(retry.after),
            retry_count=job.retry_count + retry.counts,
            attempt=job.attempt + 1,
            error_code=error.fault,
            error_text=error.evidence[:EVIDENCE_LENGTH],
            **NOTHING_AT_PROVIDER,
        )
        request.touch()
    return False


NOTHING_AT_PROVIDER: dict[str, Any] = {"provider_job_id": "", "results": [], "progress": 0, "timeout_at": None}


def accepted(job: Job, report: Report) -> bool:
    """The provider's first word on a job that it took, written down before anything else."""
    if report.state == JobState.FAILED:
        return reported_failed(job, report)
    if report.state == JobState.DONE:
        return results_ready(job, report)
    if not report.ref:
        return hold(job, "accepted without a job id")
    now = clock.now()
    times = {
        "next_at": now + seconds(limits_of(job)["poll_every"]),
        "timeout_at": now + seconds(limits_of(job)["timeout"]),
    }
    with locked_request(request_id_of(job)) as request:
        job.move(Stage.POLLING, JobStatus.RUNNING, provider_job_id=report.ref, progress=report.progress or 0, **times)
        request.touch()
    return False


def poll(job: Job) -> bool:
    """Ask how the job stands. A question that fails is asked again; it never leads to a new submit."""
    now = clock.now()
    if job.timeout_at and job.timeout_at <= now:
        return give_up(job, JobStatus.TIMEOUT, messages.TIMEOUT, "the provider did not finish in time")
    try:
        report = asked(provider_of(job).poll, job.provider_job_id)
    except ProviderError as error:
        return ask_again(job, now, error)
    if report.state == JobState.FAILED:
        return reported_failed(job, report)
    if report.state == JobState.DONE:
        return results_ready(job, report)
    return keep_polling(job, now, report.progress)


def ask_again(job: Job, now: datetime, error: ProviderError) -> bool:
    """The question failed, not the job."""
    wait = max(limits_of(job)["poll_every"], error.retry_after or 0.0)
    evidence = {"error_code": error.fault, "error_text": error.evidence[:EVIDENCE_LENGTH]}
    job.move(Stage.POLLING, JobStatus.RUNNING, next_at=now + seconds(wait), **evidence)
    return False


def keep_polling(job: Job, now: datetime, progress: int | None) -> bool:
    """Still at work. The request moves only when the progress does."""
    known = max(job.progress, min(progress or 0, 100))
    moved = known > job.progress
    next_at = now + seconds(limits_of(job)["poll_every"])
    job.move(Stage.POLLING, JobStatus.RUNNING, next_at=next_at, progress=known, error_code="", error_text="")
    if moved:
        GenerationRequest.objects.touch(request_id_of(job))
    return False


def reported_failed(job: Job, report: Report) -> bool:
    """The provider took the job and says that it failed: tried again only where that surely cost nothing."""
    error = report.error or ProviderError(Fault.JOB_FAILED)
    if error.billed == Billed.NO and error.fault != Fault.JOB_LOST:
        return try_failed(job, error)
    return give_up(job, JobStatus.FAILED, error.fault, error.evidence)


def results_ready(job: Job, report: Report) -> bool:
    """The provider is done. Where the results lie is written down before they are fetched: they were paid for."""
    now = clock.now()
    job.move(
        Stage.STORING,
        JobStatus.RUNNING,
        results=[{"role": file.role, "url": file.url} for file in report.files],
        provider_job_id=report.ref or job.provider_job_id,
        progress=100,
        next_at=now,
        timeout_at=now + seconds(limits_of(job)["timeout"]),
        lease_until=queue.lease_from(now),
    )
    return True


def store(job: Job) -> bool:
    """Bring the results into Lumi's storage; only then is the job complete."""
    now = clock.now()
    if job.timeout_at and job.timeout_at <= now:
        return give_up(job, JobStatus.FAILED, Fault.RESULT_GONE, job.error_text or "the results could not be stored")
    try:
        kept = fetch_and_keep(job)
    except ProviderError as error:
        return store_later(job, now, error)
    try:
        complete(job, kept)
    except Stale:
        files.discard(file["key"] for file in kept)
        raise
    return False


def fetch_and_keep(job: Job) -> list[StoredFile]:
    """Fetch the results and keep them. Raises ProviderError, also for a storage that is down."""
    remote = tuple(RemoteFile(role=result["role"], url=result["url"]) for result in job.results)
    with TemporaryDirectory(prefix="lumi-") as folder:
        results = asked(provider_of(job).fetch, remote, Path(folder))
        return asked(KINDS[job.kind].keep, job, results)


def store_later(job: Job, now: datetime, error: ProviderError) -> bool:
    """Fetching failed: again until the time for it is over, unless the results are gone."""
    if error.permanent:
        return give_up(job, JobStatus.FAILED, error.fault, error.evidence)
    evidence = {"error_code": error.fault, "error_text": error.evidence[:EVIDENCE_LENGTH]}
    wait = max(backoff(limits_of(job)["backoff"], 0), error.retry_after or 0.0)
    job.move(Stage.STORING, JobStatus.RUNNING, next_at=now + seconds(wait), **evidence)
    return False


def complete(job: Job, kept: list[StoredFile]) -> None:
    """The end of the road. Success clears earlier errors. Raises Stale."""
    with locked_request(request_id_of(job)) as request:
        job.move(
            Stage.ENDED, JobStatus.COMPLETED, next_at=None, error_code="", error_text="", duration_ms=duration(job)
        )
        KINDS[job.kind].complete(job, request, kept)


def give_up(job: Job, status: JobStatus, code: str, evidence: str) -> bool:
    """The job has failed for good. Raises Stale."""
    with locked_request(request_id_of(job)) as request:
        evidence = evidence[:EVIDENCE_LENGTH]
        job.move(
            Stage.ENDED, status, next_at=None, error_code=str(code), error_text=evidence, duration_ms=duration(job)
        )
        KINDS[job.kind].fail(job, request, str(code))
    return False


def duration(job: Job) -> int | None:
    """Milliseconds since the first submit."""
    if job.started_at is None:
        return None
    return round((timezone.now() - job.started_at).total_seconds() * 1000)


STEPS: dict[Stage, Callable[[Job], bool]] = {Stage.WAITING: submit, Stage.POLLING: poll, Stage.STORING: store}


# --- Recovery -------------------------------------------------------------------------------------------------------


def recover_submit(job: Job) -> None:
    """Whoever was handing this job over is gone. Where a second submit is free, again; else its outcome is unknown."""
    if provider_of(job).resubmit_is_free:
        error = ProviderError(Fault.NETWORK, evidence="the worker was lost while submitting")
        resubmit(job, error)
    else:
        hold(job, "the worker was lost while submitting")


def resubmit(job: Job, error: ProviderError) -> None:
    """The same attempt once more, counted, so that a job which kills its workers comes to an end."""
    if job.retry_count >= job.max_retries:
        give_up(job, JobStatus.FAILED, error.fault, error.evidence)
        return
    job.move(Stage.WAITING, JobStatus.RETRYING, next_at=clock.now(), retry_count=job.retry_count + 1)
