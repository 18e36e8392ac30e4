"""Polls in batches: what they cost, and what becomes of a batch whose worker, time or provider is lost."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from generation import polls, queue
from generation.models import Breaker, JobEvent, ModelGenerationJob
from generation.states import Stage
from lumi import clock
from lumi.accounts.models import User
from providers.base import Fault, ProviderError
from tests.factories import make_request, make_user
from tests.generation.vendor import Vendor

pytestmark = pytest.mark.django_db
AT_MOST = 8  # statements for one batch, and the look whether there is one


def in_flight(owner: User, count: int) -> list[ModelGenerationJob]:
    """Jobs at the vendor, due one after the other."""
    for _ in range(count):
        make_request(owner, status="MODEL_GENERATING")
    due = clock.now() - timedelta(seconds=1)
    for number, job in enumerate(ModelGenerationJob.objects.order_by("id")):
        ModelGenerationJob.objects.filter(pk=job.pk).update(
            next_at=due + timedelta(milliseconds=number),
            timeout_at=due + timedelta(hours=1),
            provider_job_id=job.pk,
            progress=0,
        )
    return in_order()


def in_order() -> list[ModelGenerationJob]:
    """By when they are due."""
    return list(ModelGenerationJob.objects.order_by("next_at", "id"))


def statements() -> int:
    """How many one round takes."""
    with CaptureQueriesContext(
        connection,
    ) as queries:
        polls.poll_due("model")
    return len(queries)


class TestCost:
    @pytest.mark.parametrize("count", [1, 12])
    def test_a_batch_costs_the_same_however_many_there_are(self, alice: User, builder: Vendor, count: int) -> None:
        in_flight(alice, count)
        builder.say("poll", *[builder.running("x", None)] * count)
        assert statements() <= AT_MOST
        assert len(builder.polls) == count

    def test_progress_that_moves_costs_three_more(self, alice: User, builder: Vendor) -> None:
        in_flight(alice, 6)
        builder.say("poll", *[builder.running("x", number * 10) for number in range(6)])
        assert statements() <= AT_MOST + 3
        assert sorted(job.progress for job in in_order()) == [0, 10, 20, 30, 40, 50]
        assert JobEvent.objects.filter(event="PROGRESS").count() == 5

    def test_lost_time_is_given_back_in_one(self, alice: User, builder: Vendor) -> None:
        before = in_flight(alice, 5)[0].timeout_at
        ModelGenerationJob.objects.update(next_at=clock.now() - timedelta(minutes=10))
        builder.say("poll", *[builder.running("x", None)] * 5)
        assert statements() <= AT_MOST + 1
        given = [job.timeout_at - before for job in in_order()]
        assert all(timedelta(minutes=10) <= each < timedelta(minutes=11) for each in given)

    def test_nothing_due_costs_two(self, alice: User) -> None:
        assert statements() == 2


class TestRhythm:
    def test_due_again_for_the_tick_that_is_meant(self, alice: User, builder: Vendor, settings: Any) -> None:
        in_flight(alice, 1)
        builder.say("poll", builder.running("x", None))
        now = clock.now()
        polls.poll_due("model")
        wait = (in_order()[0].next_at - now).total_seconds()
        every = settings.GENERATION["model"]["poll_every"]
        assert every - settings.TICK_SECONDS / 2 <= wait <= every

    def test_all_that_is_due_is_asked_batch_after_batch(
        self, alice: User, builder: Vendor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(queue, "POLLS_AT_ONCE", 2)
        in_flight(alice, 5)
        builder.say("poll", *[builder.running("x", None)] * 5)
        assert polls.poll_due("model") == 5

    def test_a_process_asks_in_few_threads_at_once(self, alice: User, builder: Vendor) -> None:
        in_flight(alice, 1)
        for _ in range(polls.ROUNDS_AT_ONCE):
            polls.rounds.acquire()
        try:
            assert polls.poll_due("model") == 0
        finally:
            polls.rounds.release(polls.ROUNDS_AT_ONCE)
        assert builder.polls == []


class TestTrouble:
    def test_what_there_was_no_time_for_is_still_due(
        self, alice: User, builder: Vendor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        due = [job.next_at for job in in_flight(alice, 3)]
        monkeypatch.setattr(polls.Round, "in_time", lambda self: len(builder.polls) < 1)
        monkeypatch.setattr(polls, "askers", OneAfterTheOther)
        builder.say("poll", builder.running("x", None))
        this = polls.Round("model", clock.now())
        polls.poll_batch(this, ["scripted"], 10)
        assert len(builder.polls) == 1
        rest = in_order()[:2]
        assert [job.next_at for job in rest] == due[1:]
        assert [(job.holder, job.lease_until, job.recoveries) for job in rest] == [("", None, 0)] * 2

    def test_a_lost_batch_is_counted_until_a_poll_comes_back(self, alice: User, builder: Vendor) -> None:
        in_flight(alice, 2)
        queue.take_polls("model", ["scripted"])
        assert polls.poll_due("model") == 0  # the lease is not over
        ModelGenerationJob.objects.update(lease_until=clock.now() - timedelta(seconds=1))
        assert [job.recoveries for job in queue.take_polls("model", ["scripted"]).jobs] == [1, 1]
        ModelGenerationJob.objects.update(lease_until=clock.now() - timedelta(seconds=1), recoveries=0)
        builder.say("poll", builder.running("x", None), builder.running("x", None))
        polls.poll_due("model")
        assert [job.recoveries for job in in_order()] == [0, 0]

    def test_a_suspect_is_asked_after_alone(self, alice: User) -> None:
        jobs = in_flight(alice, 4)
        ModelGenerationJob.objects.filter(pk=jobs[1].pk).update(recoveries=queue.SUSPECT)
        batches = [queue.take_polls("model", ["scripted"]) for _ in range(3)]
        taken = [[job.pk for job in batch.jobs] for batch in batches]
        assert taken == [[jobs[0].pk], [jobs[1].pk], [jobs[2].pk, jobs[3].pk]]
        assert [batch.more for batch in batches] == [True, True, False]

    def test_a_poll_that_kills_its_workers_comes_to_an_end(self, alice: User, builder: Vendor) -> None:
        in_flight(alice, 1)
        ModelGenerationJob.objects.update(recoveries=3, holder="gone", lease_until=clock.now() - timedelta(seconds=1))
        polls.poll_due("model")
        job = in_order()[0]
        assert (job.stage, job.status, job.error_code) == (Stage.ENDED, "FAILED", "WORKER_LOST")
        assert builder.polls == []

    def test_an_outage_opens_the_breaker_and_one_answer_closes_it(self, alice: User, builder: Vendor) -> None:
        in_flight(alice, 6)
        builder.say("poll", *[ProviderError(Fault.NETWORK)] * 6)
        polls.poll_due("model")
        assert Breaker.objects.get().open_until is not None
        ModelGenerationJob.objects.update(next_at=clock.now())
        assert polls.poll_due("model") == 0
        Breaker.objects.update(open_until=clock.now() - timedelta(seconds=1))
        builder.say("poll", *[builder.running("x", None)] * 6)
        assert polls.poll_due("model") == 1  # the probe
        assert polls.poll_due("model") == 5
        assert Breaker.objects.get().open_until is None

    def test_two_persons_jobs_are_one_batch(self, alice: User, builder: Vendor) -> None:
        in_flight(alice, 1)
        in_flight(make_user(), 1)
        builder.say("poll", *[builder.running("x", None)] * 2)
        assert statements() <= AT_MOST


class OneAfterTheOther:
    """In place of threads."""

    def map(self, function: Any, values: Any) -> Any:
        """In order."""
        return map(function, values)
