"""What follows from a provider's answer: to a submit, to a poll, or found later. One short transaction each.

Every write is guarded by the job's fence: `Stale` means that the job was cancelled, deleted or claimed by somebody
else meanwhile, and that nothing was written.
"""

import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

from django.conf import settings

from generation import breakers, choice, journal, messages, queue
from generation.kinds import KINDS, locked_request
from generation.models import GenerationRequest, Job, ProviderCall, Stale
from generation.states import GiveUp, JobStatus, Retry, Stage, after_failure
from lumi import clock, files
from providers import registry
from providers.base import Billed, Fault, JobState, ProviderError, Report

logger = logging.getLogger(__name__)

EVIDENCE_LENGTH = 2000
NOTHING_AT_PROVIDER: dict[str, Any] = {"provider_job_id": "", "results": [], "progress": 0, "timeout_at": None}
T = TypeVar("T")


def answer_of(call: Callable[..., T], *arguments: Any) -> T | ProviderError:
    """What a provider answers. A fault in the adapter is an error of unknown outcome, never a crash of the step."""
    try:
        return call(*arguments)
    except ProviderError as error:
        return error
    except files.StorageAway as away:
        logger.warning("our storage is away: %s", away.__cause__)
        return ProviderError(Fault.UNAVAILABLE, evidence=f"our storage: {away.__cause__}")
    except Exception as error:
        logger.exception("provider adapter failed")
        return ProviderError(Fault.BAD_ANSWER, billed=Billed.UNKNOWN, evidence=repr(error))


def provider_of(job: Job) -> Any:
    """The provider that has, or is to get, this job."""
    return registry.get(job.kind, job.provider)


def limits_of(job: Job) -> dict[str, Any]:
    """The numbers of its kind at its provider."""
    return choice.limits(job.kind, job.provider)


def seconds(number: float) -> timedelta:
    """A span."""
    return timedelta(seconds=number)


# --- An answer to a submit --------------------------------------------------------------------------------------------


def in_words(answer: Report | ProviderError) -> Report | ProviderError:
    """An order that was taken without an id to ask for cannot be followed: nobody knows what has become of it."""
    if isinstance(answer, Report) and answer.state in (JobState.QUEUED, JobState.RUNNING) and not answer.ref:
        return ProviderError(Fault.BAD_ANSWER, billed=Billed.UNKNOWN, evidence="accepted without a job id")
    return answer


def take_answer(job: Job, answer: Report | ProviderError) -> bool:
    """What follows from an answer to a submit, given at once or found later in the journal. Raises Stale."""
    return follow(job, answer, is_open=heard(job, answer))


def heard(job: Job, answer: Report | ProviderError) -> bool:
    """Tell the breaker, once a call. True when it is open now: then the provider fails, and not the order."""
    name, has_others = (job.kind, job.provider, breakers.SUBMIT), choice.has_others(job.kind, job.provider)
    error = answer if isinstance(answer, ProviderError) else None
    is_mended_later = error is not None and error.fault in breakers.ACCOUNT and has_others
    if error is None or not (is_mended_later or breakers.is_outage(error)):
        breakers.succeeded(*name)  # a "no" shows that the provider is there
        return False
    is_open = breakers.failed(*name, at_once=is_mended_later)
    if is_open and has_others:
        queue.hasten(job.kind, job.provider)
    return is_open


def follow(job: Job, answer: Report | ProviderError, *, is_open: bool) -> bool:
    """What the answer does to the job; True when another step can follow at once. Raises Stale."""
    if isinstance(answer, ProviderError):
        return submit_failed(job, answer, is_open=is_open)
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


def submit_failed(job: Job, error: ProviderError, *, is_open: bool) -> bool:
    """A "no" is followed by the retry law; an unknown outcome is held, unless repeating the submit is free."""
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


# --- What surely cost nothing -----------------------------------------------------------------------------------------


def try_failed(job: Job, error: ProviderError, *, is_open: bool = False, ours: bool = False) -> bool:
    """A try that surely cost nothing: again later, or at the next provider, or not at all. With the breaker open it is
    the provider that fails, and the try does not count; nor with `ours`: no provider is to blame, and none can help."""
    decision = after_failure(
        base=limits_of(job)["backoff"],
        retries=job.retry_count,
        max_retries=job.max_retries,
        permanent=error.permanent,
        later=error.is_later or is_open or ours,
        retry_after=error.retry_after,
    )
    if isinstance(decision, GiveUp):
        return give_up(job, JobStatus.FAILED, error.fault, error.evidence) if ours else pass_on(job, error)
    if error.is_later and error.retry_after:
        queue.close_gate(kind=job.kind, provider=job.provider, seconds=error.retry_after)
    if is_open and choice.others(job):
        decision = Retry(after=0.0, counts=False)  # the next provider need not be waited for
    return try_again(job, decision, error)


def try_again(job: Job, retry: Retry, error: ProviderError) -> bool:
    """Back to the queue, with what went wrong kept for staff. An order that may be repeated keeps its name."""
    with locked_request(job.request_id) as request:
        job.move(
            Stage.WAITING,
            JobStatus.RETRYING,
            next_at=clock.now() + seconds(retry.after),
            retry_count=job.retry_count + retry.counts,
            attempt=job.attempt + (error.billed == Billed.NO),
            error_code=error.fault,
            error_text=error.evidence[:EVIDENCE_LENGTH],
            **NOTHING_AT_PROVIDER,
        )
        request.touch()
    return False


def pass_on(job: Job, error: ProviderError) -> bool:
    """This provider surely took nothing and will not: the next one gets the job, with fresh tries. Content that one has
    refused is not offered to others, and what may have cost money goes nowhere else. Raises Stale."""
    evidence = evidence_of_all(job, error)
    if error.billed != Billed.NO or error.fault == Fault.CONTENT_REFUSED or not choice.others(job):
        return give_up(job, JobStatus.FAILED, error.fault, evidence)
    fresh = {
        "retry_count": 0,
        "attempt": job.attempt + 1,
        "refused_by": choice.with_refusal(job),
        **NOTHING_AT_PROVIDER,
    }
    said = {"error_code": error.fault.value, "error_text": evidence[:EVIDENCE_LENGTH]}
    with locked_request(job.request_id) as request:
        job.move(Stage.WAITING, JobStatus.RETRYING, event="-", next_at=clock.now(), **fresh, **said)
        job.note("FAILED_OVER", provider=job.provider, reason=error.evidence[:EVIDENCE_LENGTH])
        request.touch()
    return False


def evidence_of_all(job: Job, error: ProviderError) -> str:
    """What each provider said that would not do the job."""
    said = f"{job.provider}: {error.evidence}"
    return f"{job.error_text}\n{said}" if job.refused_by else said


# --- A job that was taken ---------------------------------------------------------------------------------------------


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
        timeout_at=now + seconds(settings.GENERATION["store_deadline"]),
        **(queue.held(now) if in_hand else {}),
    )
    GenerationRequest.objects.touch(job.request_id)
    return in_hand


# --- The bad end ------------------------------------------------------------------------------------------------------


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
