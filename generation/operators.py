"""What operators ask of jobs and queues. The rules are here; `manage.py jobs` parses, asks and prints.

Who is acting is `lumi.process.acting_as`: it is written into the history of each job, and beside each pause.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import reduce
from typing import Any

from django.conf import settings
from django.core.exceptions import ObjectDoesNotExist
from django.db.models import Count, Min, Q, QuerySet

from generation import breakers, journal, messages, outcomes, pipeline, spending, sweeps, tasks
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
from generation.queue import JOBS, jobs_of, lease_from
from generation.states import FAILED, JobStatus, Stage
from lumi import clock, process
from lumi.again import again_after_deadlock
from lumi.errors import LumiError
from providers import registry

IN_HANDS = (Stage.SUBMITTING, Stage.POLLING, Stage.STORING)
QUEUES = ("design", *JOBS)
PROVIDERS_OF = {"design": "llm"} | {kind: kind for kind in JOBS}  # by queue


class Refused(Exception):
    """What was asked for cannot be done; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which jobs are meant; what is empty does not narrow."""

    ids: tuple[str, ...] = ()
    kind: str = ""
    statuses: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    older_than: timedelta | None = None
    owner: str = ""  # e-mail or id
    provider: str = ""
    error: str = ""

    def conditions(self) -> Iterable[Q]:
        """What narrows."""
        words = {
            "pk__in": self.ids,
            "status__in": self.statuses,
            "stage__in": self.stages,
            "provider": self.provider,
            "error_code": self.error,
        }
        yield from (Q(**{name: value}) for name, value in words.items() if value)
        if self.owner:
            yield Q(owner_id=self.owner) | Q(owner__email__iexact=self.owner)
        if self.older_than is not None:
            yield Q(created_at__lt=clock.now() - self.older_than)


# --- Find -----------------------------------------------------------------------------------------------------------


def find(wanted: Wanted, *, newest_first: bool = False, most: int | None = None) -> list[Job]:
    """The jobs that are meant, of both kinds together, by age."""
    kinds = [kind for kind in JOBS if wanted.kind in ("", kind)]
    order = ("-created_at", "-pk") if newest_first else ("created_at", "pk")
    condition = reduce(Q.__and__, wanted.conditions(), Q())
    pages = (jobs_of(kind).filter(condition).with_context().select_related("owner") for kind in kinds)
    found = [job for page in pages for job in page.order_by(*order)[:most]]
    return sorted(found, key=lambda job: (job.created_at, job.pk), reverse=newest_first)[:most]


def named(ids: Iterable[str]) -> list[Job]:
    """These jobs. Raises Refused for an id that no job has: a typing mistake is not silence."""
    wanted = list(dict.fromkeys(ids))
    found = {job.pk: job for job in find(Wanted(ids=tuple(wanted)))} if wanted else {}
    if missing := [job_id for job_id in wanted if job_id not in found]:
        raise Refused(f"No such job: {', '.join(missing)}")
    return [found[job_id] for job_id in wanted]


def span(text: str) -> timedelta:
    """`90s`, `10m`, `2h`, `3d`. Raises Refused."""
    units = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
    number, unit = text[:-1], units.get(text[-1:])
    if not (number.isascii() and number.isdigit() and len(number) < 7 and unit):
        raise Refused(f"{text!r} is no span of time: write 90s, 10m, 2h or 3d.")
    return timedelta(**{unit: int(number)})


# --- Facts ----------------------------------------------------------------------------------------------------------


def brief(job: Job, now: datetime) -> dict[str, Any]:
    """A job in one line."""
    return {
        "kind": job.kind,
        "id": job.pk,
        "status": job.status,
        "stage": job.stage,
        "provider": job.provider,
        "attempt": job.attempt,
        "retryCount": job.retry_count,
        "progress": job.progress,
        "ageSeconds": round((now - job.created_at).total_seconds()),
        "owner": job.owner.email,
        "requestId": job.request_id,
        "errorCode": job.error_code,
    }


def briefs(jobs: Iterable[Job]) -> list[dict[str, Any]]:
    """Jobs, a line each, of one moment."""
    now = clock.now()
    return [brief(job, now) for job in jobs]


def request_of(job: Job) -> GenerationRequest:
    """The request that a job works for."""
    request: GenerationRequest = job.request  # type: ignore[attr-defined]
    return request


def full(job: Job) -> dict[str, Any]:
    """All that is known of a job: what people see, what only Lumi sees, what was paid for, and its history."""
    calls = ProviderCall.objects.filter(job_id__in=[job.pk, job.request_id])  # those to the LLM are the request's
    return {
        "job": brief(job, clock.now()) | inner(job),
        "request": request_facts(request_of(job)),
        "calls": [call_facts(call) for call in calls.order_by("id")],
        "history": [event_facts(event) for event in JobEvent.objects.filter(job_id=job.pk).order_by("id")],
    }


def inner(job: Job) -> dict[str, Any]:
    """What the wire does not show."""
    return {
        "ownerId": job.owner_id,
        "message": messages.sentence(job.error_code),
        "evidence": job.error_text,
        "providerJobId": job.provider_job_id,
        "results": job.results,
        "priority": job.priority,
        "maxRetries": job.max_retries,
        "cost": spending.total(calls_of(job)),
        "fence": job.fence,
        "holder": job.holder,
        "recoveries": job.recoveries,
        "nextAt": job.next_at,
        "leaseUntil": job.lease_until,
        "timeoutAt": job.timeout_at,
        "durationMs": job.duration_ms,
        "startedAt": job.started_at,
        "createdAt": job.created_at,
        "updatedAt": job.updated_at,
    }


def request_facts(request: GenerationRequest) -> dict[str, Any]:
    """The request that a job works for."""
    return {
        "id": request.pk,
        "prompt": request.prompt,
        "status": request.status,
        "phase": request.phase,
        "selectedImageIndex": request.selected_image_index,
        "cost": spending.total(calls_for(request)),
        "errorCode": request.error_code,
        "deadlineAt": request.deadline_at,
        "createdAt": request.created_at,
        "completedAt": request.completed_at,
    }


def call_facts(call: ProviderCall) -> dict[str, Any]:
    """One paid call."""
    return {
        "reference": call.reference,
        "kind": call.kind,
        "provider": call.provider,
        "product": call.product,
        "cost": call.cost,
        "sentAt": call.sent_at,
        "answeredAt": call.answered_at,
        "outcome": call.outcome,
        "providerJobId": call.provider_job_id,
        "answer": call.answer,
    }


def calls_of(job: Job) -> "QuerySet[ProviderCall]":
    """What was paid for one job."""
    return ProviderCall.objects.filter(job_id=job.pk)


def calls_for(request: GenerationRequest) -> "QuerySet[ProviderCall]":
    """What was paid for a request: for its designs and for all of its jobs."""
    jobs = [*ImageGenerationJob.objects.of_request(request.pk), *ModelGenerationJob.objects.of_request(request.pk)]
    return ProviderCall.objects.filter(job_id__in=[request.pk, *(job.pk for job in jobs)])


def event_facts(event: JobEvent) -> dict[str, Any]:
    """One line of history."""
    return {
        "at": event.at,
        "event": event.event,
        "process": event.process,
        "actor": event.actor,
        "fence": event.fence,
        "detail": event.detail,
    }


def queues() -> list[dict[str, Any]]:
    """How each queue stands."""
    now = clock.now()
    pauses = {pause.kind: pause for pause in QueuePause.objects.all()}
    tripped = breakers.open_ones()
    near = [budget for budget in spending.budgets().values() if budget.is_near]
    return [
        counts(kind, now)
        | {
            "pausedBy": pauses[kind].paused_by if kind in pauses else "",
            "pausedAt": pauses[kind].paused_at if kind in pauses else None,
            "breakers": [f"{one.provider} {one.operation}" for one in tripped if one.kind == PROVIDERS_OF[kind]],
            "budgets": [f"{one.provider} {one.percent} %" for one in near if one.provider in names_of(kind)],
        }
        for kind in QUEUES
    ]


def names_of(queue: str) -> list[str]:
    """The providers that a queue's work goes to."""
    return registry.listed(PROVIDERS_OF[queue])


