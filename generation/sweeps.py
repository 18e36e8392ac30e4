"""What ends every state that would otherwise last for ever. Harmless when doubled: each write is guarded."""

import logging
from collections.abc import Callable, Iterable
from typing import Any

from django.db.models import Model

from generation import messages, steps
from generation.kinds import locked_request, settle_images
from generation.models import GenerationRequest, ImageGenerationJob, ModelGenerationJob, Stale
from generation.queue import JOBS, jobs_of, lease_from
from generation.states import JobStatus, RequestStatus
from lumi import clock

logger = logging.getLogger(__name__)

PAGE = 200


def sweep() -> None:
    """One round."""
    now = clock.now()
    for kind in JOBS:
        each(jobs_of(kind).lost_in_submit(now).with_context()[:PAGE], recover_submit)
        each(jobs_of(kind).unknown_for_too_long(now).with_context()[:PAGE], end_unknown)
    each(GenerationRequest.objects.overdue(now)[:PAGE], end_overdue)
    each(GenerationRequest.objects.unsettled()[:PAGE], settle)


def each(rows: Iterable[Any], action: Callable[[Any], Any]) -> None:
    """Act on each row; one that somebody else was faster with, or that fails, does not stop the others."""
    for row in rows:
        try:
            action(row)
        except Stale:
            continue
        except Exception:
            logger.exception("sweep failed", extra={"action": action.__name__, "row": row.pk})


def recover_submit(job: Any) -> None:
    """Take the job from whoever lost it, so that a late answer is refused, then decide."""
    job.take(lease_from(clock.now()))
    steps.recover_submit(job)


def end_unknown(job: Any) -> None:
    """No answer came: the person decides whether to pay again."""
    job.take(lease_from(clock.now()))
    steps.give_up(job, JobStatus.FAILED, messages.OUTCOME_UNKNOWN, job.error_text)


def end_overdue(request: GenerationRequest) -> None:
    """Its time is up: open jobs end as TIMEOUT; a choice that nobody made ends the request."""
    if request.status == RequestStatus.IMAGE_COMPLETED:
        request.move(
            RequestStatus.FAILED, ended_from=request.status, error_code=messages.CHOICE_EXPIRED, deadline_at=None
        )
        return
    for jobs in (ImageGenerationJob.objects, ModelGenerationJob.objects):
        for job in jobs.of_request(request.pk).open().with_context():
            steps.give_up(job, JobStatus.TIMEOUT, messages.TIMEOUT, "the request's deadline passed")


def settle(request: GenerationRequest) -> None:
    """Nothing is open under it, and yet it was not moved."""
    with locked_request(request.pk) as locked:
        if locked.status == RequestStatus.IMAGE_GENERATING:
            settle_images(locked)


def release_all() -> None:
    """End all leases."""
    models: tuple[type[Model], ...] = (GenerationRequest, *JOBS.values())
    for model in models:
        model._default_manager.filter(lease_until__isnull=False).update(lease_until=None)
