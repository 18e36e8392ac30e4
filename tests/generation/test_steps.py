"""The hands: what each answer of a provider does to the job, the image, the model and the request."""

from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from kombu.exceptions import OperationalError

from generation import outcomes, pipeline, sweeps, writing
from generation.models import GeneratedImage, GenerationRequest, ImageGenerationJob, ModelGenerationJob, Stale
from generation.states import JobStatus, Stage
from lumi import celery_app, clock, files
from lumi.accounts.models import User
from lumi.models import DoomedFile
from providers.base import Billed, Fault, JobState, ProviderError, Report
from tests.factories import make_request
from tests.generation.conftest import skip_waits, turn, turn_to_the_end
from tests.generation.vendor import Vendor, Writer

pytestmark = pytest.mark.django_db


def refused(fault: Fault = Fault.JOB_FAILED, **fields: Any) -> ProviderError:
    """A provider's no."""
    return ProviderError(fault, **{"evidence": "secret vendor text", **fields})


def no_broker(*_: Any, **__: Any) -> None:
    """What a publisher says when Redis is away."""
    raise OperationalError("connection refused")


def reload(row: Any) -> Any:
    """The row as it is now."""
    return type(row)._default_manager.get(pk=row.pk)


def image_job(request: GenerationRequest, index: int = 0) -> ImageGenerationJob:
    """The job of one of the four."""
    return ImageGenerationJob.objects.with_context().get(image__request=request, image__index=index)


def model_job(request: GenerationRequest) -> ModelGenerationJob:
    """The job that builds."""
    return ModelGenerationJob.objects.with_context().get(request=request)


class TestDesigns:
    """One question to the LLM for each request."""

    def test_image_i_is_painted_from_design_i(self, alice: User, writer: Writer, painter: Vendor) -> None:
        request = pipeline.start(owner=alice, prompt="a cat")
        turn_to_the_end()
        designs = ["圆润的猫", "写实的猫", "几何的猫", "浮雕的猫"]
        assert list(request.images.values_list("prompt", flat=True)) == designs
        assert sorted((order.variant, order.prompt) for order in painter.orders) == list(enumerate(designs))
        assert writer.asked == ["a cat"]
        assert reload(request).notice_code == ""

    def test_without_optimizing_the_own_words_are_painted(self, alice: User, writer: Writer, painter: Vendor) -> None:
        pipeline.start(owner=alice, prompt="a cat", optimize_prompt=False)
        turn_to_the_end()
        assert [order.prompt for order in painter.orders] == ["a cat"] * 4
        assert writer.asked == []

    @pytest.mark.parametrize(
        "answer", [refused(Fault.NETWORK), "I would rather talk about the weather", KeyError("bug")]
    )
    def test_a_failing_llm_never_fails_the_request(
        self, alice: User, writer: Writer, painter: Vendor, answer: Any
    ) -> None:
        writer.answers = [answer]
        request = pipeline.start(owner=alice, prompt="a cat")
        turn_to_the_end()
        assert [order.prompt for order in painter.orders] == ["a cat"] * 4
        assert reload(request).status == "IMAGE_COMPLETED"
        assert reload(request).notice_code == "PROMPT_NOT_OPTIMIZED"

    def test_a_doubled_bell_asks_once(self, alice: User, writer: Writer) -> None:
        request = pipeline.start(owner=alice, prompt="a cat")
        first, second = (GenerationRequest.objects.get(pk=request.pk) for _ in range(2))
        writing.write_designs(first)
        with pytest.raises(Stale):
            writing.write_designs(second)
        assert writer.asked == ["a cat"]

    def test_a_claim_that_is_over_writes_nothing(self, alice: User) -> None:
        request = pipeline.start(owner=alice, prompt="a cat")
        GenerationRequest.objects.update(fence=7)
        with pytest.raises(Stale):
            writing.write_designs(request)
        assert set(request.images.values_list("prompt", flat=True)) == {""}


