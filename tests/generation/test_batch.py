"""Batches: pictures of the same words go to a provider that paints several in one paid call, and each is a job of its
own in everything else."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from generation import journal, outcomes, pipeline, queue, submits, sweeps, tasks
from generation.leases import Heartbeat
from generation.models import GenerationRequest, ImageGenerationJob, JobEvent, ProviderCall, ProviderGate
from lumi import clock, process
from lumi.accounts.models import User
from providers.base import Billed, Fault, JobState, ProviderError, RemoteFile, Report
from tests.factories import make_request
from tests.generation.accidents import PICTURE, Findable, die, image_job, sweep_after_the_lease, use, work_until_killed
from tests.generation.conftest import skip_waits, turn, turn_to_the_end, work_on
from tests.generation.test_queue import in_threads, limits
from tests.generation.vendor import Vendor

pytestmark = pytest.mark.django_db

LOST = ProviderError(Fault.NETWORK, billed=Billed.UNKNOWN, evidence="reset")


@pytest.fixture(autouse=True)
def batch(painter: Vendor) -> None:
    """As many as a request has."""
    painter.batch = 4


def same_words(alice: User) -> GenerationRequest:
    """A request whose four pictures wait to be painted from the same words."""
    request = make_request(alice, status="IMAGE_GENERATING")
    ImageGenerationJob.objects.update(next_at=clock.now())
    return request


def facts(*names: str) -> list[Any]:
    """Of the four jobs, in order."""
    return list(ImageGenerationJob.objects.order_by("image__index").values_list(*names, flat=len(names) == 1))


def sorted_files(number: int) -> list[RemoteFile]:
    """What a vendor answers to an order of so many pictures."""
    return sorted(Vendor("image").done("x", number).files, key=lambda file: file.url)


def counts(painter: Vendor) -> list[int]:
    """How many pictures each order was for."""
    return [order.count for order in painter.orders]


class TestOneCall:
    def test_four_pictures(self, alice: User, painter: Vendor) -> None:
        request = same_words(alice)
        turn_to_the_end()
        request.refresh_from_db()
        assert (request.status, counts(painter), len(painter.ledger)) == ("IMAGE_COMPLETED", [4], 1)
        assert sorted(painter.fetched) == [(file.url,) for file in sorted_files(4)]

    def test_each_has_its_own_line_in_the_journal(self, alice: User, painter: Vendor) -> None:
        same_words(alice)
        turn()
        lines = ProviderCall.objects.order_by("job_id").values_list("job_id", "reference", "outcome", "provider")
        jobs = ImageGenerationJob.objects.order_by("pk")
        assert list(lines) == [(job.pk, job.reference, "ACCEPTED", "scripted") for job in jobs]

    def test_each_is_committed_as_its_own_before_the_call(self, alice: User, painter: Vendor) -> None:
        same_words(alice)
        seen: list[Any] = []
        painter.during["submit"] = lambda: seen.extend(facts("stage", "holder", "provider", "image__status"))
        turn_to_the_end()
        assert seen == [("SUBMITTING", process.name(), "scripted", "GENERATING")] * 4

    def test_others_go_on_by_themselves(self, alice: User) -> None:
        """The worker stores one; the others are anybody's."""
        same_words(alice)
        turn()
        assert sorted(facts("stage", "holder")) == [("ENDED", ""), *[("STORING", "")] * 3]
        assert len(queue.claim("image")) == 3

    def test_the_gate_counts_one_start(self, alice: User, painter: Vendor, settings: Any) -> None:
        limits(settings, "image", at_once=1, per_minute=1)
        same_words(alice)
        turn_to_the_end()
        assert (counts(painter), len(ProviderGate.objects.get().starts)) == ([4], 1)

    def test_no_more_than_the_budget_allows(self, alice: User, painter: Vendor, settings: Any) -> None:
        settings.PRICES, settings.BUDGETS = {"scripted:work": 0.25}, {"scripted": 0.75}
        same_words(alice)
        turn_to_the_end()
        assert counts(painter) == [3]
        settings.BUDGETS = {"scripted": 1}
        turn_to_the_end()
        assert (counts(painter), set(facts("status"))) == ([3, 1], {"COMPLETED"})

    def test_each_bears_its_share_of_the_cost(self, alice: User, painter: Vendor, settings: Any) -> None:
        settings.PRICES = {"scripted:work": 0.25}
        painter.say("submit", replace(painter.done("job-1", 4), units=2))
        same_words(alice)
        turn()
        assert [float(cost) for cost in ProviderCall.objects.values_list("cost", flat=True)] == [0.125] * 4

    def test_no_more_than_the_provider_paints_at_once(self, alice: User, painter: Vendor) -> None:
        painter.batch = 3
        same_words(alice)
        turn_to_the_end()
        assert sorted(counts(painter)) == [1, 3]

    def test_history(self, alice: User) -> None:
        same_words(alice)
        turn_to_the_end()
        for job_id in facts("pk"):
            lines = JobEvent.objects.filter(job_id=job_id).exclude(event="CLAIMED").order_by("id")
            assert list(lines.values_list("event", flat=True)) == ["SUBMITTING", "STORING", "COMPLETED"]

    def test_statements(self, alice: User, painter: Vendor) -> None:
        """Two to find who goes along, and for each: it is taken, moved, noted, journaled, and its picture and its
        request move."""
        queue.ensure_gate("image", "scripted")
        together = statements_of_a_submit(alice)
        painter.batch = 1
        assert together - statements_of_a_submit(alice) == 2 + 3 * 6


