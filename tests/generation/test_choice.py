"""The choice of a provider: the first of the list that can, will and may; and what each account allows."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from generation import breakers, choice, pipeline, polls, queue, sweeps
from generation.models import Breaker, ImageGenerationJob, Job, ModelGenerationJob, ProviderCall
from lumi import clock
from lumi.accounts.models import User
from providers.base import Billed, Fault, ProviderError
from tests.factories import make_request
from tests.generation.accidents import at_the_vendor, model_job
from tests.generation.conftest import skip_waits, turn, work_on
from tests.generation.test_fairness import waiting
from tests.generation.test_queue import limits
from tests.generation.vendor import Vendor

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)
LOST = ProviderError(Fault.NETWORK, billed=Billed.UNKNOWN, evidence="reset")


def breaker(provider: str, how: str) -> None:
    """The breaker for submits of models: closed, open, due for a probe, or being probed."""
    now = clock.now()
    fields: dict[str, Any] = {
        "closed": {},
        "open": {"open_until": now + 30 * SECOND},
        "due": {"open_until": now - SECOND},
        "probed": {"open_until": now - SECOND, "probing_until": now + 30 * SECOND},
        "lost": {"open_until": now - SECOND, "probing_until": now - SECOND},
    }[how]
    Breaker.objects.create(kind="model", provider=provider, operation="submit", **fields)


def spend(provider: str, settings: Any) -> None:
    """Use up a budget."""
    settings.BUDGETS = {provider: 1}
    sent = {"kind": "model", "job_id": "x", "provider": provider, "cost": 1}
    ProviderCall.objects.create(reference=f"spent at {provider}", **sent)


def chosen() -> str:
    """The provider that the only model job is claimed for; "" while it waits."""
    return model_job().provider if queue.claim("model") else ""


@pytest.mark.parametrize(
    ("refused", "first", "second", "expected"),
    [
        ("", "closed", "closed", "scripted"),
        ("scripted", "closed", "closed", "second"),
        ("second", "closed", "closed", "scripted"),
        ("scripted,second", "closed", "closed", "scripted"),  # the list has changed since: it must come to an end
        ("script", "closed", "closed", "scripted"),  # another name
        ("", "open", "closed", "second"),
        ("", "open", "open", ""),
        ("", "probed", "closed", "second"),
        ("", "due", "closed", "scripted"),
        ("", "lost", "closed", "scripted"),
        ("", "open", "due", "second"),
        ("", "open", "probed", ""),
        ("second", "open", "closed", ""),
        ("scripted", "due", "open", ""),
    ],
)
def test_the_first_that_can_will_and_may(
    alice: User, two: Any, refused: str, first: str, second: str, expected: str
) -> None:
    make_request(alice, status="MODEL_PENDING")
    ModelGenerationJob.objects.update(refused_by=refused)
    breaker("scripted", first)
    breaker("second", second)
    assert chosen() == expected


class TestBudget:
    def test_one_that_is_used_up_is_passed_over(self, alice: User, two: Any, settings: Any) -> None:
        make_request(alice, status="MODEL_PENDING")
        spend("scripted", settings)
        assert chosen() == "second"

    def test_an_only_provider_is_waited_for(self, alice: User, builder: Vendor, settings: Any) -> None:
        make_request(alice, status="MODEL_PENDING")
        spend("scripted", settings)
        assert turn() == 0
        settings.BUDGETS = {"scripted": 2}
        assert turn() == 1
        assert len(builder.ledger) == 1

    def test_used_up_between_the_claim_and_the_submit(
        self, alice: User, builder: Vendor, two: dict[str, Vendor], settings: Any
    ) -> None:
        make_request(alice, status="MODEL_PENDING")
        claims = queue.claim("model")
        spend("scripted", settings)
        work_on("model", claims)
        assert (model_job().stage, builder.orders) == ("WAITING", [])
        skip_waits()
        turn()
        assert (builder.orders, len(two["model"].ledger)) == ([], 1)


class TestProbe:
    def test_one_goes_and_the_others_go_on(self, alice: User, two: Any) -> None:
        for _ in range(4):
            make_request(alice, status="MODEL_PENDING")
        breaker("scripted", "due")
        assert len(queue.claim("model")) == 4
        assert Counter(ModelGenerationJob.objects.values_list("provider", flat=True)) == {"scripted": 1, "second": 3}

    def test_whoever_finds_the_door_shut_does_not_wait_for_it(
        self, alice: User, builder: Vendor, two: dict[str, Vendor]
    ) -> None:
        """The breaker opens between the claim and the submit."""
        make_request(alice, status="MODEL_PENDING")
        claims = queue.claim("model")
        breaker("scripted", "open")
        work_on("model", claims)
        turn()
        assert (builder.orders, len(two["model"].ledger)) == ([], 1)


class TestFull:
    def test_a_full_or_slow_provider_is_waited_for(self, alice: User, two: Any, settings: Any) -> None:
        """The cheapest first."""
        limits(settings, "model", at_once=1)
        for _ in range(3):
            make_request(alice, status="MODEL_PENDING")
        assert len(queue.claim("model")) == 1
        assert queue.claim("model") == []

    def test_closed_by_the_provider_too(self, alice: User, two: Any) -> None:
        make_request(alice, status="MODEL_PENDING")
        queue.close_gate(kind="model", provider="scripted", seconds=30)
        assert chosen() == ""


class TestAccount:
    """PROVIDER_LIMITS."""

    def test_its_own_numbers_come_before_the_kinds(self, settings: Any) -> None:
        settings.PROVIDER_LIMITS = {"image": {"second": {"per_minute": 2}}}
        assert choice.limits("image", "second") == settings.GENERATION["image"] | {"per_minute": 2}
        assert choice.limits("image", "scripted") == settings.GENERATION["image"]
        assert choice.limits("model", "second") == settings.GENERATION["model"]

    def test_at_once(self, alice: User, two: Any, settings: Any) -> None:
        """Each door has its own width."""
        settings.PROVIDER_LIMITS = {"model": {"scripted": {"at_once": 1}}}
        for number in range(4):
            make_request(alice, status="MODEL_PENDING")
            ModelGenerationJob.objects.filter(refused_by="").update(refused_by="scripted" if number % 2 else "second")
        assert len(queue.claim("model")) == 3
        assert Counter(ModelGenerationJob.objects.exclude(provider="").values_list("provider", flat=True)) == {
            "scripted": 1, "second": 2,
        }  # fmt: skip

    def test_a_minute(self, alice: User, painter: Vendor, settings: Any) -> None:
        settings.PROVIDER_LIMITS = {"image": {"scripted": {"per_minute": 2}}}
        waiting(alice, 1)
        for _ in range(3):
            skip_waits()
            turn()
        assert len(painter.ledger) == 2

    def test_polls(self, alice: User, builder: Vendor, two: dict[str, Vendor], settings: Any) -> None:
        settings.PROVIDER_LIMITS = {"model": {"second": {"poll_every": 100}}}
        ids = at_the_vendor(alice, 2)
        ModelGenerationJob.objects.filter(pk=ids[0]).update(provider="second")
        builder.say("poll", builder.running("x", None))
        two["model"].say("poll", builder.running("x", None))
        polls.poll_due("model")
        waits = {job.provider: (job.next_at - clock.now()).total_seconds() for job in ModelGenerationJob.objects.all()}
        assert waits["second"] > 90 > waits["scripted"]

    def test_time_out(self, alice: User, builder: Vendor, settings: Any) -> None:
        settings.PROVIDER_LIMITS = {"model": {"scripted": {"timeout": 5000}}}
        make_request(alice, status="MODEL_PENDING")
        turn()
        assert model_job().timeout_at > clock.now() + 4000 * SECOND


class TestUnknownOutcomes:
    """The provider may be at work on them: they take up a place as long as an accepted job would."""

    def held(self, alice: User, builder: Vendor) -> None:
        """One of unknown outcome, and one that waits."""
        builder.say("submit", LOST)
        make_request(alice, status="MODEL_PENDING")
        turn()
        make_request(alice, status="MODEL_PENDING")
        assert model_of("UNKNOWN").provider == "scripted"

    def test_take_up_a_place(self, alice: User, builder: Vendor, settings: Any) -> None:
        limits(settings, "model", at_once=1)
        self.held(alice, builder)
        assert queue.claim("model") == []

    def test_at_the_gate_too(self, alice: User, builder: Vendor, settings: Any) -> None:
        limits(settings, "model", at_once=1)
        self.held(alice, builder)
        job = model_of("WAITING")
        job.take(clock.now() + SECOND, provider="scripted")
        work_on("model", [(job.pk, job.fence)])
        assert len(builder.orders) == 1

    def test_but_no_longer_than_the_provider_may_work(self, alice: User, builder: Vendor, settings: Any) -> None:
        limits(settings, "model", at_once=1, timeout=600)
        self.held(alice, builder)
        passed = timedelta(seconds=601)
        ModelGenerationJob.objects.filter(stage="UNKNOWN").update(next_at=model_of("UNKNOWN").next_at - passed)
        assert len(queue.claim("model")) == 1

    def test_at_their_provider_only(self, alice: User, builder: Vendor, two: dict[str, Vendor], settings: Any) -> None:
        limits(settings, "model", at_once=1)
        self.held(alice, builder)
        ModelGenerationJob.objects.filter(stage="WAITING").update(refused_by="scripted")
        assert len(queue.claim("model")) == 1


def model_of(stage: str) -> Job:
    """The only model job in a stage."""
    return ModelGenerationJob.objects.get(stage=stage)


class TestFairness:
    def test_owners_take_turns_at_each_door(self, alice: User, bob: User, two: Any, settings: Any) -> None:
        limits(settings, "image", at_once=4, per_minute=1000)
        waiting(alice, 20, age=3600)
        waiting(bob, 2)
        half = ImageGenerationJob.objects.filter(image__index__lt=2).values_list("pk", flat=True)
        ImageGenerationJob.objects.filter(pk__in=list(half)).update(refused_by="scripted")
        queue.claim("image")
        claimed = ImageGenerationJob.objects.exclude(provider="").values_list("provider", "owner__name")
        assert Counter(claimed) == {
            ("scripted", "Alice"): 2, ("scripted", "Bob"): 2, ("second", "Alice"): 2, ("second", "Bob"): 2,
        }  # fmt: skip


class TestStatements:
    def count(self, jobs: int) -> int:
        """How many a claim of so many jobs takes, less one for each job."""
        with CaptureQueriesContext(connection) as queries:
            assert len(queue.claim("image")) == jobs
        return len(queries) - jobs

    def test_one_provider(self, alice: User) -> None:
        """The clock, what is to be stored, what waits, the pause; the gate, who is there, whose turn it is."""
        waiting(alice, 10)
        assert self.count(5) == 7

    def test_two_of_which_the_first_takes_all(self, alice: User, two: Any) -> None:
        """And the breakers."""
        waiting(alice, 10)
        assert self.count(5) == 8

    def test_two_that_have_work(self, alice: User, two: Any) -> None:
        """Three more for the second door."""
        waiting(alice, 10)
        some = list(ImageGenerationJob.objects.values_list("pk", flat=True)[:5])
        ImageGenerationJob.objects.filter(pk__in=some).update(refused_by="scripted")
        assert self.count(10) == 11

    def test_none_that_waits(self, db: None, two: Any) -> None:
        assert self.count(0) == 3


class TestHasten:
    def test_jobs_that_wait_for_a_provider_need_not_any_more(self, alice: User, two: Any) -> None:
        for _ in range(3):
            make_request(alice, status="MODEL_PENDING")
        here, there, undue = ModelGenerationJob.objects.order_by("pk")
        later = clock.now() + 300 * SECOND
        ModelGenerationJob.objects.update(next_at=later, provider="scripted")
        ModelGenerationJob.objects.filter(pk=there.pk).update(provider="second")
        ModelGenerationJob.objects.filter(pk=undue.pk).update(next_at=None)
        queue.hasten("model", "scripted")
        assert [claim[0] for claim in queue.claim("model")] == [here.pk]


class TestListsThatChange:
    def test_a_submitted_job_is_asked_after_where_it_is(
        self, alice: User, builder: Vendor, two: dict[str, Vendor], settings: Any
    ) -> None:
        make_request(alice, status="MODEL_PENDING")
        turn()
        settings.MODEL_PROVIDERS = ["second"]
        skip_waits()
        turn()
        assert (len(builder.polls), two["model"].polls) == (1, [])
        assert model_job().provider == "scripted"

    def test_a_waiting_one_goes_by_the_new_list(self, alice: User, two: dict[str, Vendor], settings: Any) -> None:
        make_request(alice, status="MODEL_PENDING")
        queue.claim("model")
        ModelGenerationJob.objects.update(lease_until=clock.now() - SECOND)
        settings.MODEL_PROVIDERS = ["second"]
        assert chosen() == "second"

    def test_a_name_twice_is_a_name_once(self, alice: User, settings: Any) -> None:
        settings.MODEL_PROVIDERS = ["scripted", "scripted"]
        make_request(alice, status="MODEL_PENDING")
        job = model_job()
        job.provider = "scripted"
        assert choice.others(job) == []

    def test_a_provider_that_is_not_set_up_does_not_stop_the_sweep(
        self, alice: User, builder: Vendor, settings: Any
    ) -> None:
        """Only those that have jobs of unknown outcome are asked."""
        settings.PROVIDERS["model"]["stranger"] = "nowhere.at_all"
        builder.say("submit", LOST)
        make_request(alice, status="MODEL_PENDING")
        turn()
        ModelGenerationJob.objects.update(next_at=clock.now() - SECOND)
        sweeps.sweep()
        assert model_job().status == "FAILED"


class TestNewLives:
    @pytest.mark.parametrize("who", ["person", "operator"])
    def test_begin_at_the_first_provider(self, alice: User, two: Any, who: str) -> None:
        request = make_request(alice, status="MODEL_FAILED")
        ModelGenerationJob.objects.update(refused_by="scripted", provider="second")
        if who == "person":
            pipeline.retry(owner=alice, request_id=request.id)
        else:
            pipeline.requeue(job=model_job())
        assert model_job().refused_by == ""
        assert chosen() == "scripted"


def test_a_breaker_is_due_like_it_lets_a_call_through(alice: User) -> None:
    """`is_due` and `closed_until` are two views of one rule."""
    for how in ("open", "due", "probed", "lost"):
        Breaker.objects.all().delete()
        breaker("scripted", how)
        now = clock.now()
        due = breakers.is_due(Breaker.objects.get(), now)
        assert due is (breakers.closed_until("model", "scripted", "submit", now) is None)
