"""The journal: what was paid for is never forgotten, and never paid for twice."""

from datetime import timedelta
from typing import Any

import pytest

from generation import journal, outcomes, pipeline, queue, sweeps
from generation.models import GenerationRequest, JobEvent, ModelGenerationJob, ProviderCall
from generation.states import Stage
from lumi import clock
from lumi.accounts.models import User
from providers.base import Billed, Fault, JobState, ProviderError, RemoteFile, Report
from tests.factories import make_request
from tests.generation.accidents import (
    AGO,
    ORDER,
    Findable,
    KilledError,
    die,
    image_job,
    leases_end,
    model_job,
    sweep_after_the_lease,
    use,
    work_until_killed,
)
from tests.generation.conftest import turn, turn_to_the_end
from tests.generation.vendor import Vendor

pytestmark = pytest.mark.django_db

LOST = ProviderError(Fault.NETWORK, billed=Billed.UNKNOWN, evidence="reset")


def killed_before_the_answer_is_used(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """The worker journals the answer and is killed before it writes anything else."""
    with monkeypatch.context() as patch:
        patch.setattr(outcomes, "heard", die)
        assert work_until_killed(kind) > 0


def killed_before_the_journal(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """The worker is killed with the answer in its hands."""
    with monkeypatch.context() as patch:
        patch.setattr(journal, "answered", die)
        assert work_until_killed(kind) > 0


class TestWritten:
    def test_about_to_pay_before_the_call_and_the_answer_after_it(self, alice: User, builder: Vendor) -> None:
        make_request(alice, status="MODEL_PENDING")
        seen: list[Any] = []
        builder.during["submit"] = lambda: seen.append(ProviderCall.objects.get().outcome)
        turn()
        call = ProviderCall.objects.get()
        assert seen == [""]
        assert (call.reference, call.outcome, call.kind, call.provider) == (
            builder.ledger[0], "ACCEPTED", "model", "scripted",
        )  # fmt: skip
        assert (call.provider_job_id, call.job_id) == (f"job-{builder.ledger[0]}", model_job().id)
        assert call.answered_at >= call.sent_at

    @pytest.mark.parametrize(
        ("answer", "outcome"),
        [
            (ProviderError(Fault.RATE_LIMITED, retry_after=3), "REFUSED"),
            (ProviderError(Fault.JOB_FAILED, billed=Billed.YES, permanent=True), "REFUSED"),
            (LOST, "UNKNOWN"),
            (KeyError("a bug"), "UNKNOWN"),
        ],
    )
    def test_every_answer_has_its_word(self, alice: User, builder: Vendor, answer: Any, outcome: str) -> None:
        make_request(alice, status="MODEL_PENDING")
        builder.say("submit", answer)
        turn()
        assert ProviderCall.objects.get().outcome == outcome

    @pytest.mark.parametrize(
        "answer",
        [
            Report(state=JobState.RUNNING, ref="r", progress=3),
            Report(state=JobState.DONE, files=(RemoteFile(role="glb", url="https://x/y?z=1"),)),
            Report(state=JobState.FAILED, ref="r", error=ProviderError(Fault.JOB_FAILED, billed=Billed.YES)),
        ],
    )
    def test_what_is_read_is_what_was_written(self, alice: User, answer: Report) -> None:
        make_request(alice, status="MODEL_PENDING")
        job = model_job()
        journal.sent(job, ORDER)
        assert journal.answer_to(job) is None
        journal.answered(job, answer)
        read = journal.answer_to(job)
        assert (read.state, read.ref, read.progress, read.files) == (
            answer.state, answer.ref, answer.progress, answer.files,
        )  # fmt: skip
        assert str(read.error) == str(answer.error)

    def test_errors_too(self, alice: User) -> None:
        make_request(alice, status="MODEL_PENDING")
        job = model_job()
        journal.sent(job, ORDER)
        journal.answered(job, ProviderError(Fault.BUSY, retry_after=2.5, evidence="忙"))
        read = journal.answer_to(job)
        assert (read.fault, read.retry_after, read.billed, read.evidence) == (Fault.BUSY, 2.5, Billed.NO, "忙")

    def test_each_attempt_has_a_line(self, alice: User, builder: Vendor) -> None:
        make_request(alice, status="MODEL_PENDING")
        builder.say("submit", ProviderError(Fault.RATE_LIMITED))
        turn_to_the_end()
        job = model_job()
        lines = list(ProviderCall.objects.order_by("id").values_list("reference", "outcome"))
        assert lines == [(f"{job.id}-1", "REFUSED"), (f"{job.id}-2", "ACCEPTED")]


class TestALostWorker:
    """Killed between the answer and what follows from it."""

    def test_a_model_that_was_accepted_is_polled(
        self, alice: User, builder: Vendor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        request = make_request(alice, status="MODEL_PENDING")
        killed_before_the_answer_is_used(monkeypatch, "model")
        assert model_job().stage == Stage.SUBMITTING
        sweep_after_the_lease()
        assert (model_job().stage, model_job().provider_job_id) == (Stage.POLLING, f"job-{builder.ledger[0]}")
        turn_to_the_end()
        assert GenerationRequest.objects.get(pk=request.pk).status == "COMPLETED"
        assert len(builder.ledger) == 1

    def test_pictures_that_were_delivered_are_stored(
        self, alice: User, painter: Vendor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        request = pipeline.start(owner=alice, prompt="a cat", optimize_prompt=False)
        with monkeypatch.context() as patch:  # the first turn writes the designs, and then nobody works
            patch.setattr("generation.queue.claim", lambda kind: [])
            turn()
        killed_before_the_answer_is_used(monkeypatch, "image")
        sweep_after_the_lease()
        assert {image_job(index).stage for index in range(4)} == {"STORING"}
        leases_end()
        turn_to_the_end()
        assert GenerationRequest.objects.get(pk=request.pk).status == "IMAGE_COMPLETED"
        assert len(painter.ledger) == len(set(painter.ledger)) == 4

    def test_a_no_is_followed_by_a_new_try(self, alice: User, builder: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
        make_request(alice, status="MODEL_PENDING")
        builder.say("submit", ProviderError(Fault.UNAVAILABLE))
        killed_before_the_answer_is_used(monkeypatch, "model")
        sweep_after_the_lease()
        assert (model_job().stage, model_job().status, model_job().attempt) == ("WAITING", "RETRYING", 2)
        turn_to_the_end()
        assert builder.ledger == [f"{model_job().id}-2"]

    def test_without_an_answer_nothing_is_paid_again(
        self, alice: User, builder: Vendor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        make_request(alice, status="MODEL_PENDING")
        killed_before_the_journal(monkeypatch, "model")
        sweep_after_the_lease()
        turn_to_the_end()
        assert model_job().stage == Stage.UNKNOWN
        assert len(builder.ledger) == 1

    def test_killed_before_the_bytes_left(self, alice: User, builder: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
        """Matrix row 5: it looks like row 6, and is treated like it."""
        make_request(alice, status="MODEL_PENDING")
        monkeypatch.setattr(builder, "submit", die)
        assert work_until_killed("model") == 1
        sweep_after_the_lease()
        assert (model_job().stage, builder.ledger) == (Stage.UNKNOWN, [])

    def test_two_sweeps_adopt_once(self, alice: User, builder: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
        make_request(alice, status="MODEL_PENDING")
        killed_before_the_answer_is_used(monkeypatch, "model")
        sweep_after_the_lease()
        sweep_after_the_lease()
        assert JobEvent.objects.filter(event="ADOPTED").count() == 1


class TestAPausedWorker:
    """Stopped during the call until its lease is over and the job is in other hands."""

    def paused(self, builder: Vendor) -> None:
        """The answer comes after the sweep has taken the job."""
        builder.during["submit"] = sweep_after_the_lease
        turn()

    def test_its_answer_is_written_down_and_adopted(self, alice: User, builder: Vendor) -> None:
        request = make_request(alice, status="MODEL_PENDING")
        self.paused(builder)
        job = model_job()
        assert (job.stage, job.error_code) == (Stage.UNKNOWN, "OUTCOME_UNKNOWN")  # the stale write was refused
        assert JobEvent.objects.filter(job_id=job.id, event="STALE_WRITE").count() == 1
        assert ProviderCall.objects.get().outcome == "ACCEPTED"
        assert builder.cancelled == []  # merely in other hands
        sweeps.sweep()
        assert (model_job().stage, model_job().provider_job_id) == (Stage.POLLING, f"job-{builder.ledger[0]}")
        turn_to_the_end()
        job = model_job()
        assert GenerationRequest.objects.get(pk=request.pk).status == "COMPLETED"
        assert (job.error_code, job.error_text) == ("", "")
        assert len(builder.ledger) == 1

    def test_its_no_ends_the_uncertainty(self, alice: User, builder: Vendor) -> None:
        request = make_request(alice, status="MODEL_PENDING")
        builder.say("submit", ProviderError(Fault.UNAVAILABLE))
        self.paused(builder)
        sweeps.sweep()
        assert (model_job().status, model_job().error_code) == ("FAILED", "UNAVAILABLE")  # not OUTCOME_UNKNOWN
        assert GenerationRequest.objects.get(pk=request.pk).status == "MODEL_FAILED"
        assert builder.ledger == []

    def test_too_late_for_the_hold_time(self, alice: User, builder: Vendor) -> None:
        """The person was told, and has tried again: the first order is stopped at the vendor."""
        request = make_request(alice, status="MODEL_PENDING")

        def long_pause() -> None:
            sweep_after_the_lease()
            ModelGenerationJob.objects.update(next_at=clock.now() - AGO)
            sweeps.sweep()
            pipeline.retry(owner=alice, request_id=request.id)

        builder.during["submit"] = long_pause
        turn()
        assert builder.cancelled == [f"job-{model_job().id}-1"]
        turn_to_the_end()
        assert builder.ledger == [f"{model_job().id}-1", f"{model_job().id}-2"]
        assert GenerationRequest.objects.get(pk=request.pk).status == "COMPLETED"

    def test_cancelled_meanwhile(self, alice: User, builder: Vendor) -> None:
        request = make_request(alice, status="MODEL_PENDING")

        def cancelled() -> None:
            sweep_after_the_lease()
            pipeline.cancel(owner=alice, request_id=request.id)

        builder.during["submit"] = cancelled
        turn()
        assert builder.cancelled == [f"job-{builder.ledger[0]}"]
        assert (model_job().status, ProviderCall.objects.get().outcome) == ("CANCELLED", "ACCEPTED")
        sweeps.sweep()
        turn_to_the_end()
        assert (model_job().status, len(builder.ledger)) == ("CANCELLED", 1)

    def test_deleted_meanwhile(self, alice: User, builder: Vendor) -> None:
        request = make_request(alice, status="MODEL_PENDING")
        builder.during["submit"] = lambda: pipeline.discard(owner=alice, request_id=request.id)
        turn()
        assert builder.cancelled == [f"job-{builder.ledger[0]}"]
        assert ProviderCall.objects.get().outcome == "ACCEPTED"  # what was paid for is known even so

    def test_stopped_between_the_commit_and_the_send(
        self, alice: User, builder: Vendor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It notices by its own clock, and sends nothing."""
        monkeypatch.setattr(queue, "MARGIN", -1.0)
        make_request(alice, status="MODEL_PENDING")
        turn()
        assert builder.orders == []
        assert (model_job().stage, model_job().status) == ("WAITING", "RETRYING")
        assert JobEvent.objects.filter(event="NOT_SENT").count() == 1


class TestLookUp:
    """A vendor that can be asked."""

    def lost(self, alice: User, monkeypatch: pytest.MonkeyPatch, **fields: Any) -> Findable:
        """A worker was killed with the answer in its hands."""
        vendor = use(Findable("model", at_once=False, **fields))
        make_request(alice, status="MODEL_PENDING")
        killed_before_the_journal(monkeypatch, "model")
        return vendor

    def test_found_is_adopted(self, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
        vendor = self.lost(alice, monkeypatch, found="look")
        sweep_after_the_lease()
        assert vendor.asked == vendor.ledger
        assert (model_job().stage, model_job().provider_job_id) == (Stage.POLLING, f"job-{vendor.ledger[0]}")
        assert ProviderCall.objects.get().outcome == "ACCEPTED"
        turn_to_the_end()
        assert (model_job().status, len(vendor.ledger)) == ("COMPLETED", 1)

    def test_surely_none_is_submitted_again(self, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
        vendor = use(Findable("model", at_once=False, found="look"))
        make_request(alice, status="MODEL_PENDING")
        with monkeypatch.context() as patch:
            patch.setattr(vendor, "submit", die)
            work_until_killed("model")
        sweep_after_the_lease()  # the order could still be on its way
        assert (model_job().stage, model_job().recoveries) == ("SUBMITTING", 0)
        ProviderCall.objects.update(sent_at=clock.now() - timedelta(minutes=2))
        sweep_after_the_lease()
        assert (model_job().stage, model_job().status, model_job().recoveries) == ("WAITING", "RETRYING", 1)
        turn_to_the_end()
        assert (model_job().status, vendor.ledger) == ("COMPLETED", [f"{model_job().id}-1"])  # the same attempt

    @pytest.mark.parametrize("said", [ProviderError(Fault.UNAVAILABLE), KeyError("a bug")])
    def test_it_cannot_tell(self, alice: User, monkeypatch: pytest.MonkeyPatch, said: Any) -> None:
        vendor = self.lost(alice, monkeypatch, found=said)
        sweep_after_the_lease()
        turn_to_the_end()
        assert (model_job().stage, len(vendor.ledger)) == (Stage.UNKNOWN, 1)

    def test_it_is_asked_again_and_adopted(self, alice: User, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
        vendor = self.lost(alice, monkeypatch, found=ProviderError(Fault.UNAVAILABLE))
        sweep_after_the_lease()
        vendor.found = "look"
        sweeps.sweep()
        assert len(vendor.asked) == 1  # not before a lease has passed
        hold = settings.GENERATION["unknown_hold"]
        ModelGenerationJob.objects.update(next_at=clock.now() + outcomes.seconds(hold - 61))
        sweeps.sweep()
        assert (model_job().stage, len(vendor.asked), len(vendor.ledger)) == (Stage.POLLING, 2, 1)

    def test_a_submit_without_an_answer_is_looked_up_too(self, alice: User, settings: Any) -> None:
        vendor = use(Findable("model", at_once=False, found="look"))
        vendor.say("submit", LOST)
        make_request(alice, status="MODEL_PENDING")
        turn()
        assert model_job().stage == Stage.UNKNOWN
        hold = settings.GENERATION["unknown_hold"]
        ModelGenerationJob.objects.update(next_at=clock.now() + outcomes.seconds(hold - 61))
        sweeps.sweep()
        turn_to_the_end()
        assert (model_job().status, len(vendor.ledger)) == ("COMPLETED", 1)

    def test_an_order_that_is_not_there_is_held_and_asked_for_once_a_lease(self, alice: User, settings: Any) -> None:
        vendor = use(Findable("model", at_once=False, found=None))
        vendor.say("submit", LOST)
        make_request(alice, status="MODEL_PENDING")
        turn()
        hold = settings.GENERATION["unknown_hold"]
        ModelGenerationJob.objects.update(next_at=clock.now() + outcomes.seconds(hold - 61))
        sweeps.sweep()
        sweeps.sweep()
        assert (model_job().stage, len(vendor.asked)) == (Stage.UNKNOWN, 1)
        leases_end()
        sweeps.sweep()
        assert (len(vendor.asked), len(vendor.orders)) == (2, 1)

    def test_one_that_cannot_be_asked_is_not(self, alice: User, builder: Vendor) -> None:
        builder.say("submit", LOST)
        make_request(alice, status="MODEL_PENDING")
        turn()
        ModelGenerationJob.objects.update(next_at=clock.now() + outcomes.seconds(1))
        sweeps.sweep()
        assert model_job().stage == Stage.UNKNOWN


def test_nothing_is_known_of_no_references(db: None, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert journal.known_among([]) == set()


def test_killed_is_not_an_error_that_anybody_catches() -> None:
    """The tests above are worth something only then."""
    assert not issubclass(KilledError, Exception)


class TestOrder:
    def test_is_kept_in_numbers_and_never_in_words(self, alice: User, painter: Vendor) -> None:
        """The line outlives the person."""
        make_request(alice, prompt="a very private cat")
        turn_to_the_end()
        orders = list(ProviderCall.objects.order_by("pk").values_list("order", flat=True))
        assert [order["variant"] for order in orders] == [0, 1, 2, 3]
        assert {order["promptLength"] for order in orders} == {18}
        assert "private" not in str(orders)

    def test_of_a_model_tells_how_large_the_picture_is(self, alice: User) -> None:
        make_request(alice, status="MODEL_PENDING")
        journal.sent(model_job(), ORDER)
        assert ProviderCall.objects.get().order == {"promptLength": 5, "imageBytes": 3, "hasImageUrl": False}
