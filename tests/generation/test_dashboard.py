"""The numbers of the front page: queues, outcomes, durations, breakers and pauses, money."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from generation import dashboard
from generation.dashboard import tallies
from generation.dashboard.tallies import Held, Queue, Spent
from generation.models import (
    Breaker,
    GenerationRequest,
    ImageGenerationJob,
    ModelGenerationJob,
    ProviderCall,
    QueuePause,
)
from generation.spending import Budget
from lumi.accounts.models import User
from lumi.dashboard import Card, Figure
from tests.factories import make_request, make_user

pytestmark = pytest.mark.django_db
NOW = timezone.now()
JOBS = {"image": ImageGenerationJob, "model": ModelGenerationJob}


@pytest.fixture
def jobs(alice: User) -> dict[str, list[Any]]:
    """Eight image jobs and two model jobs, ended long ago."""
    for _ in range(2):
        make_request(alice, status="COMPLETED")
    long_ago = NOW - timedelta(days=3)
    for kind in JOBS.values():
        kind.objects.update(ended_at=long_ago, created_at=long_ago, provider="scripted", duration_ms=1000, next_at=None)
    return {kind: list(jobs.objects.order_by("pk")) for kind, jobs in JOBS.items()}


def put(*some: Any, **fields: Any) -> None:
    """Change these jobs behind everybody's back."""
    for job in some:
        type(job).objects.filter(pk=job.pk).update(**fields)


def open_again(*some: Any, **fields: Any) -> None:
    """As if they had not ended."""
    put(*some, **{"stage": "WAITING", "status": "PENDING", "ended_at": None, "next_at": NOW, **fields})


def ended(minutes: float) -> datetime:
    """So long ago."""
    return NOW - timedelta(minutes=minutes)


def row(card: Card, name: str) -> list[Any]:
    """What a table shows in the line that begins with these words."""
    assert card.table
    figures = next(figures for words, figures in card.table.rows if str(words) == name)
    return [plain(figure.value) for figure in figures]


def plain(value: Any) -> Any:
    """Texts with spaces that are no other than they look."""
    return value if isinstance(value, int) else str(value).replace("\N{NO-BREAK SPACE}", " ")


# --- Queues ---------------------------------------------------------------------------------------------------------


def test_open_work_is_counted_by_queue(jobs: dict[str, list[Any]], bob: User) -> None:
    first, second, third, fourth, fifth, sixth, *_ = jobs["image"]
    open_again(first, created_at=ended(30))
    open_again(second, created_at=ended(10))
    open_again(third, next_at=None)  # its design is not written yet
    open_again(fourth, stage="POLLING", status="RUNNING")
    open_again(fifth, stage="STORING", status="RUNNING")
    open_again(sixth, stage="UNKNOWN", status="RUNNING")
    make_request(bob)
    GenerationRequest.objects.filter(owner=bob).update(created_at=ended(5))
    assert tallies.open_work(NOW) == {
        "image": Queue(waiting=2, running=2, unknown=1, oldest=ended(30)),
        "design": Queue(waiting=1, oldest=ended(5)),
    }


def test_a_design_that_is_being_written_runs(bob: User) -> None:
    make_request(bob)
    GenerationRequest.objects.update(lease_until=NOW + timedelta(minutes=1))
    assert tallies.open_work(NOW)["design"].running == 1
    GenerationRequest.objects.update(lease_until=NOW - timedelta(minutes=1))  # its writer is lost
    assert tallies.open_work(NOW)["design"].waiting == 1


@pytest.mark.parametrize(("minutes", "tone"), [(14, ""), (16, "warn")])
def test_who_waits_long_is_noticed(minutes: float, tone: str) -> None:
    card = dashboard.queue_card({"image": Queue(waiting=1, oldest=ended(minutes))}, Held(), NOW)
    assert card.tone == tone


def test_a_pause_is_noticed_most_of_all() -> None:
    QueuePause.objects.create(kind="image", paused_by="Somebody")
    QueuePause.objects.update(paused_at=ended(90))
    card = dashboard.queue_card({"model": Queue(unknown=1)}, tallies.held_back(), NOW)
    assert card.tone == "bad"
    assert row(card, str(dashboard.NAMES["image"]))[0].endswith("1 h 30 min")


