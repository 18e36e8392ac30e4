"""Handing over: the one step that pays. No transaction is open during the call; that it is about to be paid for is
committed before, and the answer is in the journal before anything else."""

import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from generation import breakers, choice, journal, outcomes, queue, spending
from generation.kinds import KINDS, locked_request
from generation.leases import heartbeat
from generation.models import Job, Stale
from generation.outcomes import answer_of, provider_of, seconds
from generation.states import JobStatus, Stage
from lumi import clock
from providers.base import Billed, Fault, JobState, LooksUp, ProviderError, Report

BUDGET_SECONDS = 60.0  # how long a job waits that finds the budget used up


class NotNow(Exception):
    """The job may not be submitted yet. Undoes the transaction in which that was found out."""

    def __init__(self, until: datetime) -> None:
        super().__init__(until)
        self.until = until


@dataclass(frozen=True)
class Handover:
    """Jobs that go to a provider in one paid call, first the one that passed the gate; and when it did so, by the
    monotonic clock."""

    jobs: list[Any]
    passed: float


def submit(job: Job) -> bool:
    """Hand the job over, if the provider can do it and it is its turn; True when another step can follow. Raises
    Stale."""
    order = answer_of(KINDS[job.kind].order, job)
    if isinstance(order, ProviderError):  # our own storage, most likely: nobody was asked for anything
        return outcomes.try_failed(job, order, ours=True)
    if job.status == JobStatus.RETRYING:
        job.provider = choice.bound_to(job) or job.provider
    if beyond := reason_against(job, order):
        return outcomes.pass_on(job, beyond)
    try:
        handover = begin_submit(job, order)
    except NotNow as later:
        job.move(Stage.WAITING, JobStatus(job.status), event="RELEASED", next_at=later.until)
        return False
    if time.monotonic() - handover.passed > queue.MARGIN:  # stopped meanwhile: others may have its place at the gate
        return not_sent(handover)
    with heartbeat.holding(*handover.jobs[1:]):  # whoever works on the first one holds it
        return hand_over(handover, order)


def reason_against(job: Job, order: Any) -> ProviderError | None:
    """Why the provider cannot do the order; nobody was asked for anything. An adapter that fails here cannot either."""
    reason = answer_of(lambda: provider_of(job).cannot(order))
    if isinstance(reason, ProviderError):
        return ProviderError(reason.fault, permanent=True, evidence=reason.evidence)
    return ProviderError(Fault.INVALID_INPUT, permanent=True, evidence=reason) if reason else None


# --- Before the call --------------------------------------------------------------------------------------------------


def begin_submit(job: Job, order: Any) -> Handover:
    """In one transaction: breaker, gate, budget, then stage and journal of the job and of those that go along. Raises
    NotNow, and then nothing was written."""
    queue.ensure_gate(job.kind, job.provider)
    with locked_request(job.request_id) as request:
        now = clock.now()
        affordable = pass_through(job, now)
        passed = time.monotonic()
        others = companions(job, now)[: affordable - 1]
        for other in others:
            other.take(queue.lease_from(now))  # whoever had it writes nothing more
        for each in (job, *others):
            started = {"started_at": each.started_at or now, "provider": job.provider}
            each.move(Stage.SUBMITTING, JobStatus.RUNNING, **queue.held(now), **started)
            journal.sent(each, replace(order, count=len(others) + 1) if others else order)
            KINDS[job.kind].begin(each, request)
    return Handover([job, *others], passed)


def pass_through(job: Job, now: datetime) -> int:
    """Breaker, gate and budget: how many such orders it allows, this one included. Raises NotNow: at once where another
    provider can be had."""
    if closed := breakers.closed_until(job.kind, job.provider, breakers.SUBMIT, now):
        raise NotNow(now if choice.others(job) and not job.recoveries else closed)
    if full := queue.pass_gate(job):
        raise NotNow(full)
    affordable = spending.room(job.kind, job.provider, but=job.reference)
    if affordable < 1:
        raise NotNow(now + seconds(BUDGET_SECONDS))
    return affordable


def companions(job: Job, now: datetime) -> list[Any]:
    """Waiting jobs of the same words that go along where the provider does several at once. One whose worker was lost
    goes alone; and a provider that can be asked for a lost order would know it by the first one's name only."""
    provider = provider_of(job)
    if job.recoveries or isinstance(provider, LooksUp):
        return []
    alike, most = KINDS[job.kind].alike(job, provider)
    return [each for each in alike if fits(each, job, now)][:most]


def fits(companion: Job, job: Job, now: datetime) -> bool:
    """It may go to this provider, and is not on its way to another."""
    is_free = companion.lease_until is None or companion.lease_until < now
    may_go = job.provider in choice.candidates(job.kind, companion.refused_by)
    return may_go and (is_free or companion.provider == job.provider)


def not_sent(handover: Handover) -> bool:
    """Too late to send: the next claim does it. What others have by now, they hold as of unknown outcome."""
    for job in handover.jobs:
        with suppress(Stale):
            job.move(Stage.WAITING, JobStatus.RETRYING, event="NOT_SENT", next_at=clock.now())
    return False


# --- The call ---------------------------------------------------------------------------------------------------------


def hand_over(handover: Handover, order: Any) -> bool:
    """Pay, and write down what was answered, for each job its share. From then on each goes its own way. Raises
    Stale."""
    job, *others = handover.jobs
    order = replace(order, count=len(handover.jobs)) if others else order
    answer = outcomes.in_words(answer_of(provider_of(job).submit, order))
    share, *shares = shares_of(answer, len(handover.jobs))
    for each, its in zip(handover.jobs, [share, *shares], strict=True):
        journal.answered(each, its)
    is_open = outcomes.heard(job, answer)
    part(zip(others, shares, strict=True), is_open=is_open)
    return outcomes.follow(job, share, is_open=is_open)


def shares_of(answer: Report | ProviderError, number: int) -> list[Report | ProviderError]:
    """What one answer says to each of so many jobs: an error or a state to all, of the pictures one to each. Whoever
    gets none has paid for nothing."""
    if number == 1 or isinstance(answer, ProviderError) or answer.state != JobState.DONE:
        return [answer] * number
    units = answer.units and answer.units / number
    missing = f"{len(answer.files)} pictures for an order of {number}"
    none = ProviderError(Fault.BAD_ANSWER, permanent=True, billed=Billed.YES, evidence=missing)
    painted = [replace(answer, files=(file,), units=units) for file in answer.files[:number]]
    return [*painted, *[none] * (number - len(painted))]


def part(shares: Iterable[tuple[Any, Any]], *, is_open: bool) -> None:
    """What has gone along goes on by itself: other workers store it. One that was cancelled stops no other."""
    for job, answer in shares:
        with suppress(Stale):
            if outcomes.follow(job, answer, is_open=is_open):
                queue.let_go(job)
