"""Circuit breakers: a provider that is down is left alone, by all workers, and costs nobody a try."""

from datetime import timedelta
from typing import Any

import pytest

from generation import breakers, polls, queue
from generation.models import Breaker, ImageGenerationJob, ModelGenerationJob
from lumi import clock
from lumi.accounts.models import User
from providers.base import Billed, Fault, ProviderError
from tests.factories import make_request
from tests.generation.accidents import model_job
from tests.generation.conftest import skip_waits, turn, turn_to_the_end, work
from tests.generation.test_queue import in_threads
from tests.generation.vendor import Vendor

pytestmark = pytest.mark.django_db

DOWN = ProviderError(Fault.UNAVAILABLE, evidence="503")
HERE = ("model", "scripted", "submit")


def fail(times: int, operation: str = "submit") -> list[bool]:
    """So many failures; after each, whether the breaker is open."""
    return [breakers.failed("model", "scripted", operation) for _ in range(times)]


def is_closed(*name: str) -> bool:
    """Whether a call is let through now."""
    return breakers.closed_until(*(name or HERE), clock.now()) is None


def pause_is_over() -> None:
    """Thirty seconds pass."""
    Breaker.objects.filter(open_until__isnull=False).update(open_until=clock.now() - timedelta(seconds=1))


class TestBreaker:
    def test_opens_after_five_failures(self, db: None) -> None:
        assert fail(5) == [False] * 4 + [True]
        until = breakers.closed_until(*HERE, clock.now())
        assert timedelta(seconds=25) < until - clock.now() <= timedelta(seconds=30)

    def test_within_a_minute(self, db: None) -> None:
        fail(4)
        breaker = Breaker.objects.get()
        Breaker.objects.update(failures=[moment - 61 for moment in breaker.failures])
        assert fail(4) == [False] * 4
        assert is_closed()

    def test_one_probe_at_a_time(self, db: None) -> None:
        fail(5)
        assert not is_closed()
        pause_is_over()
        assert [is_closed() for _ in range(3)] == [True, False, False]

    def test_a_probe_that_fails_opens_it_again(self, db: None) -> None:
        fail(5)
        pause_is_over()
        assert is_closed()
        assert fail(1) == [True]
        assert not is_closed()
        pause_is_over()
        assert is_closed()

    def test_a_probe_that_goes_well_closes_it(self, db: None) -> None:
        fail(5)
        pause_is_over()
        breakers.succeeded(*HERE)
        assert [is_closed() for _ in range(3)] == [True] * 3
        assert fail(4) == [False] * 4  # what was before is forgotten

    def test_a_probe_whose_worker_was_lost_counts_no_longer(self, db: None) -> None:
        fail(5)
        pause_is_over()
        assert is_closed()
        Breaker.objects.update(probing_until=clock.now() - timedelta(seconds=1))
        assert is_closed()

    @pytest.mark.parametrize(
        "name", [("model", "scripted", "poll"), ("image", "scripted", "submit"), ("model", "other", "submit")]
    )
    def test_others_are_not_affected(self, db: None, name: tuple[str, str, str]) -> None:
        fail(5)
        assert is_closed(*name)

    def test_success_costs_no_write_where_there_is_nothing_to_forget(
        self, db: None, django_assert_num_queries: Any
    ) -> None:
        with django_assert_num_queries(1):
            breakers.succeeded(*HERE)

    @pytest.mark.parametrize(
        ("error", "outage"),
        [
            (DOWN, True),
            (ProviderError(Fault.NETWORK, billed=Billed.UNKNOWN), True),
            (ProviderError(Fault.BAD_ANSWER), True),
            (ProviderError(Fault.BAD_ANSWER, permanent=True), False),
            (ProviderError(Fault.RATE_LIMITED), False),
            (ProviderError(Fault.CONTENT_REFUSED, permanent=True), False),
            (ProviderError(Fault.JOB_FAILED), False),
        ],
    )
    def test_only_the_providers_own_failures_count(self, error: ProviderError, outage: bool) -> None:
        assert breakers.is_outage(error) is outage


@pytest.mark.django_db(transaction=True)
class TestTogether:
    """All workers see the same breaker."""

    def test_failures_of_all_workers_count(self, db: None) -> None:
        in_threads(5, lambda: breakers.failed(*HERE))
        assert not is_closed()
        assert len(Breaker.objects.get().failures) == 5

    def test_one_worker_probes(self, db: None) -> None:
        fail(5)
        pause_is_over()
        assert sorted(in_threads(6, is_closed)) == [False] * 5 + [True]


