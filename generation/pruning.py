"""What generation remembers and need not for ever (the ground's slot PRUNES, see `lumi.pruning`).

Jobs and requests are their owners', and stay. So does each paid call's row: costs and budgets, and what the vendor's
bill is compared with, are sums over them. Only its answer goes, and only where no retry can ask for it.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from generation.models import IdempotencyKey, ImageGenerationJob, JobEvent, ModelGenerationJob, ProviderCall
from generation.states import JobStatus, Stage
from lumi import clock
from lumi.pruning import Heap

DAY = timedelta(days=1)
JOBS: tuple[Any, ...] = (ImageGenerationJob, ModelGenerationJob)
SETTLED = (JobStatus.COMPLETED, JobStatus.CANCELLED)  # no retry follows


def prune() -> list[Heap]:
    """What may go."""
    return [
        Heap("history", "lines of history of jobs that have ended", 180 * DAY, old_history, least=DAY),
        Heap(
            "answers",
            "what providers answered to orders that are settled; the calls and their costs stay",
            90 * DAY, old_answers, forget_answers, least=7 * DAY,
        ),
        Heap("idempotency", "clients' keys and first answers", DAY, old_keys, least=DAY),
    ]  # fmt: skip


def old_history(before: datetime) -> QuerySet[JobEvent]:
    """Of jobs that have ended or are gone."""
    return without_jobs(JobEvent.objects.filter(at__lt=before), ~Q(stage=Stage.ENDED))


def old_answers(before: datetime) -> QuerySet[ProviderCall]:
    """Of jobs that are completed, cancelled or gone. What a language model was asked for has only numbers of tokens."""
    answered = ProviderCall.objects.filter(sent_at__lt=before, answered_at__isnull=False, cancel_wanted_at=None)
    written = answered.exclude(answer={}).exclude(kind="llm")
    return without_jobs(written, ~Q(status__in=SETTLED))


def forget_answers(calls: QuerySet[ProviderCall]) -> int:
    """The rows stay."""
    return calls.update(answer={})


def old_keys(before: datetime) -> QuerySet[IdempotencyKey]:
    """None that is under way."""
    idle = Q(locked_until=None) | Q(locked_until__lt=clock.now())
    return IdempotencyKey.objects.filter(idle, created_at__lt=before)


def without_jobs(rows: QuerySet[Any], such: Q) -> QuerySet[Any]:
    """Rows with a `job_id` that is not the id of such a job."""
    for jobs in JOBS:
        rows = rows.filter(~Exists(jobs.objects.filter(such, pk=OuterRef("job_id"))))
    return rows