def counts(kind: str, now: datetime) -> dict[str, Any]:
    """What waits, runs and hangs in the air; the age of the oldest that waits."""
    if kind == "design":
        rows = GenerationRequest.objects.filter(status="IMAGE_PENDING", next_at__isnull=False)
        running, waiting, unknown = Q(lease_until__gte=now), ~Q(lease_until__gte=now), Q(pk="")
    else:
        rows = jobs_of(kind).open()
        running, unknown = Q(stage__in=IN_HANDS), Q(stage=Stage.UNKNOWN)
        waiting = Q(stage=Stage.WAITING, next_at__isnull=False)  # without a time: its design is not written yet
    found = rows.aggregate(
        waiting=Count("pk", filter=waiting),
        running=Count("pk", filter=running),
        unknown=Count("pk", filter=unknown),
        oldest=Min("created_at", filter=waiting),
    )
    oldest = found.pop("oldest")
    return {"queue": kind, **found, "oldestSeconds": round((now - oldest).total_seconds()) if oldest else None}


# --- Money ----------------------------------------------------------------------------------------------------------


def costs(by: str, month: spending.Month) -> dict[str, Any]:
    """What a month has cost, by "provider", "product", "person" or "day": the dearest first, days in order."""
    rows = [row | {"cost": row["cost"].quantize(spending.EXACT)} for row in COSTS[by](month)]
    return {
        "month": str(month),
        "currency": settings.CURRENCY,
        "calls": sum(row["calls"] for row in rows),
        "cost": sum((row["cost"] for row in rows), Decimal(0)),
        by: rows,
    }


