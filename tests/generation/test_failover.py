"""Failover: what a provider surely will not do goes to the next of the list, and nothing is ever paid for twice."""

import random
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import Q

from generation import pipeline, queue, sweeps
from generation.models import (
    Breaker,
    ImageGenerationJob,
    JobEvent,
    ModelGenerationJob,
    ProviderCall,
    ProviderGate,
)
from lumi import clock
from lumi.accounts.models import User
from providers import registry
from providers.base import Billed, Fault, JobState, ProviderError, Report
from tests.factories import make_request
from tests.generation.accidents import KilledError, leases_end, model_job, sweep_after_the_lease, work_until_killed
from tests.generation.conftest import HERE, skip_waits, turn, turn_to_the_end
from tests.generation.test_queue import limits
from tests.generation.vendor import Vendor

pytestmark = pytest.mark.django_db

TWO = ["scripted", "second"]


def no(fault: Fault, **fields: Any) -> ProviderError:
    """A provider's no, free of charge."""
    return ProviderError(fault, **{"permanent": True, "evidence": f"said {fault}", **fields})


def failed_there(fault: Fault = Fault.JOB_FAILED, **fields: Any) -> Report:
    """A poll that says that it came to nothing."""
    return Report(state=JobState.FAILED, error=no(fault, **fields))


def history(event: str) -> list[dict[str, Any]]:
    """What these lines say, in order."""
    return list(JobEvent.objects.filter(event=event).order_by("id").values_list("detail", flat=True))


@pytest.fixture
def second(two: dict[str, Vendor]) -> Vendor:
    """The second 3D vendor."""
    return two["model"]


class TestBeyondIt:
    """`cannot`: looked at before anything is sent."""

    def test_the_next_one_gets_it(self, alice: User, builder: Vendor, second: Vendor) -> None:
        builder.beyond = "a picture larger than 8 MB"
        request = make_request(alice, status="MODEL_PENDING")
        turn_to_the_end()
        request.refresh_from_db()
        assert (request.status, builder.orders, len(second.ledger)) == ("COMPLETED", [], 1)
        (line,) = history("FAILED_OVER")
        assert (line["provider"], line["reason"]) == ("scripted", "a picture larger than 8 MB")
        assert not ProviderCall.objects.filter(provider="scripted").exists()
        assert (model_job().retry_count, model_job().refused_by) == (0, "scripted")

    def test_at_once(self, alice: User, builder: Vendor, second: Vendor) -> None:
        builder.beyond = "too large"
        make_request(alice, status="MODEL_PENDING")
        turn()
        turn()
        assert len(second.ledger) == 1

    def test_none_can(self, alice: User, builder: Vendor, second: Vendor) -> None:
        builder.beyond, second.beyond = "too large", "too small"
        request = make_request(alice, status="MODEL_PENDING")
        turn_to_the_end()
        request.refresh_from_db()
        assert (request.status, request.error_code) == ("MODEL_FAILED", "INVALID_INPUT")
        assert model_job().error_text == "scripted: too large\nsecond: too small"
        assert builder.orders == second.orders == []

    def test_an_adapter_that_cannot_be_made_cannot_do_it(
        self, alice: User, builder: Vendor, second: Vendor, settings: Any
    ) -> None:
        settings.PROVIDERS["model"]["scripted"] = "nowhere.at_all"
        registry.get.cache_clear()
        make_request(alice, status="MODEL_PENDING")
        turn_to_the_end()
        assert (model_job().status, len(second.ledger)) == ("COMPLETED", 1)

    def test_our_own_failure_is_nobodys_affair(self, alice: User, builder: Vendor, second: Vendor) -> None:
        request = make_request(alice, status="MODEL_PENDING")
        request.images.update(key="images/nowhere/x.png")
        turn_to_the_end()
        assert (model_job().status, model_job().refused_by) == ("FAILED", "")
        assert builder.orders == second.orders == []


