"""What ends every state that would otherwise last for ever. Harmless when doubled: each write is guarded."""

import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Model

from gallery import sharing
from generation import journal, messages, outcomes, recovery
from generation.kinds import locked_request, settle_images
from generation.models import GenerationRequest, IdempotencyKey, ImageGenerationJob, ModelGenerationJob, Stale
from generation.queue import JOBS, jobs_of, lease_from
from generation.states import JobStatus, RequestStatus, Stage
from lumi import clock, files
from lumi.accounts import conduct, erasure, sessions
from providers import registry
from providers.base import LooksUp

logger = logging.getLogger(__name__)

PAGE = 200
LOOK_UPS = 20  # questions to a provider in one round
KEY_AGE = timedelta(hours=24)  # how long an Idempotency-Key is remembered


def sweep() -> None:
    """One round, a page of each."""
    each(journal.spooled(), journal.read_spool)
    now = clock.now()
    for kind in JOBS:
        each(jobs_of(kind).lost_in_submit(now).with_context()[:PAGE], recover_submit)
        each(answered_late(kind), adopt_late_answer)
        each(to_look_up(kind, now), look_up_unknown)
        each(jobs_of(kind).unknown_for_too_long(now).with_context()[:PAGE], end_unknown)
    each(GenerationRequest.objects.overdue(now)[:PAGE], end_overdue)
    each(GenerationRequest.objects.unsettled()[:PAGE], settle)
    each([now - KEY_AGE], forget_keys)
    each([None], lambda _: outcomes.tell_to_stop())
    each([None], lambda _: files.sweep_workspaces())
    each([None], lambda _: files.sweep())
    each([None], lambda _: sessions.forget_old())
    each([None], lambda _: erasure.finish_interrupted())
    each([None], lambda _: sharing.finish_interrupted())
    each([None], lambda _: conduct.send_notices())


def answered_late(kind: str) -> list[Any]:
    """Unknown outcomes that the journal knows by now."""
    jobs = list(jobs_of(kind).of_unknown_outcome().with_context()[: 5 * PAGE])
    known = journal.known_among([job.reference for job in jobs])
    return [job for job in jobs if job.reference in known]


def to_look_up(kind: str, now: datetime) -> Any:
    """Unknown outcomes at providers that can be asked. Each is asked once a lease, and the first time a lease after
    the submit: by then an order has arrived, or never will."""
    held_by = set(jobs_of(kind).of_unknown_outcome().order_by().values_list("provider", flat=True).distinct())
    names = [name for name in held_by & set(settings.PROVIDERS[kind]) if isinstance(registry.get(kind, name), LooksUp)]
    if not names:
        return []
    held_for = timedelta(seconds=settings.GENERATION["unknown_hold"] - settings.GENERATION["lease"])
    return jobs_of(kind).to_look_up(names, now, now + held_for).with_context()[:LOOK_UPS]


def each(rows: Iterable[Any], action: Callable[[Any], Any]) -> None:
    """Act on each row; one that somebody else was faster with, or that fails, does not stop the others."""
    for row in rows:
        try:
            action(row)
        except Stale:
            continue
        except Exception:
            logger.exception("sweep failed", extra={"row": str(getattr(row, "pk", row))})


def recover_submit(job: Any) -> None:
    """Take the job from whoever lost it, so that a late answer is refused, then decide."""
    job.take(lease_from(clock.now()))
    recovery.recover_submit(job)


def adopt_late_answer(job: Any) -> None:
    """A worker that was given up has answered after all."""
    job.take(lease_from(clock.now()))
    recovery.adopt_late_answer(job)


def look_up_unknown(job: Any) -> None:
    """The lease is kept to its end: until then nobody asks again."""
    job.take(lease_from(clock.now()))
    recovery.look_up_unknown(job)


def end_unknown(job: Any) -> None:
    """No answer came: the person decides whether to pay again."""
    job.take(lease_from(clock.now()))
    outcomes.give_up(job, JobStatus.FAILED, messages.OUTCOME_UNKNOWN, job.error_text)


def end_overdue(request: GenerationRequest) -> None:
    """Its time is up: open jobs end as TIMEOUT, or OUTCOME_UNKNOWN where an order may be out; a choice that nobody made
    ends the request."""
    if request.status == RequestStatus.IMAGE_COMPLETED:
        request.move(
            RequestStatus.FAILED, ended_from=request.status, error_code=messages.CHOICE_EXPIRED, deadline_at=None
        )
        return
    for jobs in (ImageGenerationJob.objects, ModelGenerationJob.objects):
        for job in jobs.of_request(request.pk).open().with_context():
            out = job.stage in (Stage.SUBMITTING, Stage.UNKNOWN)
            status, code = (
                (JobStatus.FAILED, messages.OUTCOME_UNKNOWN) if out else (JobStatus.TIMEOUT, messages.TIMEOUT)
            )
            outcomes.give_up(job, status, code, "the request's deadline passed")


def settle(request: GenerationRequest) -> None:
    """Nothing is open under it, and yet it was not moved."""
    with locked_request(request.pk) as locked:
        if locked.status == RequestStatus.IMAGE_GENERATING:
            settle_images(locked)


def forget_keys(before: datetime) -> None:
    """Idempotency keys are not remembered for ever."""
    old = IdempotencyKey.objects.filter(created_at__lt=before).order_by("created_at")
    IdempotencyKey.objects.filter(pk__in=list(old.values_list("pk", flat=True)[:PAGE])).delete()


def release_all() -> None:
    """End all leases."""
    models: tuple[type[Model], ...] = (GenerationRequest, *JOBS.values())
    for model in models:
        model._default_manager.filter(lease_until__isnull=False).update(lease_until=None)
