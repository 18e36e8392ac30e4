"""The numbers behind the front page: six statements, each over both kinds of job at once.

Each reads what is open, what has ended within a day, or what was paid within this month, from an index and without the
rest of the table. Percentiles are exact: window functions rank the durations of a day inside the database.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import Case, CharField, Count, F, IntegerField, Min, Q, Sum, Value, When, Window
from django.db.models.functions import RowNumber, TruncHour

from generation import spending
from generation.messages import OUTCOME_UNKNOWN
from generation.models import Breaker, GenerationRequest, QueuePause
from generation.operators import IN_HANDS
from generation.queue import JOBS, jobs_of
from generation.states import FAILED, JobStatus, RequestStatus, Stage
from lumi.dashboard import midnight

MEDIAN, HIGH = 50, 95  # per cent
PAUSE = "pause"


def an_hour_before(now: datetime) -> datetime:
    """From where on the last hour counts."""
    return now - timedelta(hours=1)


def a_day_before(now: datetime) -> datetime:
    """From where on the last day counts."""
    return now - timedelta(days=1)


def of_both(parts: Iterable[Any]) -> Any:
    """The rows of all in one statement."""
    first, *others = parts
    return first.union(*others, all=True)


# --- What is open ---------------------------------------------------------------------------------------------------


@dataclass
class Queue:
    """How much waits, is worked on, and hangs in the air; since when the oldest waits."""

    waiting: int = 0
    running: int = 0
    unknown: int = 0
    oldest: datetime | None = None


def open_work(now: datetime) -> dict[str, Queue]:
    """By queue; those where nothing is open are left out."""
    found: dict[str, Queue] = {}
    for kind, stage, many, oldest in of_both([open_designs(now), *map(open_jobs, JOBS)]):
        queue = found.setdefault(kind, Queue())
        if stage == Stage.WAITING:
            queue.waiting, queue.oldest = many, oldest
        elif stage == Stage.UNKNOWN:
            queue.unknown = many
        else:
            queue.running += many
    return found


def open_designs(now: datetime) -> Any:
    """Rows of queue, stage, how many, oldest: requests whose prompts are to be written, or are being written."""
    running = When(lease_until__gte=now, then=Value(Stage.SUBMITTING.value))
    stage = Case(running, default=Value(Stage.WAITING.value), output_field=CharField())
    rows = GenerationRequest.objects.filter(status=RequestStatus.IMAGE_PENDING, next_at__isnull=False)
    return counted(rows.annotate(queue=Value("design"), at=stage), "queue", "at").annotate(oldest=Min("created_at"))


def open_jobs(kind: str) -> Any:
    """The same of jobs; one whose design is not written yet has no time and waits for no provider."""
    waiting = Q(stage=Stage.WAITING, next_at__isnull=False)
    rows = jobs_of(kind).filter(waiting | Q(stage__in=[*IN_HANDS, Stage.UNKNOWN])).annotate(queue=Value(kind))
    return counted(rows, "queue", "stage").annotate(oldest=Min("created_at"))


def counted(rows: Any, *words: str) -> Any:
    """How many there are for each value of these columns."""
    return rows.order_by().values_list(*words).annotate(many=Count("pk"))


# --- What has ended -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ended:
    """So many jobs that ended alike within the same hour of the clock; `is_recent`: 1 within the last 60 minutes."""

    kind: str
    provider: str
    status: str
    error_code: str
    hour: datetime
    is_recent: int
    many: int


def ended_jobs(now: datetime) -> list[Ended]:
    """What ended within a day, counted by the database."""
    return [Ended(*row) for row in of_both(ended_of(kind, now) for kind in JOBS)]


def ended_of(kind: str, now: datetime) -> Any:
    """One kind; the index that is read holds all of these columns."""
    recent = Case(When(ended_at__gte=an_hour_before(now), then=1), default=0, output_field=IntegerField())
    rows = jobs_of(kind).filter(ended_at__gte=a_day_before(now))
    rows = rows.annotate(queue=Value(kind), hour=TruncHour("ended_at", tzinfo=UTC), is_recent=recent)
    return counted(rows, "queue", "provider", "status", "error_code", "hour", "is_recent")


def outcomes(rows: Iterable[Ended]) -> tuple[int, int, int]:
    """How many completed, how many failed, and how many of these with an outcome that nobody knows."""
    rows = list(rows)
    return (
        sum(row.many for row in rows if row.status == JobStatus.COMPLETED),
        sum(row.many for row in rows if row.status in FAILED),
        sum(row.many for row in rows if row.error_code == OUTCOME_UNKNOWN),
    )


Durations = dict[tuple[str, str], tuple[timedelta, timedelta]]  # by kind and provider: the median, and the 95th


def durations(now: datetime) -> Durations:
    """How long the completed jobs of the last day took."""
    found: dict[tuple[str, str], list[int]] = {}
    for kind, provider, duration in of_both(ranked(kind, now) for kind in JOBS):
        found.setdefault((kind, provider), []).append(duration)
    return {
        where: (timedelta(milliseconds=min(both)), timedelta(milliseconds=max(both))) for where, both in found.items()
    }


def ranked(kind: str, now: datetime) -> Any:
    """Rows of queue, provider and milliseconds: those two (or the one) of a provider's that stand at the percentiles,
    by nearest rank."""
    done = jobs_of(kind).filter(ended_at__gte=a_day_before(now), status=JobStatus.COMPLETED, duration_ms__isnull=False)
    rank = Window(RowNumber(), partition_by=F("provider"), order_by="duration_ms")
    total = Window(Count("pk"), partition_by=F("provider"))
    found = done.annotate(queue=Value(kind), hundredfold=rank * 100, total=total)
    return found.filter(stands_at(MEDIAN) | stands_at(HIGH)).values_list("queue", "provider", "duration_ms")


def stands_at(percent: int) -> Q:
    """The rank is the smallest that has so many per cent at or below it."""
    share = F("total") * percent
    return Q(hundredfold__gte=share, hundredfold__lt=share + 100)


# --- What holds work back -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Held:
    """Open breakers: kind, provider, operation, until when; pauses: since when, by queue."""

    breakers: list[tuple[str, str, str, datetime]] = field(default_factory=list)
    pauses: dict[str, datetime] = field(default_factory=dict)


def held_back() -> Held:
    """Both from one statement; both tables are small."""
    tripped = Breaker.objects.filter(open_until__isnull=False).order_by()
    pauses = QueuePause.objects.order_by().annotate(who=Value(""), what=Value(PAUSE))
    first = tripped.values_list("kind", "provider", "operation", "open_until")
    found: list[Any] = list(first.union(pauses.values_list("kind", "who", "what", "paused_at"), all=True))
    return Held(
        breakers=sorted(row for row in found if row[2] != PAUSE),
        pauses={kind: since for kind, _, what, since in found if what == PAUSE},
    )


# --- Money ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Spent:
    """What one provider has cost, and what it may cost this month (None: no bound)."""

    provider: str
    today: Decimal
    month: Decimal
    budget: spending.Budget | None


def spent(now: datetime) -> list[Spent]:
    """This month (UTC), the dearest first; also those that have a budget and were not called."""
    calls = spending.of_month(spending.Month.of(now)).filter(provider__in=known_providers()).order_by()
    today = Sum("cost", filter=Q(sent_at__gte=midnight(now.date())), default=Decimal(0))
    sums = calls.values_list("provider").annotate(today=today, month=Sum("cost"))
    rows = {name: (day, month) for name, day, month in sums}
    nothing = dict.fromkeys(settings.BUDGETS, (Decimal(0), Decimal(0)))
    found = [Spent(name, day, month, budget_of(name, month)) for name, (day, month) in (nothing | rows).items()]
    return sorted(found, key=lambda one: (-one.month, one.provider))


def known_providers() -> list[str]:
    """All that the settings can make: an index by provider gives their calls without the rest of the table."""
    return sorted({name for table in settings.PROVIDERS.values() for name in table} | set(settings.BUDGETS))


def budget_of(provider: str, spent_so_far: Decimal) -> spending.Budget | None:
    """None: there is none."""
    if provider not in settings.BUDGETS:
        return None
    return spending.Budget(provider, spending.amount(settings.BUDGETS[provider]) or Decimal(0), spent_so_far)
