"""The hands: one job, one call to a provider, then one short transaction. No transaction is open during a call.

Every write is guarded by the job's fence: `Stale` means that the job was cancelled, deleted or claimed by somebody
else meanwhile, and that nothing was written.
"""

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.conf import settings
from django.db import transaction
from django.db.models import F

from gallery.models import StoredFile
from generation import breakers, designs, journal, messages, queue
from generation.kinds import KINDS, locked_request
from generation.models import GeneratedImage, GenerationRequest, ImageGenerationJob, Job, ProviderCall, Stale
from generation.states import GiveUp, JobStatus, RequestStatus, Retry, Stage, after_failure, backoff
from lumi import clock, files, process
from providers import registry
from providers.base import Billed, Fault, JobState, ProviderError, RemoteFile, Report

logger = logging.getLogger(__name__)

MOST_DESIGN_TRIES = 2
EVIDENCE_LENGTH = 2000
SUBMIT, POLL = "submit", "poll"
T = TypeVar("T")


class NotNow(Exception):
    """The job may not be submitted yet. Undoes the transaction in which that was found out."""

    def __init__(self, until: datetime) -> None:
        super().__init__(until)
        self.until = until


def answer_of(call: Callable[..., T], *arguments: Any) -> T | ProviderError:
    """What a provider answers. A fault in the adapter is an error of unknown outcome, never a crash of the step."""
    try:
        return call(*arguments)
    except ProviderError as error:
        return error
    except Exception as error:
        logger.exception("provider adapter failed")
        return ProviderError(Fault.BAD_ANSWER, billed=Billed.UNKNOWN, evidence=repr(error))


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
    """Ask the LLM for four designs, and let the painting begin. A request never fails for the LLM. Raises Stale."""
    begin_designs(request)
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


def begin_designs(request: GenerationRequest) -> None:
    """Count the question before it is asked, so that workers which die of it do not ask for ever."""
    lease = queue.lease_from(clock.now())
    mine = GenerationRequest.objects.filter(pk=request.pk, fence=request.fence, status=RequestStatus.IMAGE_PENDING)
    if not mine.update(design_tries=F("design_tries") + 1, fence=F("fence") + 1, lease_until=lease):
        raise Stale
    request.design_tries, request.fence = request.design_tries + 1, request.fence + 1


# --- Jobs -----------------------------------------------------------------------------------------------------------


def advance(job: Job) -> bool:
    """Do the job's next step; True when another can follow at once. Raises Stale."""
    return STEPS[Stage(job.stage)](job)


def work_on(job: Job) -> None:
    """All steps that can be done now, as this process's work. Raises Stale."""
    with transaction.atomic():
        job.take(queue.lease_from(clock.now()), holder=process.name())
        job.note("CLAIMED")
    if job.recoveries > settings.GENERATION["most_recoveries"]:
        give_up_lost(job)
        return
    while advance(job):
        pass


def submit(job: Job) -> bool:
    """Hand the job over. That it is about to be paid for is committed before the call, and the answer is written to the
    journal before anything else."""
    order = answer_of(KINDS[job.kind].order, job)
    if isinstance(order, ProviderError):  # our own storage, most likely: nobody was asked for anything
        return try_failed(job, order)
    try:
        passed = begin_submit(job)
    except NotNow as later:
        job.move(Stage.WAITING, JobStatus(job.status), event="RELEASED", next_at=later.until)
        return False
    if time.monotonic() - passed > queue.MARGIN:  # stopped meanwhile: the gate counted it earlier, others may have it
        return not_sent(job)
    answer = in_words(answer_of(provider_of(job).submit, order))
    journal.answered(job, answer)
    return take_answer(job, answer)


def not_sent(job: Job) -> bool:
    """Too late to send: the next claim does it. If others have the job by now, they hold it as of unknown outcome."""
    job.move(Stage.WAITING, JobStatus.RETRYING, event="NOT_SENT", next_at=clock.now())
    return False


def in_words(answer: Report | ProviderError) -> Report | ProviderError:
    """An order that was taken without an id to ask for cannot be followed: nobody knows what has become of it."""
    if isinstance(answer, Report) and answer.state in (JobState.QUEUED, JobState.RUNNING) and not answer.ref:
        return ProviderError(Fault.BAD_ANSWER, billed=Billed.UNKNOWN, evidence="accepted without a job id")
    return answer