# --- Outcomes -------------------------------------------------------------------------------------------------------


def test_outcomes_of_an_hour_and_of_a_day(jobs: dict[str, list[Any]]) -> None:
    first, second, third, fourth, fifth, *_ = jobs["image"]
    put(first, ended_at=ended(10))
    put(second, ended_at=ended(59), status="TIMEOUT")
    put(third, ended_at=ended(61), status="FAILED", error_code="OUTCOME_UNKNOWN")
    put(fourth, ended_at=ended(1439), status="CANCELLED")
    put(fifth, ended_at=ended(1441))
    put(jobs["model"][0], ended_at=ended(1))
    found = tallies.ended_jobs(NOW)
    by_kind = {kind: [one for one in found if one.kind == kind] for kind in JOBS}
    assert tallies.outcomes(one for one in by_kind["image"] if one.is_recent) == (1, 1, 0)
    assert tallies.outcomes(by_kind["image"]) == (1, 2, 1)
    assert tallies.outcomes(by_kind["model"]) == (1, 0, 0)


def test_the_chart_has_each_of_the_last_hours(jobs: dict[str, list[Any]]) -> None:
    this_hour = NOW.replace(minute=0, second=0, microsecond=0)
    put(jobs["image"][0], ended_at=this_hour)
    put(jobs["image"][1], ended_at=this_hour - timedelta(microseconds=1), status="FAILED")
    put(jobs["model"][0], ended_at=this_hour - timedelta(hours=23))
    chart = dashboard.hourly(tallies.ended_jobs(NOW), NOW)
    heights = [tuple(figure.value for figure in point.figures) for point in chart.points]
    assert len(heights) == 24
    assert (heights[-1], heights[-2], heights[0]) == ((1, 0, 0, 0), (0, 0, 1, 0), (0, 1, 0, 0))
    assert sum(map(sum, heights)) == 3
    assert chart.points[-1].label == f"{this_hour:%H:%M}"


# --- Providers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("durations", "median", "high"),
    [
        ([7], 7, 7),
        ([1, 2], 1, 2),
        ([3, 1, 2], 2, 3),
        ([8, 1, 2, 7, 3, 6, 4, 5], 4, 8),
        ([5, 5, 5, 5], 5, 5),
    ],
)
def test_percentiles_are_those_of_the_nearest_rank(
    jobs: dict[str, list[Any]], durations: list[int], median: int, high: int
) -> None:
    for job, seconds in zip(jobs["image"], durations, strict=False):
        put(job, ended_at=ended(5), duration_ms=seconds * 1000)
    expected = (timedelta(seconds=median), timedelta(seconds=high))
    assert tallies.durations(NOW) == {("image", "scripted"): expected}


def test_the_95th_of_many(alice: User) -> None:
    for _ in range(10):
        make_request(alice, status="IMAGE_COMPLETED")
    for number, job in enumerate(ImageGenerationJob.objects.all(), 1):
        put(job, ended_at=ended(1), provider="scripted", duration_ms=number * 1000)
    assert tallies.durations(NOW) == {("image", "scripted"): (timedelta(seconds=20), timedelta(seconds=38))}


def test_durations_are_of_completed_jobs_of_a_day_by_kind_and_provider(jobs: dict[str, list[Any]]) -> None:
    first, second, third, *_ = jobs["image"]
    put(first, ended_at=ended(5), duration_ms=2000)
    put(second, ended_at=ended(5), duration_ms=9000, status="FAILED")
    put(third, ended_at=ended(5), duration_ms=4000, provider="second")
    put(jobs["model"][0], ended_at=ended(5), duration_ms=6000)
    assert {pair: both[0].seconds for pair, both in tallies.durations(NOW).items()} == {
        ("image", "scripted"): 2,
        ("image", "second"): 4,
        ("model", "scripted"): 6,
    }