class TestRefusals:
    @pytest.mark.parametrize("fault", [Fault.AUTHENTICATION, Fault.QUOTA_EXHAUSTED, Fault.INVALID_INPUT])
    def test_for_good_and_free_of_charge(self, alice: User, builder: Vendor, second: Vendor, fault: Fault) -> None:
        builder.say("submit", no(fault))
        make_request(alice, status="MODEL_PENDING")
        turn_to_the_end()
        job = model_job()
        assert (job.status, len(builder.orders), len(second.ledger)) == ("COMPLETED", 1, 1)
        assert second.orders[0].reference == f"{job.pk}-2"
        calls = ProviderCall.objects.order_by("id").values_list("provider", "outcome")
        assert list(calls) == [("scripted", "REFUSED"), ("second", "ACCEPTED")]
        assert history("FAILED_OVER")[0]["error"] == fault

    @pytest.mark.parametrize("fault", [Fault.UNAVAILABLE, Fault.JOB_FAILED])
    def test_three_tries_then_three_at_the_next(
        self, alice: User, builder: Vendor, second: Vendor, fault: Fault
    ) -> None:
        for vendor in (builder, second):
            vendor.say("submit", *[no(fault, permanent=False)] * 9)
        request = make_request(alice, status="MODEL_PENDING")
        turn_to_the_end()
        request.refresh_from_db()
        assert (len(builder.orders), len(second.orders), request.status) == (3, 3, "MODEL_FAILED")
        assert model_job().error_code == fault
        assert len({order.reference for order in [*builder.orders, *second.orders]}) == 6

    def test_failed_at_the_vendor_free_of_charge(self, alice: User, builder: Vendor, second: Vendor) -> None:
        builder.say("poll", failed_there())
        make_request(alice, status="MODEL_PENDING")
        turn_to_the_end()
        job = model_job()
        assert (job.status, job.provider, job.refused_by) == ("COMPLETED", "second", "scripted")

    @pytest.mark.parametrize("where", ["submit", "poll"])
    def test_content_that_one_refuses_is_not_offered_to_others(
        self, alice: User, builder: Vendor, second: Vendor, where: str
    ) -> None:
        said: Any = no(Fault.CONTENT_REFUSED) if where == "submit" else failed_there(Fault.CONTENT_REFUSED)
        builder.say(where, said)
        make_request(alice, status="MODEL_PENDING")
        turn_to_the_end()
        assert (model_job().error_code, second.orders) == ("CONTENT_REFUSED", [])

    def test_not_now_is_waited_for(self, alice: User, builder: Vendor, second: Vendor) -> None:
        builder.say("submit", *[ProviderError(Fault.BUSY)] * 9)
        make_request(alice, status="MODEL_PENDING")
        turn_to_the_end()
        assert (model_job().status, len(builder.orders), second.orders) == ("COMPLETED", 10, [])

    def test_a_persons_retry_begins_anew(self, alice: User, builder: Vendor, second: Vendor) -> None:
        builder.say("submit", no(Fault.INVALID_INPUT))
        second.say("submit", no(Fault.INVALID_INPUT))
        request = make_request(alice, status="MODEL_PENDING")
        turn_to_the_end()
        pipeline.retry(owner=alice, request_id=request.id)
        turn_to_the_end()
        assert (model_job().status, len(builder.ledger), second.ledger) == ("COMPLETED", 1, [])


