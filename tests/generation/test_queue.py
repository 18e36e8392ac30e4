"""Claims and gates: limits over all workers, and nobody claims twice."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from threading import Barrier
from typing import Any

import pytest
from django.db import connection, connections

from generation import pipeline, queue, tasks
from generation.models import GenerationRequest, ImageGenerationJob, ModelGenerationJob, ProviderGate
from lumi import clock
from lumi.accounts.models import User
from tests.factories import make_request
from tests.generation.conftest import work
from tests.generation.vendor import Vendor


def ready(alice: User, requests: int) -> None:
    """So many requests whose images wait to be painted."""
    for _ in range(requests):
        make_request(alice, status="IMAGE_GENERATING")
    ImageGenerationJob.objects.update(next_at=clock.now())


def limits(settings: Any, kind: str, **numbers: float) -> None:
    """Other numbers for a kind."""
    settings.GENERATION = {**settings.GENERATION, kind: {**settings.GENERATION[kind], **numbers}}


def in_threads(number: int, action: Any) -> list[Any]:
    """The same action in so many threads at one moment; what each gave back."""
    barrier = Barrier(number)

    def run(_: int) -> Any:
        try:
            barrier.wait()
            return action()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(run, range(number)))


@pytest.mark.django_db
class TestGate:
    def test_no_more_than_so_many_at_once(self, alice: User, settings: Any) -> None:
        limits(settings, "image", at_once=5)
        ready(alice, 3)
        assert len(queue.claim("image")) == 5
        assert queue.claim("image") == []

    def test_a_place_is_free_again_when_a_job_is_being_stored(self, alice: User, settings: Any) -> None:
        limits(settings, "image", at_once=5)
        ready(alice, 3)
        claimed = [job_id for job_id, _ in queue.claim("image")]
        ImageGenerationJob.objects.filter(pk__in=claimed[:2]).update(stage="STORING", status="RUNNING")
        assert len(queue.claim("image")) == 2

    def test_no_more_than_so_many_a_minute(self, alice: User, settings: Any) -> None:
        limits(settings, "image", at_once=100, per_minute=10)
        ready(alice, 4)
        assert len(queue.claim("image")) == 10
        for job in ImageGenerationJob.objects.filter(lease_until__isnull=False).with_context():
            work(job)
        assert queue.claim("image") == []
        gate = ProviderGate.objects.get()
        assert len(gate.starts) == 10
        ProviderGate.objects.update(starts=[start - 62 for start in gate.starts])
        assert len(queue.claim("image")) == 6

    def test_closed_by_the_provider(self, alice: User) -> None:
        ready(alice, 1)
        queue.close_gate(kind="image", provider="scripted", seconds=30)
        assert queue.claim("image") == []
        ProviderGate.objects.update(closed_until=clock.now() - timedelta(seconds=1))
        assert len(queue.claim("image")) == 4

    def test_a_longer_pause_is_not_shortened(self, db: None) -> None:
        queue.close_gate(kind="image", provider="scripted", seconds=300)
        queue.close_gate(kind="image", provider="scripted", seconds=3)
        assert ProviderGate.objects.get().closed_until > clock.now() + timedelta(seconds=200)

    def test_kinds_do_not_stand_in_each_others_way(self, alice: User, settings: Any) -> None:
        limits(settings, "image", at_once=0)
        ready(alice, 1)
        make_request(alice, status="MODEL_PENDING")
        assert (len(queue.claim("image")), len(queue.claim("model"))) == (0, 1)

    def test_priority_then_age(self, alice: User, settings: Any) -> None:
        limits(settings, "image", at_once=2)
        ready(alice, 1)
        jobs = list(ImageGenerationJob.objects.order_by("image__index"))
        now = clock.now()
        for job, seconds, priority in zip(jobs, (40, 30, 20, 10), (0, 0, 0, 1), strict=True):
            moment = now - timedelta(seconds=seconds)
            ImageGenerationJob.objects.filter(pk=job.pk).update(next_at=moment, priority=priority)
        assert [job_id for job_id, _ in queue.claim("image")] == [jobs[3].id, jobs[0].id]


@pytest.mark.django_db
class TestClaims:
    def test_polls_pass_no_gate(self, alice: User, settings: Any) -> None:
        limits(settings, "model", at_once=0, per_minute=0)
        make_request(alice, status="MODEL_GENERATING")
        ModelGenerationJob.objects.update(next_at=clock.now())
        batch = queue.take_polls("model", ["scripted"])
        assert [(job.holder, job.fence) for job in batch.jobs] == [(batch.token, 1)]
        assert queue.take_polls("model", ["scripted"]).jobs == []

    def test_a_lost_bell_is_rung_again_when_the_lease_is_over(self, alice: User) -> None:
        ready(alice, 1)
        assert len(queue.claim("image")) == 4
        assert queue.claim("image") == []
        ImageGenerationJob.objects.update(lease_until=clock.now() - timedelta(seconds=1))
        assert len(queue.claim("image")) == 4

    def test_a_claim_that_is_over_finds_nothing(self, alice: User) -> None:
        ready(alice, 1)
        job_id, fence = queue.claim("image")[0]
        assert ImageGenerationJob.objects.claimed(job_id, fence) is not None
        assert ImageGenerationJob.objects.claimed(job_id, fence - 1) is None

    def test_a_claim_whose_job_was_cancelled_finds_nothing(self, alice: User) -> None:
        """Cancelled between the claim and the bell."""
        ready(alice, 1)
        claims = queue.claim("image")
        pipeline.cancel(owner=alice, request_id=GenerationRequest.objects.get().id)
        for job_id, fence in claims:
            tasks.advance("image", job_id, fence)
        assert set(ImageGenerationJob.objects.values_list("stage", "holder", "lease_until")) == {("ENDED", "", None)}

    def test_a_design_is_claimed_once(self, alice: User) -> None:
        request = pipeline.start(owner=alice, prompt="x")
        assert queue.claim_designs() == [(request.id, 1)]
        assert queue.claim_designs() == []

    def test_an_idle_tick_is_cheap(self, db: None, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(8):
            queue.claim_designs()
            queue.claim("image")
            queue.claim("model")


@pytest.mark.django_db(transaction=True)
class TestTogether:
    """Several workers at one moment, each with a connection of its own."""

    def test_no_job_is_claimed_twice_and_no_limit_exceeded(
        self, alice: User, settings: Any, painter: Vendor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        limits(settings, "image", at_once=3, per_minute=7)
        ready(alice, 4)
        inside, peaks = [], []

        def submit(order: Any) -> Any:
            inside.append(order.reference)
            peaks.append(len(inside))
            time.sleep(0.05)
            inside.remove(order.reference)
            return Vendor.submit(painter, order)

        monkeypatch.setattr(painter, "submit", submit)

        def worker() -> None:
            for _ in range(12):
                for claim in queue.claim("image"):
                    work(ImageGenerationJob.objects.claimed(*claim))
                ImageGenerationJob.objects.filter(stage="WAITING").update(next_at=clock.now())

        in_threads(6, worker)
        assert len(painter.ledger) == len(set(painter.ledger)) == 7
        assert max(peaks) <= 3

    def test_designs_too(self, alice: User) -> None:
        for _ in range(8):
            pipeline.start(owner=alice, prompt="x")
        claims = Counter(claim for found in in_threads(6, queue.claim_designs) for claim in found)
        assert len(claims) == 8
        assert set(claims.values()) == {1}

    def test_one_choice_wins(self, alice: User) -> None:
        request = make_request(alice, status="IMAGE_COMPLETED")

        def choose() -> str:
            try:
                return pipeline.select_image(owner=alice, request_id=request.id, index=0).id
            except Exception as error:  # noqa: BLE001
                return type(error).__name__

        outcomes = Counter(in_threads(6, choose))
        assert outcomes["Conflict"] == 5
        assert ModelGenerationJob.objects.count() == 1

    def test_images_that_finish_at_one_moment_see_each_other(self, alice: User) -> None:
        request = make_request(alice, status="IMAGE_GENERATING")
        ImageGenerationJob.objects.update(next_at=clock.now())
        claims = queue.claim("image")
        in_threads(4, lambda: work(ImageGenerationJob.objects.claimed(*claims.pop())))
        assert GenerationRequest.objects.get(pk=request.pk).status == "IMAGE_COMPLETED"


@pytest.mark.django_db
def test_the_clock_is_the_databases(settings: Any) -> None:
    """Not this machine's, and UTC whatever the session's time zone."""
    with connection.cursor() as cursor:
        if connection.vendor == "mysql":
            cursor.execute("SET time_zone = '+08:00'")
        first = clock.now()
        if connection.vendor == "mysql":
            cursor.execute("SET time_zone = '+00:00'")
    assert abs((clock.now() - first).total_seconds()) < 60
    assert first.utcoffset() == timedelta(0)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("attempt", range(5))
def test_cancel_while_ticks_claim_the_jobs(alice: User, attempt: int) -> None:
    """A claim that comes between reading the jobs and ending them must not turn into an error."""
    request = make_request(alice, status="IMAGE_GENERATING")
    ImageGenerationJob.objects.update(next_at=clock.now())
    turns = [partial(pipeline.cancel, owner=alice, request_id=request.id), *[partial(queue.claim, "image")] * 3]

    def take_a_turn() -> None:
        turns.pop()()

    in_threads(4, take_a_turn)
    request.refresh_from_db()
    assert request.status == "CANCELLED"
    assert not ImageGenerationJob.objects.open().exists()