def statements_of_a_submit(alice: User) -> int:
    """From the claim to the call, for one more request."""
    same_words(alice)
    job = ImageGenerationJob.objects.with_context().filter(stage="WAITING").latest("pk")
    job.take(clock.now() + timedelta(seconds=60), provider="scripted")
    with CaptureQueriesContext(connection) as queries:
        submits.begin_submit(job, PICTURE)
    return len(queries)


class TestWhoGoesAlong:
    def test_other_words_do_not(self, alice: User, painter: Vendor) -> None:
        pipeline.start(owner=alice, prompt="a cat")
        turn_to_the_end()
        assert counts(painter) == [1, 1, 1, 1]

    def test_nor_the_same_words_in_capitals(self, alice: User, painter: Vendor) -> None:
        """To a database that compares without case they are the same."""
        request = same_words(alice)
        request.images.filter(index=2).update(prompt=request.prompt.upper())
        turn_to_the_end()
        assert sorted(counts(painter)) == [1, 3]

    def test_nor_another_request(self, alice: User, painter: Vendor, settings: Any) -> None:
        limits(settings, "image", at_once=8)
        for _ in range(2):
            same_words(alice)
        turn_to_the_end()
        assert counts(painter) == [4, 4]

    @pytest.mark.parametrize("places", [0, 1])  # at the other provider: it waits there, or is on its way
    def test_nor_one_that_the_provider_has_refused(
        self, alice: User, painter: Vendor, two: dict[str, Vendor], settings: Any, places: int
    ) -> None:
        settings.PROVIDER_LIMITS = {"image": {"second": {"at_once": places}}}
        same_words(alice)
        ImageGenerationJob.objects.filter(pk=image_job(3).pk).update(refused_by="scripted")
        turn_to_the_end()
        assert (counts(painter), counts(two["image"])) == ([3], [1] * places)

    def test_nor_one_on_its_way_to_another(self, alice: User, painter: Vendor, two: dict[str, Vendor]) -> None:
        same_words(alice)
        elsewhere = image_job(3)
        elsewhere.take(clock.now() + timedelta(seconds=60), provider="second")
        turn()
        work_on("image", [(elsewhere.pk, elsewhere.fence)])
        assert (counts(painter), counts(two["image"])) == ([3], [1])

    @pytest.mark.parametrize("index", [0, 2])
    def test_nor_one_whose_worker_was_lost(self, alice: User, painter: Vendor, index: int) -> None:
        same_words(alice)
        ImageGenerationJob.objects.filter(pk=image_job(index).pk).update(recoveries=1)
        turn_to_the_end()
        assert sorted(counts(painter)) == [1, 3]

    def test_nobody_where_a_lost_order_can_be_asked_for(self, alice: User) -> None:
        """It is known there by one name only; the others would be ordered again."""
        vendor = use(Findable("image", batch=4, found="look"))
        same_words(alice)
        turn_to_the_end()
        assert counts(vendor) == [1, 1, 1, 1]

    def test_one_that_waits_for_its_next_try_does(self, alice: User, painter: Vendor) -> None:
        """All were refused together: they need not come apart for a moment's difference."""
        painter.say("submit", ProviderError(Fault.UNAVAILABLE))
        same_words(alice)
        turn()
        ImageGenerationJob.objects.filter(pk=image_job().pk).update(next_at=clock.now())
        turn()
        assert counts(painter) == [4, 4]
        assert set(facts("retry_count", "attempt")) == {(1, 2)}

    def test_on_a_retry_only_what_is_missing(self, alice: User, painter: Vendor) -> None:
        request = same_words(alice)
        failed = ProviderError(Fault.CONTENT_REFUSED, permanent=True)
        painter.say("submit", failed)
        turn_to_the_end()
        done = image_job(1)
        ImageGenerationJob.objects.filter(pk=done.pk).update(status="COMPLETED", error_code="")
        request.images.filter(index=1).update(status="COMPLETED", error_code="", key="images/x/image-1.png")
        pipeline.retry(owner=alice, request_id=request.id)
        turn_to_the_end()
        assert counts(painter) == [4, 3]
        assert set(facts("status")) == {"COMPLETED"}


