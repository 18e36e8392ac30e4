"""What operators are told of jobs and queues."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models import Count, Min, Q, QuerySet

from generation import breakers, messages, spending
from generation.models import (
    GenerationRequest,
    ImageGenerationJob,
    Job,
    JobEvent,
    ModelGenerationJob,
    ProviderCall,
    QueuePause,
)
from generation.operators.finding import request_of
from generation.queue import JOBS, jobs_of
from generation.states import Stage
from lumi import clock
from providers import registry

IN_HANDS = (Stage.SUBMITTING, Stage.POLLING, Stage.STORING)
QUEUES = ("design", *JOBS)
PROVIDERS_OF = {"design": "llm"} | {kind: kind for kind in JOBS}  # by queue


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