def begin_submit(job: Job) -> float:
    """In one transaction: breaker, gate, stage and journal; by the monotonic clock, when the gate was passed. Raises
    NotNow, and then nothing was written."""
    queue.ensure_gate(job.kind, job.provider)
    with locked_request(job.request_id) as request:
        now = clock.now()
        later = breakers.closed_until(job.kind, job.provider, SUBMIT, now) or queue.pass_gate(job)
        if later:
            raise NotNow(later)
        passed = time.monotonic()
        job.move(Stage.SUBMITTING, JobStatus.RUNNING, **queue.held(now), started_at=job.started_at or now)
        journal.sent(job)
        KINDS[job.kind].begin(job, request)
    return passed


def take_answer(job: Job, answer: Report | ProviderError) -> bool:
    """What follows from an answer to a submit, given at once or found later in the journal. Raises Stale."""
    if isinstance(answer, ProviderError):
        return submit_failed(job, answer)
    breakers.succeeded(job.kind, job.provider, SUBMIT)
    return accepted_or_stopped(job, answer)


def accepted_or_stopped(job: Job, report: Report) -> bool:
    """Write the provider's answer down; if the job is cancelled or deleted meanwhile, stop what it accepted."""
    try:
        return accepted(job, report)
    except Stale:
        job.note("STALE_WRITE", ref=report.ref)
        if is_unwanted(job):
            journal.unwanted(job)
            tell_to_stop()
        raise


def tell_to_stop() -> None:
    """Tell the providers of jobs that nobody wants any more. It may be too late, or not be possible: no matter.

    One at a time in a process, and not after a provider that does not answer: the threads are for other work.
    """
    if not telling.acquire(blocking=False):
        return
    try:
        for call in journal.to_cancel():
            told = answer_of(stop, call)
            if not isinstance(told, ProviderError) or told.permanent:
                journal.cancelled(call)
                continue
            journal.not_cancelled(call)
            if breakers.is_outage(told):
                return
    finally:
        telling.release()


telling = threading.Lock()


def stop(call: ProviderCall) -> None:
    """Tell one."""
    registry.get(call.kind, call.provider).cancel(call.provider_job_id)


def is_unwanted(job: Job) -> bool:
    """Cancelled, deleted, ended by hand or ordered anew since; not merely in other hands."""
    now = type(job)._default_manager.filter(pk=job.pk).first()
    if now is None or now.status == JobStatus.CANCELLED or now.attempt != job.attempt:
        return True
    return now.error_code == messages.FAILED_BY_OPERATOR


def submit_failed(job: Job, error: ProviderError) -> bool:
    """A "no" is followed by the retry law; an unknown outcome is held, unless repeating the submit is free."""
    is_open = breakers.is_outage(error) and breakers.failed(job.kind, job.provider, SUBMIT)
    if not breakers.is_outage(error):  # a "no" shows that the provider is there
        breakers.succeeded(job.kind, job.provider, SUBMIT)
    if error.billed == Billed.NO or (error.billed == Billed.UNKNOWN and provider_of(job).resubmit_is_free):
        return try_failed(job, error, is_open=is_open)
    if error.billed == Billed.YES:
        return give_up(job, JobStatus.FAILED, error.fault, error.evidence)
    return hold(job, error.evidence)


def hold(job: Job, evidence: str) -> bool:
    """Nobody knows whether the provider took it: wait for a late answer, submit nothing."""
    until = clock.now() + seconds(settings.GENERATION["unknown_hold"])
    fields = {"error_code": messages.OUTCOME_UNKNOWN, "error_text": evidence[:EVIDENCE_LENGTH]}
    job.move(Stage.UNKNOWN, JobStatus.RUNNING, next_at=until, **fields)
    return False


def try_failed(job: Job, error: ProviderError, *, is_open: bool = False) -> bool:
    """A try that surely cost nothing: again later, or not at all. With the breaker open it is the provider that fails,
    and the try does not count."""
    decision = after_failure(
        base=limits_of(job)["backoff"],
        retries=job.retry_count,
        max_retries=job.max_retries,
        permanent=error.permanent,
        later=error.is_later or is_open,
        retry_after=error.retry_after,
    )
    if isinstance(decision, GiveUp):
        return give_up(job, JobStatus.FAILED, error.fault, error.evidence)
    if error.is_later and error.retry_after:
        queue.close_gate(kind=job.kind, provider=job.provider, seconds=error.retry_after)
    return try_again(job, decision, error)


def try_again(job: Job, retry: Retry, error: ProviderError) -> bool:
    """Back to the queue, with what went wrong kept for staff."""
    with locked_request(job.request_id) as request:
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
    now = clock.now()
    fields: dict[str, Any] = {
        "next_at": now + seconds(limits_of(job)["poll_every"]),
        "timeout_at": now + seconds(limits_of(job)["timeout"]),
    }
    with locked_request(job.request_id) as request:
        fields |= {"provider_job_id": report.ref, "progress": report.progress or 0, "recoveries": 0}
        job.move(Stage.POLLING, JobStatus.RUNNING, **fields)
        request.touch()
    return False