class TestImages:
    """Submit and store at once, as image vendors do."""

    def test_four_pictures(self, alice: User, painter: Vendor) -> None:
        request = pipeline.start(owner=alice, prompt="a cat")
        turn_to_the_end()
        request = reload(request)
        assert (request.status, request.phase, request.error_code) == ("IMAGE_COMPLETED", "AWAITING_SELECTION", "")
        assert request.deadline_at is not None
        assert len(set(painter.ledger)) == len(painter.ledger) == 4
        for image in request.images.select_related("job"):
            assert (image.status, image.job.status, image.job.progress) == ("COMPLETED", "COMPLETED", 100)
            assert image.key.endswith(f"/image-{image.index}.png")
            assert image.job.duration_ms is not None

    def test_the_first_job_moves_the_request(self, alice: User, painter: Vendor) -> None:
        request = pipeline.start(owner=alice, prompt="a cat", optimize_prompt=False)
        seen: list[str] = []
        painter.during["submit"] = lambda: seen.append(reload(request).status)
        turn_to_the_end()
        assert seen == ["IMAGE_GENERATING"]

    def test_partial_success_counts(self, alice: User, painter: Vendor) -> None:
        painter.say("submit", *[refused(permanent=True)] * 3)
        request = pipeline.start(owner=alice, prompt="a cat")
        turn_to_the_end()
        assert reload(request).status == "IMAGE_COMPLETED"
        assert sorted(request.images.values_list("status", flat=True)) == ["COMPLETED", "FAILED", "FAILED", "FAILED"]

    def test_all_failed(self, alice: User, painter: Vendor) -> None:
        painter.say("submit", *[refused(Fault.CONTENT_REFUSED, permanent=True)] * 4)
        request = pipeline.start(owner=alice, prompt="a cat")
        turn_to_the_end()
        assert (reload(request).status, reload(request).error_code) == ("IMAGE_FAILED", "CONTENT_REFUSED")
        assert len(painter.orders) == 4  # hopeless errors are not retried
        assert painter.ledger == []

    def test_a_hiccup_is_retried_and_forgotten_after_success(self, alice: User, painter: Vendor) -> None:
        painter.say("submit", refused(), refused())
        request = pipeline.start(owner=alice, prompt="a cat")
        turn_to_the_end()
        jobs = [image_job(request, index) for index in range(4)]
        assert sum(job.retry_count for job in jobs) == 2
        assert {(job.status, job.error_code, job.error_text) for job in jobs} == {("COMPLETED", "", "")}
        assert {image.error_code for image in request.images.all()} == {""}

    def test_three_tries_and_no_more(self, alice: User, painter: Vendor) -> None:
        painter.say("submit", *[refused()] * 100)
        request = pipeline.start(owner=alice, prompt="a cat")
        turn_to_the_end()
        assert reload(request).status == "IMAGE_FAILED"
        assert len(painter.orders) == 12
        assert len({order.reference for order in painter.orders}) == 12

    def test_failed_is_written_on_the_last_attempt_only(self, alice: User, painter: Vendor) -> None:
        painter.say("submit", *[refused()] * 4)
        request = pipeline.start(owner=alice, prompt="a cat", optimize_prompt=False)
        turn()
        turn()
        assert {image.status for image in request.images.all()} == {"GENERATING"}
        assert {image.error_code for image in request.images.all()} == {""}
        assert {image_job(request, index).status for index in range(4)} == {JobStatus.RETRYING}
        assert turn() == 0  # the backoff holds

    def test_not_now_uses_up_no_try_and_closes_the_gate_for_all(self, alice: User, painter: Vendor) -> None:
        painter.say("submit", refused(Fault.RATE_LIMITED, retry_after=30))
        request = pipeline.start(owner=alice, prompt="a cat", optimize_prompt=False)
        turn()
        turn()
        skip_waits()
        assert turn() == 0  # all jobs are due, but the provider asked everybody to wait
        assert {image_job(request, index).retry_count for index in range(4)} == {0}


