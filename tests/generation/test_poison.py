"""A job that kills its workers comes to an end after three recoveries, and takes no other job with it."""

from collections import Counter
from typing import Any

import pytest

from generation import pipeline, polls, queue, submits, sweeps
from generation.messages import DEFAULT, sentence
from generation.models import GenerationRequest, ImageGenerationJob, JobEvent, ModelGenerationJob
from lumi import clock
from lumi.accounts.models import User
from providers.base import Fault, ProviderError
from tests.factories import make_request
from tests.generation.accidents import (
    KilledError,
    at_the_vendor,
    die,
    leases_end,
    model_job,
    sweep_after_the_lease,
    work_until_killed,
)
from tests.generation.conftest import skip_waits, turn, turn_to_the_end
from tests.generation.vendor import Vendor

pytestmark = pytest.mark.django_db


def lose_workers(most: int = 10) -> int:
    """Let workers be killed by model jobs until nobody is killed any more; how many were."""
    killed = 0
    for _ in range(most):
        killed += work_until_killed("model")
        sweep_after_the_lease()
        skip_waits()
    return killed


def assert_given_up(builder: Vendor, paid: int) -> None:
    """FAILED, WORKER_LOST, and nothing paid for twice."""
    job = model_job()
    assert (job.stage, job.status, job.error_code) == ("ENDED", "FAILED", "WORKER_LOST")
    assert GenerationRequest.objects.get().status == "MODEL_FAILED"
    assert len(builder.ledger) == paid