class TestSubmits:
    def test_an_outage_uses_up_no_try_once_it_is_known(self, alice: User, builder: Vendor, settings: Any) -> None:
        """Five submits find out; those that wait, and each probe, cost no try."""
        request_of = [make_request(alice, status="MODEL_PENDING") for _ in range(8)]
        builder.say("submit", *[DOWN] * 9)
        for _ in range(4):
            skip_waits()
            turn()
        assert len(builder.orders) == 5  # at once; then nobody is let through
        for number in (6, 7):
            pause_is_over()
            skip_waits()
            turn()
            assert len(builder.orders) == number
        assert max(ModelGenerationJob.objects.values_list("retry_count", flat=True)) == 1
        assert sum(ModelGenerationJob.objects.values_list("retry_count", flat=True)) == 4  # before it was open
        builder.script["submit"].clear()
        pause_is_over()
        turn_to_the_end()
        assert set(ModelGenerationJob.objects.values_list("status", flat=True)) == {"COMPLETED"}
        assert len(builder.ledger) == len(request_of)

    def test_a_waiting_job_comes_again_when_the_pause_is_over(self, alice: User, builder: Vendor) -> None:
        make_request(alice, status="MODEL_PENDING")
        fail(5)
        turn()
        job = model_job()
        assert (job.stage, job.status, job.attempt, job.lease_until) == ("WAITING", "PENDING", 1, None)
        assert job.next_at == Breaker.objects.get().open_until
        assert builder.orders == []

    @pytest.mark.parametrize(
        "said", [ProviderError(Fault.RATE_LIMITED), ProviderError(Fault.CONTENT_REFUSED, permanent=True)]
    )
    def test_a_no_to_the_probe_shows_that_the_provider_is_there(
        self, alice: User, builder: Vendor, said: ProviderError
    ) -> None:
        make_request(alice, status="MODEL_PENDING")
        fail(5)
        pause_is_over()
        builder.say("submit", said)
        turn()
        assert len(builder.orders) == 1
        assert [is_closed() for _ in range(2)] == [True] * 2

    def test_a_probe_that_does_not_pass_the_gate_is_no_probe(self, alice: User, builder: Vendor) -> None:
        make_request(alice, status="MODEL_PENDING")
        fail(5)
        pause_is_over()
        claims = queue.claim("model")
        queue.close_gate(kind="model", provider="scripted", seconds=30)
        work(ModelGenerationJob.objects.claimed(*claims[0]))
        assert (builder.orders, Breaker.objects.get().probing_until) == ([], None)

    def test_images_go_on(self, alice: User, painter: Vendor) -> None:
        make_request(alice, status="IMAGE_GENERATING")
        fail(5)
        ImageGenerationJob.objects.update(next_at=clock.now())
        turn_to_the_end()
        assert len(painter.ledger) == 4


class TestPolls:
    def at_the_vendor(self, alice: User, number: int) -> None:
        """Jobs that are due to be asked after."""
        for _ in range(number):
            make_request(alice, status="MODEL_GENERATING")
        timeout = clock.now() + timedelta(seconds=100)
        ModelGenerationJob.objects.update(next_at=clock.now(), timeout_at=timeout)

    def test_stop_while_it_is_open_and_begin_with_one(self, alice: User, builder: Vendor) -> None:
        self.at_the_vendor(alice, 6)
        builder.say("poll", *[DOWN] * 7)
        polls.poll_due("model")
        assert len(builder.polls) == 6
        skip_waits()
        assert polls.poll_due("model") == 0
        pause_is_over()
        assert polls.poll_due("model") == 1
        assert polls.poll_due("model") == 0
        pause_is_over()
        skip_waits()
        assert polls.poll_due("model") == 1  # it is back
        assert polls.poll_due("model") == 5
        assert set(ModelGenerationJob.objects.values_list("stage", flat=True)) == {"STORING"}

    def test_get_the_time_back_that_the_outage_took(self, alice: User, builder: Vendor) -> None:
        self.at_the_vendor(alice, 1)
        builder.say("poll", builder.running("job-1", 40))
        before = model_job().timeout_at
        outage = timedelta(hours=2)
        ModelGenerationJob.objects.update(next_at=clock.now() - outage, timeout_at=before - outage)
        polls.poll_due("model")
        job = model_job()
        assert job.status == "RUNNING"
        assert abs(job.timeout_at - before) < timedelta(seconds=5)

    def test_a_poll_in_time_gets_nothing(self, alice: User, builder: Vendor) -> None:
        self.at_the_vendor(alice, 1)
        builder.say("poll", builder.running("job-1", 40))
        before = model_job().timeout_at
        polls.poll_due("model")
        assert model_job().timeout_at == before

    def test_one_answer_shows_that_it_is_there(self, alice: User, builder: Vendor) -> None:
        self.at_the_vendor(alice, 8)
        builder.say("poll", *[DOWN] * 7)
        polls.poll_due("model")
        assert breakers.open_ones() == []

    def test_a_probe_without_a_job_holds_nobody_back(self, alice: User, builder: Vendor) -> None:
        """The job that was due is asked after by somebody else meanwhile."""
        fail(5, "poll")
        pause_is_over()
        self.at_the_vendor(alice, 1)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(queue, "take_polls", lambda kind, *_, **__: queue.Batch(kind, "token", []))
            assert polls.poll_due("model") == 0
        assert polls.poll_due("model") == 1

    def test_submits_go_on(self, alice: User, builder: Vendor) -> None:
        make_request(alice, status="MODEL_PENDING")
        fail(5, "poll")
        turn()
        assert len(builder.ledger) == 1
