"""Heartbeats: who works on a job keeps it, and only who works on it."""

import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError

from generation import queue, tasks
from generation.leases import Heartbeat
from generation.models import ImageGenerationJob, ModelGenerationJob
from lumi import clock, process
from lumi.accounts.models import User
from tests.factories import make_request
from tests.generation.accidents import image_job, model_job
from tests.generation.vendor import Vendor

pytestmark = pytest.mark.django_db(transaction=True)


class Still(Heartbeat):
    """Beats only when it is told to."""

    def run(self) -> None:
        """Not by itself."""


def in_hand(alice: User) -> ModelGenerationJob:
    """A job that this process works on, with a lease that is nearly over."""
    make_request(alice, status="MODEL_PENDING")
    job = model_job()
    job.take(clock.now() + timedelta(seconds=1), holder=process.name())
    return job


def is_renewed(job: Any) -> bool:
    """The lease is a whole one again."""
    return bool(type(job).objects.get(pk=job.pk).lease_until > clock.now() + timedelta(seconds=50))


def test_a_beat_renews_the_lease(alice: User) -> None:
    job, heart = in_hand(alice), Still()
    with heart.holding(job):
        heart.beat()
    assert is_renewed(job)
    assert model_job().fence == job.fence  # a renewal is not a claim


def test_both_kinds_and_many_jobs_cost_a_statement_a_kind(alice: User, django_assert_num_queries: Any) -> None:
    job, heart = in_hand(alice), Still()
    make_request(alice, status="IMAGE_GENERATING")
    pictures = list(ImageGenerationJob.objects.filter(image__request__status="IMAGE_GENERATING"))
    for picture in pictures:
        picture.take(clock.now(), holder=process.name())
        heart.add("image", picture.pk)
    heart.add("model", job.pk)
    with django_assert_num_queries(4):  # the clock and one UPDATE each
        heart.beat()
    assert all(map(is_renewed, [job, *pictures]))


def test_a_job_in_other_hands_is_not_renewed(alice: User) -> None:
    job, heart = in_hand(alice), Still()
    with heart.holding(job):
        ModelGenerationJob.objects.update(holder="another process")
        heart.beat()
    assert not is_renewed(job)


def test_nor_one_that_was_claimed_and_is_nobodys_yet(alice: User) -> None:
    job, heart = in_hand(alice), Still()
    with heart.holding(job):
        ModelGenerationJob.objects.update(lease_until=clock.now() - timedelta(seconds=1))
        assert queue.claim("model") == [(job.pk, job.fence + 1)]
        before = model_job().lease_until
        heart.beat()
    assert model_job().lease_until == before


def test_nor_one_that_is_out_of_hand(alice: User) -> None:
    job, heart = in_hand(alice), Still()
    with heart.holding(job):
        pass
    heart.beat()
    assert not is_renewed(job)
    assert heart.snapshot() == {}


def test_out_of_hand_after_an_error_too(alice: User) -> None:
    job, heart = in_hand(alice), Still()
    with pytest.raises(KeyError), heart.holding(job):
        raise KeyError
    assert heart.snapshot() == {}


def test_a_database_that_is_away_does_not_end_the_heart(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    job, heart = in_hand(alice), Still()

    def away() -> Any:
        raise OperationalError(2006, "gone")

    with heart.holding(job):
        with monkeypatch.context() as patch:
            patch.setattr("generation.leases.clock.now", away)
            heart.beat()
        assert not is_renewed(job)
        heart.beat()
    assert is_renewed(job)


def test_one_thread_beats_for_all(alice: User, settings: Any) -> None:
    settings.GENERATION = {**settings.GENERATION, "lease": 0.3}
    job, heart = in_hand(alice), Heartbeat()
    ModelGenerationJob.objects.update(lease_until=clock.now() + timedelta(seconds=0.3))
    with heart.holding(job):
        heart.add("image", "another")
        assert sum(thread is heart.thread for thread in threading.enumerate()) == 1
        for _ in range(4):
            time.sleep(0.3)
            assert model_job().lease_until > clock.now() - timedelta(seconds=0.2)
        heart.drop("image", "another")  # the thread lives on: it must have nothing to ask the database for


def test_the_worker_holds_what_it_works_on_and_nothing_after(
    alice: User, painter: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    heart = Still()
    monkeypatch.setattr(tasks, "heartbeat", heart)
    make_request(alice, status="IMAGE_GENERATING")
    ImageGenerationJob.objects.update(next_at=clock.now())
    seen: list[Any] = []
    painter.during["submit"] = lambda: seen.append((heart.snapshot(), image_job().holder))
    (job_id, fence) = next(claim for claim in queue.claim("image") if claim[0] == image_job().pk)
    tasks.advance("image", job_id, fence)
    assert seen == [({"image": [job_id]}, process.name())]
    assert heart.snapshot() == {}
    assert (image_job().status, image_job().holder) == ("COMPLETED", "")
