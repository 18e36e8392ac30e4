"""Polls: thousands of jobs in flight, asked in batches. A batch costs a handful of statements however many jobs it has;
the questions themselves are asked by threads that touch no database."""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from django.conf import settings
from django.db import Error

from generation import breakers, journal, messages, outcomes, queue
from generation.models import Stale
from generation.states import JobStatus, Stage
from lumi import clock, logs
from providers import registry
from providers.base import JobState, ProviderError, Report

logger = logging.getLogger(__name__)

Answer = Report | ProviderError
ROUNDS_AT_ONCE = 2  # of one process: a provider that answers slowly must not take all of its threads
rounds = threading.BoundedSemaphore(ROUNDS_AT_ONCE)


@cache
def askers() -> ThreadPoolExecutor:
    """The threads that ask."""
    return ThreadPoolExecutor(settings.GENERATION["poll_threads"], thread_name_prefix="lumi-poll")


class Round:
    """Asking after one batch: the database's time is read once, and carried on by this process's own clock."""

    def __init__(self, kind: str, now: datetime) -> None:
        self.kind = kind
        self.began, self.read = time.monotonic(), now
        self.breakers = breakers.of(kind, breakers.POLL)

    def now(self) -> datetime:
        """The database's time, without asking it."""
        return self.read + timedelta(seconds=time.monotonic() - self.began)

    def in_time(self) -> bool:
        """Whether there is time for a further question before the lease is over."""
        return time.monotonic() - self.began < settings.GENERATION["lease"] / 2

    def providers(self) -> tuple[list[str], list[str]]:
        """Those whose breaker is closed, and those that get a single probe now."""
        tripped = {name for name, breaker in self.breakers.items() if breaker.open_until}
        probes = [name for name in tripped if breakers.closed_until(self.kind, name, breakers.POLL, self.now()) is None]
        return [name for name in settings.PROVIDERS[self.kind] if name not in tripped], probes


def poll_due(kind: str) -> int:
    """Ask after all that is due, batch after batch; how many there were. Nothing when enough of this process's threads
    do so already."""
    if not rounds.acquire(blocking=False):
        return 0
    try:
        asked, more = 0, True
        until = time.monotonic() + settings.GENERATION["lease"] / 2  # the next tick goes on
        while more and time.monotonic() < until:
            number, more = poll_round(kind)
            asked += number
        return asked
    finally:
        rounds.release()


def poll_round(kind: str) -> tuple[int, bool]:
    """One batch: how many jobs, and whether others are due."""
    now = clock.now()
    if not queue.polls_due(kind, now):
        return 0, False
    this = Round(kind, now)
    calm, probes = this.providers()
    batches = [probe(this, name) for name in probes]
    more = False
    if calm:
        batches.append(poll_batch(this, calm, queue.POLLS_AT_ONCE))
        more = batches[-1].more
    return sum(len(batch.jobs) for batch in batches), more


def probe(this: Round, provider: str) -> queue.Batch:
    """One question, to see whether the provider is back. Where there is none to ask, the next caller may."""
    batch = poll_batch(this, [provider], 1)
    if not batch.jobs:
        breakers.unused(this.kind, provider, breakers.POLL)
    return batch


def poll_batch(this: Round, providers: list[str], most: int) -> queue.Batch:
    """Claim, ask, write down."""
    batch = queue.take_polls(this.kind, providers, now=this.now(), most=most)
    given_up, alive = partition(batch.jobs, lambda job: is_lost(job) or is_overdue(job, this.now()))
    one_by_one(given_up, give_up)
    asked = zip(alive, askers().map(lambda job: ask_in_time(this, job), alive), strict=True)
    answers: dict[str, Answer] = {}
    unasked: list[str] = []
    for job, answer in asked:
        if answer is None:
            unasked.append(job.pk)
        else:
            answers[job.pk] = answer
    queue.put_back_unasked(batch, unasked)
    write_down(this, batch, [job for job in alive if job.pk in answers], answers)
    return batch


def write_down(this: Round, batch: queue.Batch, jobs: list[Any], answers: dict[str, Any]) -> None:
    """What the providers said."""
    for name, theirs in by_provider(jobs).items():
        running, rest = partition(theirs, lambda job: is_running(answers[job.pk]))
        unanswered, ended = partition(rest, lambda job: isinstance(answers[job.pk], ProviderError))
        put_back_running(this, batch, name, running, answers)
        put_back_unanswered(batch, name, unanswered, answers)
        one_by_one(ended, lambda job: finish(job, answers[job.pk]))
        tell_breaker(this, name, [answers[job.pk] for job in theirs])