class TestAnswers:
    def test_a_no_is_a_no_to_each(self, alice: User, painter: Vendor) -> None:
        request = same_words(alice)
        painter.say("submit", ProviderError(Fault.CONTENT_REFUSED, permanent=True))
        turn_to_the_end()
        request.refresh_from_db()
        assert (request.status, counts(painter)) == ("IMAGE_FAILED", [4])
        assert set(facts("status", "error_code")) == {("FAILED", "CONTENT_REFUSED")}

    def test_a_call_that_failed_counts_once_for_the_breaker(self, alice: User, painter: Vendor, two: Any) -> None:
        painter.say("submit", ProviderError(Fault.UNAVAILABLE))
        same_words(alice)
        turn()
        assert [len(breaker.failures) for breaker in queue_breakers()] == [1]

    def test_refused_for_good_they_go_on_together(self, alice: User, painter: Vendor, two: dict[str, Vendor]) -> None:
        two["image"].batch = 4
        painter.say("submit", ProviderError(Fault.INVALID_INPUT, permanent=True))
        same_words(alice)
        turn_to_the_end()
        assert (counts(painter), counts(two["image"])) == ([4], [4])
        assert set(facts("status", "refused_by")) == {("COMPLETED", "scripted")}

    def test_an_unknown_outcome_is_held_for_each(self, alice: User, painter: Vendor) -> None:
        painter.say("submit", LOST)
        same_words(alice)
        turn_to_the_end()
        assert (set(facts("stage", "error_code")), counts(painter)) == ({("UNKNOWN", "OUTCOME_UNKNOWN")}, [4])

    def test_fewer_pictures_than_ordered(self, alice: User, painter: Vendor) -> None:
        """Whoever gets none has paid for nothing, and is not painted again by itself."""
        request = same_words(alice)
        painter.say("submit", painter.done("job-1", 3))
        turn_to_the_end()
        request.refresh_from_db()
        assert (request.status, counts(painter)) == ("IMAGE_COMPLETED", [4])
        assert sorted(facts("status", "error_code")) == [*[("COMPLETED", "")] * 3, ("FAILED", "BAD_ANSWER")]
        line = ProviderCall.objects.get(job_id=ImageGenerationJob.objects.get(status="FAILED").pk)
        assert (line.outcome, line.answer["billed"]) == ("REFUSED", "YES")

    def test_more_pictures_than_ordered(self, alice: User, painter: Vendor) -> None:
        painter.say("submit", painter.done("job-1", 6))
        same_words(alice)
        turn_to_the_end()
        assert (set(facts("status")), counts(painter)) == ({"COMPLETED"}, [4])

    def test_what_was_used_is_divided(self) -> None:
        files = Vendor("image").done("x", 4).files
        shares = submits.shares_of(Report(state=JobState.DONE, files=files, units=2.0), 4)
        assert [(share.units, share.files) for share in shares] == [(0.5, (file,)) for file in files]

    def test_a_single_order_keeps_all_that_was_answered(self) -> None:
        report = Vendor("model").done("x")
        assert submits.shares_of(report, 1) == [report]


def queue_breakers() -> list[Any]:
    """Those that have counted something."""
    return list(outcomes.breakers.of("image", "submit").values())


