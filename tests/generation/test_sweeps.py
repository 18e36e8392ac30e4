"""Nothing can stay unfinished for ever."""

from datetime import timedelta
from typing import Any

import pytest

from generation import pipeline, sweeps
from generation.models import GeneratedImage, GenerationRequest, ImageGenerationJob, ModelGenerationJob
from lumi import clock
from lumi.accounts.models import User
from tests.factories import make_request
from tests.generation.conftest import turn, turn_to_the_end
from tests.generation.vendor import Vendor

pytestmark = pytest.mark.django_db


def long_ago() -> Any:
    """Before every lease and deadline."""
    return clock.now() - timedelta(days=1)


def lose_in_submit(jobs: Any) -> None:
    """As a worker leaves them that was killed while it submitted."""
    jobs.update(stage="SUBMITTING", status="RUNNING", provider="scripted", lease_until=long_ago())


class TestLostSubmits:
    def test_become_unknown_and_then_failed(self, alice: User, builder: Vendor) -> None:
        request = make_request(alice, status="MODEL_PENDING")
        lose_in_submit(ModelGenerationJob.objects)
        sweeps.sweep()
        job = ModelGenerationJob.objects.get()
        assert (job.stage, job.status) == ("UNKNOWN", "RUNNING")
        assert job.next_at > clock.now() + timedelta(minutes=10)
        ModelGenerationJob.objects.update(next_at=long_ago())
        sweeps.sweep()
        job, request = ModelGenerationJob.objects.get(), GenerationRequest.objects.get(pk=request.pk)
        assert (job.stage, job.status, job.error_code) == ("ENDED", "FAILED", "OUTCOME_UNKNOWN")
        assert (request.status, request.error_code) == ("MODEL_FAILED", "OUTCOME_UNKNOWN")
        turn_to_the_end()
        assert builder.orders == []

    def test_are_repeated_where_that_is_free(self, alice: User, builder: Vendor) -> None:
        builder.resubmit_is_free = True
        request = make_request(alice, status="MODEL_PENDING")
        lose_in_submit(ModelGenerationJob.objects)
        reference = ModelGenerationJob.objects.get().reference
        sweeps.sweep()
        turn_to_the_end()
        assert GenerationRequest.objects.get(pk=request.pk).status == "COMPLETED"
        assert [order.reference for order in builder.orders] == [reference]  # the same attempt

    def test_a_job_that_kills_its_workers_comes_to_an_end(self, alice: User, builder: Vendor) -> None:
        builder.resubmit_is_free = True
        request = make_request(alice, status="MODEL_PENDING")
        for _ in range(5):
            lose_in_submit(ModelGenerationJob.objects.filter(stage="WAITING"))
            sweeps.sweep()
        assert GenerationRequest.objects.get(pk=request.pk).status == "MODEL_FAILED"

    def test_are_left_alone_while_the_lease_holds(self, alice: User) -> None:
        make_request(alice, status="MODEL_PENDING")
        lose_in_submit(ModelGenerationJob.objects)
        ModelGenerationJob.objects.update(lease_until=clock.now() + timedelta(seconds=60))
        sweeps.sweep()
        assert ModelGenerationJob.objects.get().stage == "SUBMITTING"

    def test_a_restart_of_the_only_process_waits_for_no_lease(self, alice: User) -> None:
        make_request(alice, status="MODEL_PENDING")
        lose_in_submit(ModelGenerationJob.objects)
        ModelGenerationJob.objects.update(lease_until=clock.now() + timedelta(seconds=60))
        sweeps.release_all()
        sweeps.sweep()
        assert ModelGenerationJob.objects.get().stage == "UNKNOWN"


class TestDeadlines:
    @pytest.mark.parametrize(
        ("status", "after"),
        [
            ("IMAGE_PENDING", "IMAGE_FAILED"),
            ("IMAGE_GENERATING", "IMAGE_FAILED"),
            ("IMAGE_COMPLETED", "FAILED"),
            ("MODEL_PENDING", "MODEL_FAILED"),
            ("MODEL_GENERATING", "MODEL_FAILED"),
        ],
    )
    def test_every_unfinished_state_has_one(self, alice: User, status: str, after: str) -> None:
        request = make_request(alice, status=status)
        sweeps.sweep()
        assert GenerationRequest.objects.get(pk=request.pk).status == status
        GenerationRequest.objects.update(deadline_at=long_ago())
        sweeps.sweep()
        request = GenerationRequest.objects.get(pk=request.pk)
        assert request.status == after
        assert request.error_code in ("TIMEOUT", "CHOICE_EXPIRED")
        assert not ImageGenerationJob.objects.open().exists()
        assert not ModelGenerationJob.objects.open().exists()

    @pytest.mark.parametrize("stage", ["SUBMITTING", "UNKNOWN"])
    def test_an_order_that_may_be_out_ends_as_of_unknown_outcome(self, alice: User, stage: str) -> None:
        make_request(alice, status="MODEL_PENDING")
        ModelGenerationJob.objects.update(stage=stage, status="RUNNING", provider="scripted")
        GenerationRequest.objects.update(deadline_at=long_ago())
        for request in GenerationRequest.objects.all():
            sweeps.end_overdue(request)
        job = ModelGenerationJob.objects.get()
        assert (job.status, job.error_code) == ("FAILED", "OUTCOME_UNKNOWN")

    def test_what_is_painted_by_then_counts(self, alice: User) -> None:
        request = make_request(alice, status="IMAGE_GENERATING")
        done = GeneratedImage.objects.get(index=2)
        GeneratedImage.objects.filter(pk=done.pk).update(status="COMPLETED")
        ImageGenerationJob.objects.filter(image=done).update(stage="ENDED", status="COMPLETED")
        GenerationRequest.objects.update(deadline_at=long_ago())
        sweeps.sweep()
        assert GenerationRequest.objects.get(pk=request.pk).status == "IMAGE_COMPLETED"

    def test_a_request_that_ran_out_before_its_designs_can_be_tried_again(self, alice: User, writer: Any) -> None:
        request = pipeline.start(owner=alice, prompt="a cat")
        GenerationRequest.objects.update(deadline_at=long_ago())
        sweeps.sweep()
        pipeline.retry(owner=alice, request_id=request.id)
        turn_to_the_end()
        assert GenerationRequest.objects.get(pk=request.pk).status == "IMAGE_COMPLETED"
        assert writer.asked == ["a cat"]


def test_a_request_under_which_nothing_is_open_is_moved(alice: User) -> None:
    request = make_request(alice, status="IMAGE_COMPLETED")
    GenerationRequest.objects.update(status="IMAGE_GENERATING")
    sweeps.sweep()
    assert GenerationRequest.objects.get(pk=request.pk).status == "IMAGE_COMPLETED"


def test_one_bad_row_does_not_stop_the_others(alice: User, caplog: pytest.LogCaptureFixture) -> None:
    first, second = (make_request(alice, status="MODEL_PENDING") for _ in range(2))
    lose_in_submit(ModelGenerationJob.objects)
    ModelGenerationJob.objects.filter(request=first).update(provider="one that was taken out of the settings")
    sweeps.sweep()
    assert ModelGenerationJob.objects.get(request=second).stage == "UNKNOWN"
    assert "sweep failed" in caplog.text


def test_the_llm_is_not_asked_for_ever_by_workers_that_die(alice: User, writer: Any) -> None:
    request = pipeline.start(owner=alice, prompt="a cat")
    GenerationRequest.objects.update(design_tries=2)
    turn()
    assert (writer.asked, GenerationRequest.objects.get(pk=request.pk).notice_code) == ([], "PROMPT_NOT_OPTIMIZED")