def test_a_provider_has_its_line(jobs: dict[str, list[Any]]) -> None:
    put(*jobs["image"][:3], ended_at=ended(5))
    put(jobs["image"][3], ended_at=ended(5), status="FAILED")
    Breaker.objects.create(kind="image", provider="second", operation="submit", open_until=NOW)
    Breaker.objects.create(kind="image", provider="second", operation="poll", open_until=NOW)
    Breaker.objects.create(kind="image", provider="scripted", operation="poll")
    card = dashboard.provider_card(tallies.ended_jobs(NOW), tallies.durations(NOW), tallies.held_back(), NOW)
    images = dashboard.NAMES["image"]
    assert row(card, f"scripted ({images})")[1:] == [4, "75 %", "1 s", "1 s"]
    state, *rest = row(card, f"second ({images})")
    assert state.endswith("poll, submit")
    assert rest == [0, "–", "–", "–"]
    assert card.tone == "bad"


@pytest.mark.parametrize(
    ("completed", "failed", "value", "tone"),
    [(0, 0, "–", ""), (199, 1, "99 %", ""), (95, 5, "95 %", ""), (94, 6, "94 %", "warn"), (79, 21, "79 %", "bad")],
)
def test_success_is_a_share_that_is_never_rounded_up(completed: int, failed: int, value: str, tone: str) -> None:
    assert dashboard.success(completed, failed, "/") == Figure(value, "/", tone=tone)  # type: ignore[arg-type]


# --- Money ----------------------------------------------------------------------------------------------------------


def pay(provider: str, cost: str, at: datetime) -> None:
    """A line of the journal."""
    number = ProviderCall.objects.count()
    ProviderCall.objects.create(
        reference=f"call-{number}", kind="image", job_id="x", provider=provider, cost=cost, sent_at=at
    )


def test_spend_is_of_today_and_of_this_month_against_the_budgets(settings: Any) -> None:
    settings.BUDGETS = {"scripted": 10, "unused": 5}
    noon = datetime.fromisoformat("2026-11-24T12:00:00+00:00")
    pay("scripted", "1.5", noon)
    pay("scripted", "2.5", noon.replace(day=23))
    pay("second", "7", noon.replace(day=1, hour=0))
    pay("second", "100", noon.replace(month=10, day=31))
    assert tallies.spent(noon) == [
        Spent("second", Decimal(0), Decimal(7), None),
        Spent("scripted", Decimal("1.5"), Decimal(4), Budget("scripted", Decimal(10), Decimal(4))),
        Spent("unused", Decimal(0), Decimal(0), Budget("unused", Decimal(5), Decimal(0))),
    ]
    card = dashboard.spend_card(tallies.spent(noon), noon)
    assert [figure.value for figure in card.figures] == ["1.50", "11.00"]
    assert row(card, "scripted") == ["1.50", "4.00", "10.00", "40 %"]


@pytest.mark.parametrize(("spent", "tone"), [("7.99", ""), ("8", "warn"), ("10", "bad"), ("11", "bad")])
def test_a_budget_that_runs_out_is_noticed(spent: str, tone: str) -> None:
    one = Spent("scripted", Decimal(0), Decimal(spent), Budget("scripted", Decimal(10), Decimal(spent)))
    assert dashboard.spend_card([one], NOW).tone == tone


def test_without_any_call_there_is_nothing_but_two_zeros() -> None:
    card = dashboard.spend_card(tallies.spent(NOW), NOW)
    assert card.table is None
    assert [figure.value for figure in card.figures] == ["0.00", "0.00"]


# --- The page -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("requests", [0, 1, 8])
def test_the_numbers_cost_the_same_however_many_jobs_there_are(requests: int, django_assert_num_queries: Any) -> None:
    for _ in range(requests):
        make_request(make_user(), status="COMPLETED")
    ImageGenerationJob.objects.update(ended_at=NOW, provider="scripted", duration_ms=1000)
    with django_assert_num_queries(4):
        dashboard.job_cards(NOW)
    with django_assert_num_queries(1):
        tallies.spent(NOW)