class TestAccidents:
    def test_killed_before_the_answer(self, alice: User, painter: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
        """All are of unknown outcome; none is ordered again."""
        same_words(alice)
        with monkeypatch.context() as patch:
            patch.setattr(journal, "answered", die)
            assert work_until_killed("image") == 1
        sweep_after_the_lease()
        turn_to_the_end()
        assert (facts("stage"), counts(painter)) == (["UNKNOWN"] * 4, [4])
        ImageGenerationJob.objects.update(next_at=clock.now())
        sweeps.sweep()
        assert set(facts("status", "error_code")) == {("FAILED", "OUTCOME_UNKNOWN")}

    def test_killed_between_two_lines(self, alice: User, painter: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
        """What is in the journal is adopted."""
        same_words(alice)
        written: list[str] = []

        def die_at_the_third(job: Any, answer: Any, really: Any = journal.answered) -> None:
            if len(written) == 2:
                die()
            written.append(job.pk)
            really(job, answer)

        with monkeypatch.context() as patch:
            patch.setattr(journal, "answered", die_at_the_third)
            work_until_killed("image")
        sweep_after_the_lease()
        turn_to_the_end()
        assert sorted(facts("stage")) == ["ENDED", "ENDED", "UNKNOWN", "UNKNOWN"]
        assert set(ImageGenerationJob.objects.filter(status="COMPLETED").values_list("pk", flat=True)) == set(written)
        assert counts(painter) == [4]

    def test_killed_after_the_journal(self, alice: User, painter: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
        same_words(alice)
        with monkeypatch.context() as patch:
            patch.setattr(outcomes, "heard", die)
            assert work_until_killed("image") == 1
        sweep_after_the_lease()
        turn_to_the_end()
        assert (facts("status"), counts(painter)) == (["COMPLETED"] * 4, [4])

    def test_cancelled_during_the_call(self, alice: User, painter: Vendor) -> None:
        request = same_words(alice)
        painter.during["submit"] = lambda: pipeline.cancel(owner=alice, request_id=request.id)
        turn_to_the_end()
        request.refresh_from_db()
        assert (request.status, set(facts("stage", "status"))) == ("CANCELLED", {("ENDED", "CANCELLED")})
        assert set(ProviderCall.objects.values_list("outcome", flat=True)) == {"ACCEPTED"}  # paid for all the same
        assert set(painter.cancelled) == {f"job-{painter.ledger[0]}"}

    def test_deleted_during_the_call(self, alice: User, painter: Vendor) -> None:
        request = same_words(alice)
        painter.during["submit"] = lambda: pipeline.discard(owner=alice, request_id=request.id)
        turn_to_the_end()
        assert (facts("pk"), ProviderCall.objects.filter(outcome="ACCEPTED").count()) == ([], 4)

    def test_one_that_was_ended_by_hand_stops_no_other(self, alice: User, painter: Vendor) -> None:
        same_words(alice)
        painter.during["submit"] = lambda: image_job(1).take(clock.now() + timedelta(seconds=60))
        turn_to_the_end()
        assert facts("stage") == ["ENDED", "SUBMITTING", "ENDED", "ENDED"]

    def test_nothing_is_sent_late(self, alice: User, painter: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
        same_words(alice)
        with monkeypatch.context() as stopped:
            stopped.setattr(queue, "MARGIN", -1)
            turn()
        assert (facts("stage"), painter.orders) == (["WAITING"] * 4, [])
        turn_to_the_end()
        assert (facts("status"), counts(painter)) == (["COMPLETED"] * 4, [4])

    def test_whoever_had_one_that_went_along_writes_nothing(self, alice: User, painter: Vendor) -> None:
        """Claimed by the same tick: its bell finds an old fence."""
        same_words(alice)
        claims = queue.claim("image")
        assert len(claims) == 4
        for job_id, fence in claims:
            tasks.advance("image", job_id, fence)
        assert counts(painter) == [4]

    def test_leases_are_renewed_for_all(self, alice: User, painter: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
        heart = Heartbeat()
        for module in (tasks, submits):
            monkeypatch.setattr(module, "heartbeat", heart)
        same_words(alice)
        held: list[int] = []
        painter.during["submit"] = lambda: held.append(len(heart.snapshot()["image"]))
        tasks.advance("image", *queue.claim("image")[0])
        assert (held, heart.snapshot()) == ([4], {})


@pytest.mark.django_db(transaction=True)
def test_four_workers_at_one_moment_make_one_call(alice: User, painter: Vendor) -> None:
    for _ in range(3):
        same_words(alice)
        claims = queue.claim("image")
        in_threads(len(claims), lambda left=claims: tasks.advance("image", *left.pop()))
        turn_to_the_end()
        skip_waits()
    assert (counts(painter), set(facts("status"))) == ([4, 4, 4], {"COMPLETED"})