def by_provider(jobs: list[Any]) -> dict[str, list[Any]]:
    """The jobs that each provider has."""
    return {name: [job for job in jobs if job.provider == name] for name in sorted({job.provider for job in jobs})}


def ask_in_time(this: Round, job: Any) -> Answer | None:
    """One question, unless the lease would be over before the answer; called in a thread, without a database."""
    return ask(job) if this.in_time() else None


def ask(job: Any) -> Answer:
    """One question."""
    with logs.on_behalf_of(job.trace_id):
        return outcomes.answer_of(registry.get(job.kind, job.provider).poll, job.provider_job_id)


def is_overdue(job: Any, now: datetime) -> bool:
    """Whether the provider had its time."""
    return bool(job.timeout_at and job.timeout_at <= now)


def is_lost(job: Any) -> bool:
    """Whether too many workers were lost over it."""
    return bool(job.recoveries > settings.GENERATION["most_recoveries"])


def is_running(answer: Answer) -> bool:
    """Still at work."""
    return isinstance(answer, Report) and answer.state in (JobState.QUEUED, JobState.RUNNING)


def partition(jobs: Iterable[Any], test: Callable[[Any], bool]) -> tuple[list[Any], list[Any]]:
    """Those that pass, those that do not."""
    both: tuple[list[Any], list[Any]] = ([], [])
    for job in jobs:
        both[not test(job)].append(job)
    return both


def put_back_running(this: Round, batch: queue.Batch, provider: str, jobs: list[Any], answers: dict[str, Any]) -> None:
    """To be asked again; progress is the provider's word, and never goes back."""
    said = {job.pk: min(answers[job.pk].progress or 0, 100) for job in jobs}
    moved = [job for job in jobs if said[job.pk] > job.progress]
    new = {job.pk: said[job.pk] for job in moved}
    queue.put_back(batch, provider, {job.pk: new.get(job.pk) for job in jobs}, this.read)
    queue.note_progress(batch.kind, moved, new)


def put_back_unanswered(batch: queue.Batch, provider: str, jobs: list[Any], answers: dict[str, Any]) -> None:
    """The question failed, not the job: asked again, and never a reason for a new order."""
    for fault in {answers[job.pk].fault for job in jobs}:
        same = [job for job in jobs if answers[job.pk].fault == fault]
        queue.put_back_unanswered(batch, provider, [job.pk for job in same], answers[same[0].pk])


def finish(job: Any, report: Report) -> None:
    """Done or failed at the provider."""
    job = whole(job)
    journal.settled(job, report)
    if report.state == JobState.DONE:
        outcomes.results_ready(job, report, in_hand=False)
    else:
        outcomes.reported_failed(job, report)


def give_up(job: Any) -> None:
    """Its workers were lost again and again, or the provider did not finish in time. The paid job's id is kept, so that
    a retry can pick it up."""
    if is_lost(job):
        outcomes.give_up_lost(whole(job))
    else:
        outcomes.give_up(whole(job), JobStatus.TIMEOUT, messages.TIMEOUT, "the provider did not finish in time")


def whole(job: Any) -> Any:
    """The job with its context, as it was claimed. Raises Stale when it was cancelled or has moved meanwhile."""
    found = queue.jobs_of(job.kind).claimed(job.pk, job.fence)
    if found is None or found.stage != Stage.POLLING:
        raise Stale
    return found


def one_by_one(jobs: Iterable[Any], action: Callable[[Any], Any]) -> None:
    """Each in a transaction of its own; one that was cancelled meanwhile, or fails, does not stop the others."""
    for job in jobs:
        try:
            action(job)
        except Stale:
            logger.info("stale write refused", extra={"job": job.pk})
        except Error:
            logger.warning("not written: asked again when the lease is over", exc_info=True, extra={"job": job.pk})


def tell_breaker(this: Round, provider: str, heard: list[Any]) -> None:
    """What this batch says of a provider: one answer shows that it is there."""
    outages = [answer for answer in heard if isinstance(answer, ProviderError) and breakers.is_outage(answer)]
    if len(outages) == len(heard):
        for _ in outages[: settings.GENERATION["breaker_failures"]]:
            breakers.failed(this.kind, provider, breakers.POLL)
    elif provider in this.breakers:
        breakers.succeeded(this.kind, provider, breakers.POLL)
