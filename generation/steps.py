"""The hands: what is done with one job that a worker holds. Its next step is to be submitted or to be stored; each is
one call to a provider, then one short transaction. No transaction is open during a call."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from gallery.models import StoredFile
from generation import journal, messages, outcomes, queue
from generation.kinds import KINDS, locked_request
from generation.models import Job, Stale
from generation.outcomes import EVIDENCE_LENGTH, answer_of, duration, limits_of, provider_of, seconds
from generation.states import JobStatus, Stage, backoff
from generation.submits import submit
from lumi import clock, files, process
from providers.base import Fault, ProviderError, RemoteFile

MOST_STORE_WAIT = 300.0  # seconds between two tries to store results


def advance(job: Job) -> bool:
    """Do the job's next step; True when another can follow at once. Raises Stale."""
    return STEPS[Stage(job.stage)](job)


def work_on(job: Job) -> None:
    """All steps that can be done now, as this process's work. Raises Stale."""
    with transaction.atomic():
        job.take(queue.lease_from(clock.now()), holder=process.name())
        job.note("CLAIMED")
    if job.recoveries > settings.GENERATION["most_recoveries"]:
        outcomes.give_up_lost(job)
        return
    while advance(job):
        pass


def store(job: Job) -> bool:
    """Bring the results into Lumi's storage; only then is the job complete."""
    now = clock.now()
    if job.timeout_at and job.timeout_at <= now:
        return outcomes.give_up(
            job, JobStatus.FAILED, messages.NOT_STORED, job.error_text or "the results could not be stored"
        )
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
        return outcomes.give_up(job, JobStatus.FAILED, error.fault, error.evidence)
    evidence = {"error_code": error.fault, "error_text": error.evidence[:EVIDENCE_LENGTH]}
    wait = max(backoff(limits_of(job)["backoff"], 0), error.retry_after or 0.0, min(lasted(job, now), MOST_STORE_WAIT))
    job.move(Stage.STORING, JobStatus.RUNNING, event="STORE_FAILED", next_at=now + seconds(wait), **evidence)
    return False


def lasted(job: Job, now: datetime) -> float:
    """Seconds for which the results could not be stored so far: the next wait is as long, so that an outage of hours
    does not fetch them a thousand times."""
    left = (job.timeout_at - now).total_seconds() if job.timeout_at else 0.0
    return settings.GENERATION["store_deadline"] - left


def complete(job: Job, kept: list[StoredFile]) -> None:
    """The end of the road. Success clears earlier errors, and where the provider had the results. Raises Stale."""
    with locked_request(job.request_id) as request:
        fresh: dict[str, Any] = {"error_code": "", "error_text": "", "results": []}
        job.move(Stage.ENDED, JobStatus.COMPLETED, next_at=None, duration_ms=duration(job), **fresh)
        journal.forget_results(job)
        KINDS[job.kind].complete(job, request, kept)
        files.own(file["key"] for file in kept)


STEPS: dict[Stage, Callable[[Job], bool]] = {Stage.WAITING: submit, Stage.STORING: store}