class TestEveryStage:
    def test_while_it_waits(self, alice: User, builder: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
        """Killed between the claim and the commit that says SUBMITTING."""
        make_request(alice, status="MODEL_PENDING")
        monkeypatch.setattr(submits, "begin_submit", die)
        assert lose_workers() == 4
        assert_given_up(builder, paid=0)
        events = Counter(JobEvent.objects.values_list("event", flat=True))
        assert (events["RECOVERED"], events["FAILED"]) == (4, 1)

    def test_while_it_is_submitted_where_that_is_free(
        self, alice: User, builder: Vendor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        builder.resubmit_is_free = True
        make_request(alice, status="MODEL_PENDING")
        monkeypatch.setattr(builder, "submit", die)
        assert lose_workers() == 4
        assert_given_up(builder, paid=0)

    def test_while_it_is_submitted_and_paid_for_it_kills_only_once(
        self, alice: User, builder: Vendor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_request(alice, status="MODEL_PENDING")
        monkeypatch.setattr(builder, "submit", die)
        assert lose_workers() == 1
        assert model_job().stage == "UNKNOWN"

    def test_while_it_is_polled(self, alice: User, builder: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
        make_request(alice, status="MODEL_PENDING")
        turn()
        monkeypatch.setattr(builder, "poll", die)
        killed = 0
        for _ in range(10):
            leases_end()
            skip_waits()
            killed += poll_until_killed()
        assert killed == 4
        assert_given_up(builder, paid=1)

    def test_while_it_is_stored(self, alice: User, builder: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
        make_request(alice, status="MODEL_PENDING")
        turn()
        skip_waits()
        polls.poll_due("model")
        monkeypatch.setattr(builder, "fetch", die)
        assert lose_workers() == 4
        assert_given_up(builder, paid=1)

    def test_a_process_that_is_the_only_one_and_starts_again_and_again(
        self, alice: User, builder: Vendor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_request(alice, status="MODEL_PENDING")
        monkeypatch.setattr(submits, "begin_submit", die)
        killed = 0
        for _ in range(6):
            killed += work_until_killed("model")
            sweeps.release_all()
            sweeps.sweep()
        assert killed == 4
        assert_given_up(builder, paid=0)


def poll_until_killed() -> int:
    """Ask after what is due, in a worker that may be killed; 1 if it was."""
    try:
        polls.poll_due("model")
    except KilledError:
        return 1
    return 0


class TestThreeAreForgiven:
    def test_the_fourth_worker_finishes_it(self, alice: User, builder: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
        make_request(alice, status="MODEL_PENDING")
        with monkeypatch.context() as patch:
            patch.setattr(submits, "begin_submit", die)
            assert lose_workers(3) == 3
        turn_to_the_end()
        assert (model_job().status, len(builder.ledger)) == ("COMPLETED", 1)

    def test_an_answer_in_between_clears_the_count(
        self, alice: User, builder: Vendor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Workers are killed all the time in a bad hour; that is not the job's fault."""
        (job_id,) = at_the_vendor(alice, 1)
        for _ in range(4):
            for _ in range(3):
                with monkeypatch.context() as patch:
                    patch.setattr(builder, "poll", die)
                    assert poll_until_killed() == 1
                leases_end()
            builder.say("poll", builder.running("x", 50))
            polls.poll_due("model")
            assert (model_job().stage, model_job().recoveries) == ("POLLING", 0)
            skip_waits()
        assert ModelGenerationJob.objects.get(pk=job_id).status == "RUNNING"

    def test_a_question_that_failed_is_no_lost_worker(self, alice: User, builder: Vendor) -> None:
        at_the_vendor(alice, 1)
        builder.say("poll", *[ProviderError(Fault.RATE_LIMITED)] * 8)
        for _ in range(8):
            polls.poll_due("model")
            skip_waits()
        assert (model_job().status, model_job().recoveries) == ("RUNNING", 0)

    def test_a_bell_that_nobody_heard_is_no_lost_worker(self, alice: User) -> None:
        make_request(alice, status="MODEL_PENDING")
        for _ in range(6):
            assert len(queue.claim("model")) == 1
            leases_end()
        assert model_job().recoveries == 0

    def test_a_retry_starts_to_count_anew(self, alice: User, builder: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
        request = make_request(alice, status="MODEL_PENDING")
        with monkeypatch.context() as patch:
            patch.setattr(submits, "begin_submit", die)
            lose_workers()
        pipeline.retry(owner=alice, request_id=request.id)
        assert model_job().recoveries == 0
        turn_to_the_end()
        assert model_job().status == "COMPLETED"


class TestNeighbours:
    def test_pictures_of_the_same_request(self, alice: User, painter: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
        request = make_request(alice, status="IMAGE_GENERATING")
        ImageGenerationJob.objects.update(next_at=clock.now())
        poison = ImageGenerationJob.objects.get(image__index=1)
        submit = painter.submit

        def kill(order: Any) -> Any:
            return die() if order.reference.startswith(poison.pk) else submit(order)

        monkeypatch.setattr(painter, "submit", kill)
        painter.resubmit_is_free = True
        for _ in range(6):
            work_until_killed("image")
            sweep_after_the_lease()
            skip_waits()
        assert GenerationRequest.objects.get(pk=request.pk).status == "IMAGE_COMPLETED"
        codes = Counter(ImageGenerationJob.objects.values_list("status", "error_code"))
        assert codes == {("COMPLETED", ""): 3, ("FAILED", "WORKER_LOST"): 1}

    def test_jobs_in_the_same_batch_of_polls(
        self, alice: User, builder: Vendor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ids = at_the_vendor(alice, 5)
        monkeypatch.setattr(builder, "poll", lambda ref: die() if ref == f"at-{ids[2]}" else builder.running(ref, 50))
        killed = 0
        for _ in range(12):
            killed += poll_until_killed()
            leases_end()
            skip_waits()
        rows = dict(ModelGenerationJob.objects.values_list("pk", "error_code"))
        assert killed == 4
        assert rows == {pk: "WORKER_LOST" if pk == ids[2] else "" for pk in ids}
        assert set(ModelGenerationJob.objects.exclude(pk=ids[2]).values_list("progress", "recoveries")) == {(50, 0)}


def test_the_person_is_told(db: None) -> None:
    assert sentence("WORKER_LOST") != str(DEFAULT)