def reported_failed(job: Job, report: Report) -> bool:
    """The provider took the job and says that it failed: tried again only where that surely cost nothing."""
    error = report.error or ProviderError(Fault.JOB_FAILED)
    if error.billed == Billed.NO and error.fault != Fault.JOB_LOST:
        return try_failed(job, error)
    return give_up(job, JobStatus.FAILED, error.fault, error.evidence)


def results_ready(job: Job, report: Report, *, in_hand: bool = True) -> bool:
    """The provider is done. Where the results lie is written down before they are fetched: they were paid for.

    `in_hand`: this process goes on with the job at once; else it is anybody's."""
    now = clock.now()
    job.move(
        Stage.STORING,
        JobStatus.RUNNING,
        results=[{"role": file.role, "url": file.url} for file in report.files],
        provider_job_id=report.ref or job.provider_job_id,
        progress=100,
        recoveries=0,
        next_at=now,
        timeout_at=now + seconds(limits_of(job)["timeout"]),
        **(queue.held(now) if in_hand else {}),
    )
    GenerationRequest.objects.touch(job.request_id)
    return in_hand


def store(job: Job) -> bool:
    """Bring the results into Lumi's storage; only then is the job complete."""
    now = clock.now()
    if job.timeout_at and job.timeout_at <= now:
        return give_up(job, JobStatus.FAILED, messages.NOT_STORED, job.error_text or "the results could not be stored")
    kept = fetch_and_keep(job)
    if isinstance(kept, ProviderError):
        return store_later(job, now, kept)
    try:
        complete(job, kept)
    except Stale:
        files.doom(file["key"] for file in kept)
        raise
    except files.LostError:
        job.refresh_from_db()  # what was rolled back still stands in the instance
        return store_later(job, now, ProviderError(Fault.NETWORK, evidence="kept too long before it was complete"))
    return False


def fetch_and_keep(job: Job) -> list[StoredFile] | ProviderError:
    """Fetch the results and keep them; a storage that is down is an error like any other."""
    remote = tuple(RemoteFile(role=result["role"], url=result["url"]) for result in job.results)
    with files.workspace() as folder:
        results = answer_of(provider_of(job).fetch, remote, folder)
        return results if isinstance(results, ProviderError) else answer_of(KINDS[job.kind].keep, job, results)


def store_later(job: Job, now: datetime, error: ProviderError) -> bool:
    """Fetching failed: again until the time for it is over, unless the results are gone."""
    if error.permanent:
        return give_up(job, JobStatus.FAILED, error.fault, error.evidence)
    evidence = {"error_code": error.fault, "error_text": error.evidence[:EVIDENCE_LENGTH]}
    wait = max(backoff(limits_of(job)["backoff"], 0), error.retry_after or 0.0)
    job.move(Stage.STORING, JobStatus.RUNNING, event="STORE_FAILED", next_at=now + seconds(wait), **evidence)
    return False


def complete(job: Job, kept: list[StoredFile]) -> None:
    """The end of the road. Success clears earlier errors. Raises Stale."""
    with locked_request(job.request_id) as request:
        job.move(
            Stage.ENDED, JobStatus.COMPLETED, next_at=None, error_code="", error_text="", duration_ms=duration(job)
        )
        KINDS[job.kind].complete(job, request, kept)
        files.own(file["key"] for file in kept)


def give_up(job: Job, status: JobStatus, code: str, evidence: str) -> bool:
    """The job has failed for good. Raises Stale."""
    with locked_request(job.request_id) as request:
        evidence = evidence[:EVIDENCE_LENGTH]
        job.move(
            Stage.ENDED, status, next_at=None, error_code=str(code), error_text=evidence, duration_ms=duration(job)
        )
        KINDS[job.kind].fail(job, request, str(code))
    return False


def give_up_lost(job: Job) -> None:
    """A job that kills its workers comes to an end. Raises Stale."""
    give_up(job, JobStatus.FAILED, messages.WORKER_LOST, "its workers were lost again and again")


def duration(job: Job) -> int | None:
    """Milliseconds since the first submit."""
    if job.started_at is None:
        return None
    return max(0, round((clock.now() - job.started_at).total_seconds() * 1000))


STEPS: dict[Stage, Callable[[Job], bool]] = {Stage.WAITING: submit, Stage.STORING: store}