class TestMoney:
    """Never pay twice."""

    @pytest.mark.parametrize(
        "answer", [refused(Fault.NETWORK, billed=Billed.UNKNOWN), KeyError("a bug in the adapter")]
    )
    def test_an_unknown_outcome_is_never_submitted_again(self, alice: User, painter: Vendor, answer: Any) -> None:
        painter.say("submit", answer)
        request = pipeline.start(owner=alice, prompt="a cat")
        turn_to_the_end()
        held = ImageGenerationJob.objects.get(stage=Stage.UNKNOWN)
        assert (held.status, held.error_code) == ("RUNNING", "OUTCOME_UNKNOWN")
        assert reload(request).status == "IMAGE_GENERATING"
        assert len(painter.orders) == len(painter.ledger) == 4

    def test_unless_repeating_is_free(self, alice: User, painter: Vendor) -> None:
        painter.resubmit_is_free = True
        painter.say("submit", refused(Fault.NETWORK, billed=Billed.UNKNOWN))
        request = pipeline.start(owner=alice, prompt="a cat")
        turn_to_the_end()
        assert reload(request).status == "IMAGE_COMPLETED"

    def test_about_to_pay_is_committed_before_the_call(self, alice: User, painter: Vendor) -> None:
        pipeline.start(owner=alice, prompt="a cat")
        seen: list[int] = []
        painter.during["submit"] = lambda: seen.append(ImageGenerationJob.objects.filter(stage="SUBMITTING").count())
        turn_to_the_end()
        assert seen == [1]

    def test_a_failing_question_does_not_lead_to_a_new_order(self, alice: User, builder: Vendor) -> None:
        builder.say("poll", refused(Fault.NETWORK), refused(), KeyError("bug"), ProviderError(Fault.RATE_LIMITED))
        request = make_request(alice, status="MODEL_PENDING")
        turn_to_the_end()
        assert reload(request).status == "COMPLETED"
        assert len(builder.ledger) == 1
        assert len(builder.polls) == 5

    def test_a_failing_fetch_does_not_lead_to_a_new_order(self, alice: User, builder: Vendor) -> None:
        builder.say("fetch", refused(Fault.NETWORK), OSError("disk full"))
        request = make_request(alice, status="MODEL_PENDING")
        turn_to_the_end()
        assert reload(request).status == "COMPLETED"
        assert len(builder.ledger) == 1

    def test_a_job_that_failed_at_the_vendor_free_of_charge_is_ordered_again(
        self, alice: User, builder: Vendor
    ) -> None:
        builder.say("poll", Report(state=JobState.FAILED, error=refused(Fault.JOB_FAILED)))
        request = make_request(alice, status="MODEL_PENDING")
        turn_to_the_end()
        assert reload(request).status == "COMPLETED"
        assert len(builder.ledger) == 2
        assert model_job(request).retry_count == 1

    @pytest.mark.parametrize(
        "error",
        [
            refused(Fault.JOB_LOST),
            refused(Fault.JOB_FAILED, billed=Billed.YES),
            refused(Fault.JOB_FAILED, billed=Billed.UNKNOWN),
        ],
    )
    def test_a_job_that_may_have_cost_money_is_not(self, alice: User, builder: Vendor, error: ProviderError) -> None:
        builder.say("poll", Report(state=JobState.FAILED, error=error))
        request = make_request(alice, status="MODEL_PENDING")
        turn_to_the_end()
        assert reload(request).status == "MODEL_FAILED"
        assert len(builder.ledger) == 1

    def test_a_timeout_retried_by_the_person_picks_up_the_paid_job(self, alice: User, builder: Vendor) -> None:
        request = make_request(alice, status="MODEL_PENDING")
        turn()
        ModelGenerationJob.objects.update(timeout_at="2020-01-01T00:00:00Z")
        turn_to_the_end()
        assert (model_job(request).status, reload(request).status) == ("TIMEOUT", "MODEL_FAILED")
        pipeline.retry(owner=alice, request_id=request.id)
        turn_to_the_end()
        assert (model_job(request).status, reload(request).status) == ("COMPLETED", "COMPLETED")
        assert len(builder.ledger) == 1

    def test_accepted_without_an_id_is_unknown(self, alice: User, builder: Vendor) -> None:
        builder.say("submit", Report(state=JobState.QUEUED))
        request = make_request(alice, status="MODEL_PENDING")
        turn_to_the_end()
        held = model_job(request)
        assert held.stage == Stage.UNKNOWN
        for _ in range(3):
            sweeps.sweep()
        assert model_job(request).next_at == held.next_at  # and is not held on and on

    def test_a_clock_that_is_behind_ends_no_job_in_the_future(self, alice: User, builder: Vendor) -> None:
        request = make_request(alice, status="MODEL_PENDING")
        turn()
        ModelGenerationJob.objects.update(started_at=clock.now() + timedelta(minutes=10))
        turn_to_the_end()
        assert (reload(request).status, model_job(request).duration_ms) == ("COMPLETED", 0)

    def test_a_file_that_was_kept_too_long_is_kept_anew(
        self, alice: User, builder: Vendor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        request = make_request(alice, status="MODEL_PENDING")
        with monkeypatch.context() as asleep:  # a laptop that sleeps between storing and writing it down
            asleep.setattr(files, "ORPHAN_AGE", timedelta(seconds=-1))
            for _ in range(3):
                skip_waits()
                turn()
        assert (reload(request).status, model_job(request).stage) == ("MODEL_GENERATING", "STORING")
        turn_to_the_end()
        assert (reload(request).status, len(builder.ledger)) == ("COMPLETED", 1)


class TestModels:
    """Submit, poll, store."""

    def test_the_whole_road(self, alice: User, builder: Vendor) -> None:
        builder.say("poll", builder.running("x", 30), builder.running("x", None), builder.running("x", 20))
        request = make_request(alice, status="MODEL_PENDING")
        turn()
        assert reload(request).status == "MODEL_GENERATING"
        progress = []
        for _ in range(3):
            skip_waits()
            turn()
            progress.append(model_job(request).progress)
        assert progress == [30, 30, 30]  # the vendor's word, and never backwards
        turn_to_the_end()
        job, request = model_job(request), reload(request)
        assert (request.status, request.phase, request.completed_at is not None) == ("COMPLETED", "COMPLETED", True)
        assert (job.status, job.stage, job.progress, job.lease_until) == ("COMPLETED", "ENDED", 100, None)
        assert job.model.is_finished
        assert [file["role"] for file in job.model.files] == ["obj", "mtl", "texture", "glb", "stl", "preview"]

    def test_a_waiting_job_is_nobodys(self, alice: User, builder: Vendor) -> None:
        builder.say("poll", builder.running("x", 30))
        request = make_request(alice, status="MODEL_PENDING")
        turn()
        job = model_job(request)
        assert (job.stage, job.lease_until) == ("POLLING", None)
        assert turn() == 0  # not before its time
        assert job.next_at is not None

    def test_given_up_after_the_timeout(self, alice: User, builder: Vendor) -> None:
        builder.say("poll", *[builder.running("x", 10)] * 50)
        request = make_request(alice, status="MODEL_PENDING")
        turn()
        ModelGenerationJob.objects.update(timeout_at="2020-01-01T00:00:00Z")
        turn_to_the_end()
        job = model_job(request)
        assert (job.status, job.model.error_code, reload(request).error_code) == ("TIMEOUT", "TIMEOUT", "TIMEOUT")
        assert builder.polls == []

    def test_no_mesh_among_the_results(self, alice: User, builder: Vendor) -> None:
        builder.say("fetch", [])
        request = make_request(alice, status="MODEL_PENDING")
        turn_to_the_end()
        assert (reload(request).status, model_job(request).error_code) == ("MODEL_FAILED", "BAD_ANSWER")
        assert len(builder.ledger) == 1

    def test_results_that_are_gone(self, alice: User, builder: Vendor) -> None:
        builder.say("fetch", refused(Fault.RESULT_GONE, permanent=True))
        request = make_request(alice, status="MODEL_PENDING")
        turn_to_the_end()
        assert (reload(request).status, model_job(request).error_code) == ("MODEL_FAILED", "RESULT_GONE")

    def test_storing_is_given_up_at_its_timeout(self, alice: User, builder: Vendor) -> None:
        builder.say("fetch", *[refused(Fault.NETWORK)] * 100)
        request = make_request(alice, status="MODEL_PENDING")
        for _ in range(3):
            skip_waits()
            turn()
        ModelGenerationJob.objects.update(timeout_at="2020-01-01T00:00:00Z")
        turn_to_the_end()
        assert (reload(request).status, model_job(request).error_code) == ("MODEL_FAILED", "NOT_STORED")
        builder.script["fetch"].clear()
        pipeline.retry(owner=alice, request_id=request.id)
        turn_to_the_end()
        assert reload(request).status == "COMPLETED"
        assert len(builder.ledger) == 1  # what was paid for is fetched, not ordered again

    def test_a_storage_that_fails_leaves_no_files(
        self, alice: User, builder: Vendor, media: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        saves = iter([True, True, False, True, False, *[True] * 20])

        def save(path: Any, key: str, really: Any = files.save) -> int:
            if not next(saves):
                raise OSError("disk full")
            return really(path, key)

        request = make_request(alice, status="MODEL_PENDING")
        monkeypatch.setattr(files, "save", save)
        turn_to_the_end()
        assert reload(request).status == "COMPLETED"
        DoomedFile.objects.update(after=clock.now())
        files.sweep()
        known = {image.key for image in request.images.all()} | {f["key"] for f in model_job(request).model.files}
        assert {str(path.relative_to(media)) for path in media.rglob("*") if path.is_file()} == known

    def test_a_storage_that_cannot_be_read_costs_neither_a_try_nor_money(
        self, alice: User, builder: Vendor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        request = make_request(alice, status="MODEL_PENDING")
        with monkeypatch.context() as broken:
            broken.setattr("django.core.files.storage.default_storage.open", lambda *_: (_ for _ in ()).throw(OSError))
            turn()
        job = model_job(request)
        assert (job.stage, job.status, job.retry_count, job.lease_until) == ("WAITING", "RETRYING", 0, None)
        turn_to_the_end()
        assert (reload(request).status, len(builder.ledger)) == ("COMPLETED", 1)

    def test_the_picture_file_is_gone(self, alice: User, builder: Vendor) -> None:
        request = make_request(alice, status="MODEL_PENDING")
        GeneratedImage.objects.update(key="images/nowhere/x.png")
        turn_to_the_end()
        assert (reload(request).status, model_job(request).error_code) == ("MODEL_FAILED", "INVALID_INPUT")
        assert builder.ledger == []


class TestMeanwhile:
    """The world goes on during a call."""

    def test_cancelled_during_submit(self, alice: User, builder: Vendor) -> None:
        request = make_request(alice, status="MODEL_PENDING")
        builder.during["submit"] = lambda: pipeline.cancel(owner=alice, request_id=request.id)
        turn_to_the_end()
        assert (reload(request).status, model_job(request).status) == ("CANCELLED", "CANCELLED")
        assert builder.cancelled == [f"job-{builder.ledger[0]}"]  # the vendor is told of what it accepted

    @pytest.mark.parametrize("how", ["cancel", "discard"])
    def test_the_vendor_is_told_by_the_sweep_when_nobody_heard_the_bell(
        self, alice: User, builder: Vendor, how: str
    ) -> None:
        request = make_request(alice, status="MODEL_PENDING")
        turn()
        getattr(pipeline, how)(owner=alice, request_id=request.id)
        assert builder.cancelled == []
        sweeps.sweep()
        sweeps.sweep()
        assert builder.cancelled == [f"job-{builder.ledger[0]}"]

    def test_a_vendor_that_does_not_hear_is_told_again(
        self, alice: User, builder: Vendor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        request = make_request(alice, status="MODEL_PENDING")
        turn()
        pipeline.cancel(owner=alice, request_id=request.id)
        with monkeypatch.context() as away:
            away.setattr(builder, "cancel", lambda _: (_ for _ in ()).throw(refused(Fault.NETWORK)))
            sweeps.sweep()
        sweeps.sweep()
        assert len(builder.cancelled) == 1

    def test_cancel_and_delete_with_the_broker_down(
        self,
        alice: User,
        media: Any,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
        django_capture_on_commit_callbacks: Any,
    ) -> None:
        request = make_request(alice, status="MODEL_PENDING")
        turn()
        monkeypatch.setattr(celery_app, "send_task", no_broker)
        with django_capture_on_commit_callbacks(execute=True):
            pipeline.discard(owner=alice, request_id=request.id)
        assert "no broker" in caplog.text
        assert [path for path in media.rglob("*") if path.is_file()] == []

    def test_cancelled_during_fetch_leaves_no_file(self, alice: User, builder: Vendor, media: Any) -> None:
        request = make_request(alice, status="MODEL_PENDING")
        before = {path for path in media.rglob("*") if path.is_file()}
        builder.during["fetch"] = lambda: pipeline.cancel(owner=alice, request_id=request.id)
        turn_to_the_end()
        files.sweep()
        assert reload(request).status == "CANCELLED"
        assert {path for path in media.rglob("*") if path.is_file()} == before

    def test_deleted_during_fetch(self, alice: User, painter: Vendor, media: Any) -> None:
        request = pipeline.start(owner=alice, prompt="a cat", optimize_prompt=False)
        painter.during["fetch"] = lambda: pipeline.discard(owner=alice, request_id=request.id)
        turn_to_the_end()
        files.sweep()
        assert not GenerationRequest.objects.exists()
        assert [path for path in media.rglob("*") if path.is_file()] == []

    def test_a_worker_whose_claim_is_over_writes_nothing(self, alice: User, builder: Vendor) -> None:
        request = make_request(alice, status="MODEL_PENDING")
        turn()
        old = model_job(request)
        model_job(request).take(until="2030-01-01T00:00:00Z")
        with pytest.raises(Stale):
            outcomes.results_ready(old, builder.done("x"))
        assert model_job(request).stage == "POLLING"

    def test_updated_at_moves_with_everything_under_it(self, alice: User, builder: Vendor) -> None:
        builder.say("poll", builder.running("x", 30), builder.running("x", 30))
        request = make_request(alice, status="MODEL_PENDING")
        moments = [reload(request).updated_at]
        for _ in range(4):
            skip_waits()
            turn()
            moments.append(reload(request).updated_at)
        submitted, progressed, unchanged, done = (later > earlier for earlier, later in pairwise(moments))
        assert (submitted, progressed, unchanged, done) == (True, True, False, True)