def provider_costs(month: spending.Month) -> list[dict[str, Any]]:
    """With their budgets; also those that have one and were not called."""
    budgets = spending.budgets(month)
    found = {row["provider"]: row for row in spending.by_provider(month)}
    nothing = {name: {"provider": name, "calls": 0, "cost": Decimal(0)} for name in budgets if name not in found}
    return [row | budget_facts(budgets.get(row["provider"])) for row in (found | nothing).values()]


def budget_facts(budget: spending.Budget | None) -> dict[str, Any]:
    """A budget and how much of it is used; None where there is none."""
    return {"budget": budget and budget.most, "usedPercent": budget and budget.percent}


def person_costs(month: spending.Month) -> list[dict[str, Any]]:
    """By e-mail address, "" for people who are gone."""
    found = list(spending.by_person(month))
    addresses = spending.addresses(row["owner_id"] for row in found)
    return [
        {
            "person": addresses.get(row["owner_id"], ""),
            "id": row["owner_id"],
            "calls": row["calls"],
            "cost": row["cost"],
        }
        for row in found
    ]


COSTS: dict[str, Callable[[spending.Month], Iterable[dict[str, Any]]]] = {
    "provider": provider_costs,
    "product": spending.by_product,
    "person": person_costs,
    "day": spending.by_day,
}

# --- Do -------------------------------------------------------------------------------------------------------------


def may_be_paid_twice(job: Job) -> bool:
    """Nobody knows whether the provider took the order: another one may be the second that is paid for."""
    return job.error_code == messages.OUTCOME_UNKNOWN or journal.is_unknown(job)


def failed_ones(wanted: Wanted) -> list[Job]:
    """The failed jobs that are meant, the oldest first. Raises Refused for an id of another job, or of none."""
    jobs = [job for job in find(wanted) if job.status in FAILED]
    if missing := sorted(set(wanted.ids) - {job.pk for job in jobs}):
        raise Refused(f"Not a failed job: {', '.join(missing)}")
    return jobs


def requeue(job: Job) -> None:
    """Queue a failed job again. Raises Refused."""
    try:
        done = pipeline.requeue(job=job)
    except Stale:
        done = False
    if not done:
        raise Refused("its request no longer waits for it")


def cancel(request: GenerationRequest) -> None:
    """Cancel a whole request, as its owner would. Raises Refused."""
    try:
        pipeline.cancel(owner=request.owner, request_id=request.pk)
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
            pipeline.stop_at_provider(job)
            job.take(lease_from(clock.now()))
            outcomes.give_up(job, JobStatus.FAILED, messages.FAILED_BY_OPERATOR, reason)
    except (Stale, ObjectDoesNotExist) as error:
        raise Refused("it has just been deleted") from error


def sweep() -> dict[str, int]:
    """One round of the sweeps, now: how many lines of history of each word it wrote."""
    last = JobEvent.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    sweeps.sweep()
    tasks.ring()
    mine = JobEvent.objects.filter(pk__gt=last, process=process.name())
    return dict(sorted(Counter(mine.values_list("event", flat=True)).items()))


def pause(kind: str) -> tuple[QueuePause, bool]:
    """Start nothing new of this queue; the pause, and whether it is new."""
    return QueuePause.objects.get_or_create(kind=kind, defaults={"paused_by": process.actor.get()})


def resume(kind: str) -> bool:
    """End a pause; False where there was none."""
    gone, _ = QueuePause.objects.filter(pk=kind).delete()
    tasks.ring()
    return bool(gone)
