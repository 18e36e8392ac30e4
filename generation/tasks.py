"""The clockwork: load, one step, what follows. Messages are bells and carry ids only: one that is lost, late or doubled
does no harm, because a claim (an id with its fence) is looked up in the database before anything is done."""

import logging
from typing import Any

from celery import shared_task
from django.conf import settings
from django.db import Error, transaction

from generation import outcomes, polls, queue, steps, sweeps, writing
from generation.leases import heartbeat
from generation.models import GenerationRequest, Job, Stale
from lumi import clock, logs

logger = logging.getLogger(__name__)


def ring() -> None:
    """Tell the workers that there is something to do."""
    ring_for(tick)


def ring_for(task: Any) -> None:
    """Without a broker the clock's next round finds the work: the tick, or the sweep."""
    try:
        task.apply_async(expires=settings.BELL_AGE)
    except task.OperationalError:
        logger.warning("no broker: %s waits for the clock", task.name)


def ring_after_commit() -> None:
    """`ring`, once what was written can be seen."""
    transaction.on_commit(ring, robust=True)


@shared_task(name="generation.tick")
def tick() -> None:
    """Claim what is due, and hand each claim to a worker."""
    for request_id, fence in queue.claim_designs():
        write_designs.apply_async((request_id, fence))
    for kind in queue.JOBS:
        for job_id, fence in queue.claim(kind):
            advance.apply_async((kind, job_id, fence))


@shared_task(name="generation.write_designs")
def write_designs(request_id: str, fence: int) -> None:
    """The design step of one request."""
    request = GenerationRequest.objects.filter(pk=request_id, fence=fence, lease_until__gte=clock.now()).first()
    if request is None:
        return
    try:
        with logs.on_behalf_of(request.trace_id):
            writing.write_designs(request)
    except Stale:
        logger.info("stale write refused", extra={"request": request_id})
    ring()


@shared_task(name="generation.advance")
def advance(kind: str, job_id: str, fence: int) -> None:
    """The steps of one job that can be done now. The lease is renewed until they are done."""
    job = queue.jobs_of(kind).claimed(job_id, fence)
    if job is None:
        return
    try:
        with heartbeat.holding(job), logs.on_behalf_of(job.trace_id):
            steps.work_on(job)
    except Stale:
        logger.info("stale write refused", extra={"job": job_id})
    except Error:
        logger.warning("the database failed: the job is let go", exc_info=True, extra={"job": job_id})
        let_go(job)
    ring()


def let_go(job: Job) -> None:
    """What was not written is done again, at once and not only when the lease is over."""
    try:
        queue.let_go(job)
    except Error:
        logger.warning("not let go: its lease will be over", extra={"job": job.pk})


@shared_task(name="generation.poll_due")
def poll_due() -> None:
    """Ask after the jobs that are due. Rung by the clock only: bells are many, and would split the batches."""
    for kind in queue.JOBS:
        polls.poll_due(kind)


@shared_task(name="generation.sweep")
def sweep() -> None:
    """End what nobody else ends."""
    sweeps.sweep()
    ring()


@shared_task(name="generation.recover")
def recover() -> None:
    """This process is the only one and has just started: whatever is leased belongs to nobody."""
    sweeps.release_all()
    sweep()


@shared_task(name="generation.tell_to_stop")
def tell_to_stop() -> None:
    """Tell the providers at once; what is lost here the sweep finds."""
    outcomes.tell_to_stop()


def tell_to_stop_after_commit() -> None:
    """`tell_to_stop` by a worker, once what was written can be seen."""
    transaction.on_commit(ring_to_stop, robust=True)


def ring_to_stop() -> None:
    """Tell a worker that providers are to be told."""
    ring_for(tell_to_stop)