class TestMoneyMayBeOut:
    """Then nobody else is asked."""

    @pytest.mark.parametrize(
        ("where", "said"),
        [
            ("submit", no(Fault.NETWORK, permanent=False, billed=Billed.UNKNOWN)),
            ("submit", no(Fault.AUTHENTICATION, billed=Billed.UNKNOWN)),
            ("submit", no(Fault.JOB_FAILED, billed=Billed.YES)),
            ("submit", KeyError("a bug in the adapter")),
            ("submit", Report(state=JobState.QUEUED)),  # accepted without an id
            ("poll", failed_there(billed=Billed.YES)),
            ("poll", failed_there(billed=Billed.UNKNOWN)),
            ("poll", failed_there(Fault.JOB_LOST)),
            ("fetch", no(Fault.RESULT_GONE)),
            ("fetch", []),  # no mesh among the results
        ],
    )
    def test_an_outcome_that_is_not_surely_free(
        self, alice: User, builder: Vendor, second: Vendor, where: str, said: Any
    ) -> None:
        builder.say(where, said)
        make_request(alice, status="MODEL_PENDING")
        turn_to_the_end()
        ModelGenerationJob.objects.filter(stage="UNKNOWN").update(next_at=clock.now())
        sweeps.sweep()
        turn_to_the_end()
        assert (model_job().status, second.orders, len(builder.orders)) == ("FAILED", [], 1)

    def test_a_worker_that_is_killed(
        self, alice: User, builder: Vendor, second: Vendor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_request(alice, status="MODEL_PENDING")
        builder.say("submit", KilledError())
        assert work_until_killed("model") == 1
        sweep_after_the_lease()
        turn_to_the_end()
        assert (model_job().stage, second.orders) == ("UNKNOWN", [])

    def test_a_late_no_is_for_the_person(self, alice: User, builder: Vendor, second: Vendor) -> None:
        """It was of unknown outcome: who knows what the vendor makes of it next."""

        def too_late() -> None:
            leases_end()
            sweeps.sweep()

        builder.during["submit"] = too_late
        builder.say("submit", no(Fault.INVALID_INPUT))
        make_request(alice, status="MODEL_PENDING")
        turn()
        sweeps.sweep()
        turn_to_the_end()
        assert (model_job().status, model_job().error_code, second.orders) == ("FAILED", "INVALID_INPUT", [])

    @pytest.mark.parametrize("lost", ["worker", "answer"])
    def test_a_repeat_that_is_free_is_free_only_there(
        self, alice: User, builder: Vendor, second: Vendor, lost: str, settings: Any
    ) -> None:
        builder.resubmit_is_free = True
        killed = KilledError()
        builder.say("submit", killed if lost == "worker" else ProviderError(Fault.NETWORK, billed=Billed.UNKNOWN))
        make_request(alice, status="MODEL_PENDING")
        assert work_until_killed("model") == (lost == "worker")
        sweep_after_the_lease()
        settings.MODEL_PROVIDERS = TWO[::-1]
        turn_to_the_end()
        assert (model_job().status, model_job().provider, second.orders) == ("COMPLETED", "scripted", [])
        assert len({order.reference for order in builder.orders}) == 1

    def test_nor_when_repeating_it_does_not_help(self, alice: User, builder: Vendor, second: Vendor) -> None:
        builder.resubmit_is_free = True
        builder.say("submit", *[ProviderError(Fault.JOB_FAILED, billed=Billed.UNKNOWN)] * 9)
        make_request(alice, status="MODEL_PENDING")
        turn_to_the_end()
        assert (model_job().status, len(builder.orders), second.orders) == ("FAILED", 3, [])


class TestBreakers:
    @pytest.mark.parametrize("fault", [Fault.AUTHENTICATION, Fault.QUOTA_EXHAUSTED])
    def test_a_fault_of_the_account_is_found_out_once(
        self, alice: User, builder: Vendor, second: Vendor, fault: Fault
    ) -> None:
        builder.say("submit", *[no(fault)] * 9)
        make_request(alice, status="MODEL_PENDING")
        turn()
        for _ in range(5):
            make_request(alice, status="MODEL_PENDING")
        turn_to_the_end()
        assert (len(builder.orders), len(second.ledger)) == (1, 6)

    def test_one_probe_a_pause_finds_out_that_it_is_mended(self, alice: User, builder: Vendor, second: Vendor) -> None:
        builder.say("submit", *[no(Fault.AUTHENTICATION)] * 2)
        for pauses in range(3):
            for _ in range(3):
                make_request(alice, status="MODEL_PENDING")
            Breaker.objects.filter(operation="submit").update(open_until=clock.now() - timedelta(seconds=1))
            turn_to_the_end()
            assert len(builder.orders) == pauses + 1
        make_request(alice, status="MODEL_PENDING")
        turn_to_the_end()
        assert (len(builder.ledger), len(second.ledger)) == (2, 8)  # the probe that went well, and what came after
        assert set(ModelGenerationJob.objects.values_list("status", flat=True)) == {"COMPLETED"}

    def test_without_another_provider_the_person_is_told_at_once(self, alice: User, builder: Vendor) -> None:
        builder.say("submit", no(Fault.AUTHENTICATION))
        make_request(alice, status="MODEL_PENDING")
        turn_to_the_end()
        assert (model_job().error_code, Breaker.objects.filter(open_until__isnull=False).count()) == (
            "AUTHENTICATION", 0,
        )  # fmt: skip

    def test_an_outage_sends_everybody_on_at_once(
        self, alice: User, builder: Vendor, second: Vendor, settings: Any
    ) -> None:
        """Those that wait for their next try there, too; and nobody is refused for good."""
        limits(settings, "model", at_once=8)
        builder.say("submit", *[ProviderError(Fault.UNAVAILABLE)] * 9)
        for _ in range(8):
            make_request(alice, status="MODEL_PENDING")
        turn()
        assert len(builder.orders) == 5
        turn()
        assert (len(builder.orders), len(second.ledger)) == (5, 8)
        assert set(ModelGenerationJob.objects.values_list("refused_by", flat=True)) == {""}

    def test_both_down_then_whoever_is_back_first(self, alice: User, builder: Vendor, second: Vendor) -> None:
        for vendor in (builder, second):
            vendor.say("submit", *[ProviderError(Fault.UNAVAILABLE)] * 5)
        for _ in range(6):
            make_request(alice, status="MODEL_PENDING")
        for _ in range(4):
            turn()
        assert (len(builder.orders), len(second.orders)) == (5, 5)
        assert turn() == 0
        Breaker.objects.filter(provider="second").update(open_until=clock.now() - timedelta(seconds=1))
        turn_to_the_end()
        assert (builder.ledger, len(second.ledger)) == ([], 6)


class TestPictures:
    def test_one_by_one(self, alice: User, painter: Vendor, two: dict[str, Vendor]) -> None:
        painter.say("submit", no(Fault.INVALID_INPUT), no(Fault.INVALID_INPUT))
        request = make_request(alice)
        turn_to_the_end()
        request.refresh_from_db()
        assert (request.status, len(painter.ledger), len(two["image"].ledger)) == ("IMAGE_COMPLETED", 2, 2)


# --- Any script of faults ---------------------------------------------------------------------------------------------


@dataclass
class Moody(Vendor):
    """Answers by dice. `refunds`: orders that it took and then gave up free of charge."""

    dice: random.Random = field(default_factory=random.Random)
    refunds: list[str] = field(default_factory=list)

    def next(self, call: str) -> Any:
        """Well in three of five times."""
        if call == "fetch" or self.dice.random() < 0.6:
            return None
        answer = self.dice.choice(SUBMITS if call == "submit" else POLLS)
        if call == "poll" and isinstance(answer, Report) and answer.error and answer.error.billed == Billed.NO:
            self.refunds.append(self.polls[-1].removeprefix("job-"))
        return answer

    def give(self, answer: Any) -> Any:
        """A death is a new one each time."""
        return super().give(KilledError() if answer is KilledError else answer)

    def cannot(self, order: Any) -> str:
        """Now and then."""
        return "not today" if self.dice.random() < 0.1 else ""

    def charges(self) -> Counter[str]:
        """How much was paid for the orders of each job."""
        counts = {order.reference: getattr(order, "count", 1) for order in self.orders}
        paid: Counter[str] = Counter()
        for reference in self.ledger:
            paid[reference.rpartition("-")[0]] += counts[reference]
        return paid - Counter(reference.rpartition("-")[0] for reference in self.refunds)


SUBMITS: list[Any] = [
    *[no(fault) for fault in (Fault.AUTHENTICATION, Fault.QUOTA_EXHAUSTED, Fault.INVALID_INPUT, Fault.CONTENT_REFUSED)],
    *[ProviderError(fault) for fault in (Fault.UNAVAILABLE, Fault.NETWORK, Fault.BUSY, Fault.JOB_FAILED)],
    ProviderError(Fault.RATE_LIMITED, retry_after=1),
    ProviderError(Fault.NETWORK, billed=Billed.UNKNOWN),
    ProviderError(Fault.UNAVAILABLE, billed=Billed.UNKNOWN),
    no(Fault.JOB_FAILED, billed=Billed.YES),
    Report(state=JobState.QUEUED),
    KilledError,
]
POLLS: list[Any] = [
    failed_there(),
    failed_there(permanent=False),
    failed_there(billed=Billed.YES),
    failed_there(Fault.CONTENT_REFUSED),
    failed_there(Fault.JOB_LOST, billed=Billed.YES),
    ProviderError(Fault.UNAVAILABLE),
    ProviderError(Fault.AUTHENTICATION, permanent=True),
]


def live_through(rounds: int, dice: random.Random) -> None:
    """Turns of the clockwork in which workers are killed, leases end, and breakers and gates open again."""
    for _ in range(rounds):
        skip_waits()
        with suppress(KilledError):
            turn()
        if dice.random() < 0.5:
            sweep_after_the_lease()
        if dice.random() < 0.5:
            Breaker.objects.update(open_until=None, failures=[])
        ProviderGate.objects.update(closed_until=None)


def paid_lines(kind: str) -> Counter[str]:
    """By the journal: for how many orders of each job money may be out."""
    free = Q(outcome="REFUSED", answer__billed="NO")
    return Counter(ProviderCall.objects.filter(kind=kind).exclude(free).values_list("job_id", flat=True))


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("seed", range(12))
def test_over_all_providers_one_paid_order_at_most(alice: User, two: Any, settings: Any, seed: int, batch: int) -> None:
    """Whatever they say, and whoever dies: by the vendors' books and by ours."""
    for kind in queue.JOBS:
        limits(settings, kind, at_once=100)  # those of unknown outcome keep their places
    dice = random.Random(seed)
    painters = [Moody("image", dice=dice, batch=batch) for _ in TWO]
    builders = [Moody("model", at_once=False, dice=dice) for _ in TWO]
    HERE.update(dict(zip(("image", "second image", "model", "second model"), [*painters, *builders], strict=True)))
    registry.get.cache_clear()
    for _ in range(3):
        make_request(alice, status="IMAGE_GENERATING")
        make_request(alice, status="MODEL_PENDING")
    ImageGenerationJob.objects.filter(stage="WAITING").update(next_at=clock.now())
    live_through(25, dice)
    pictures, models = (sum((vendor.charges() for vendor in made), Counter()) for made in (painters, builders))
    assert set(models.values()) == {1}
    assert set(paid_lines("image").values()) == {1}
    assert paid_lines("image").total() == pictures.total() <= 12
    stages = set(ImageGenerationJob.objects.values_list("stage", flat=True))
    stages |= set(ModelGenerationJob.objects.values_list("stage", flat=True))
    assert stages <= {"ENDED", "UNKNOWN"}
