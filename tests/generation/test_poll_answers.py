"""Polls: what each answer does to the job, and that no job is asked after twice."""

import threading
import time
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from generation import pipeline, polls, queue
from generation.models import GenerationRequest, JobEvent, ModelGenerationJob, ProviderCall
from lumi import clock
from lumi.accounts.models import User
from providers.base import Billed, Fault, JobState, ProviderError, Report
from tests.factories import make_request
from tests.generation.accidents import at_the_vendor, model_job
from tests.generation.conftest import skip_waits, turn, turn_to_the_end
from tests.generation.test_queue import in_threads
from tests.generation.vendor import Vendor

pytestmark = pytest.mark.django_db


def says(builder: Vendor, monkeypatch: pytest.MonkeyPatch, answers: dict[str, Any]) -> None:
    """What the vendor says of each job, whatever thread asks first; of all others, that they run at 40 %."""

    def poll(ref: str) -> Any:
        builder.polls.append(ref)
        return builder.give(answers.get(ref, builder.running(ref, 40)))

    monkeypatch.setattr(builder, "poll", poll)


class TestCost:
    @pytest.mark.parametrize("number", [10, 100])
    def test_a_batch_without_news_is_a_handful_of_statements(
        self, alice: User, builder: Vendor, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any, number: int
    ) -> None:
        at_the_vendor(alice, 1)
        copies(number - 1)
        says(builder, monkeypatch, {})
        for _ in range(2):  # the first time makes the threads
            ModelGenerationJob.objects.update(next_at=clock.now(), lease_until=None)
            with django_assert_num_queries(8):
                assert polls.poll_due("model") == number
        assert len(builder.polls) == 2 * number

    @pytest.mark.parametrize("number", [10, 100])
    def test_progress_costs_three_more(
        self, alice: User, builder: Vendor, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any, number: int
    ) -> None:
        at_the_vendor(alice, 1)
        copies(number - 1)
        says(builder, monkeypatch, {})
        ModelGenerationJob.objects.update(progress=10)
        with django_assert_num_queries(11):
            polls.poll_due("model")
        assert JobEvent.objects.filter(event="PROGRESS").count() == number

    def test_nothing_due_costs_little(self, db: None, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(2):  # the clock, and a question
            assert polls.poll_due("model") == 0

    def test_not_more_than_a_batch_at_once(self, alice: User, builder: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(queue, "POLLS_AT_ONCE", 4)
        ids = at_the_vendor(alice, 6)
        says(builder, monkeypatch, {})
        assert [polls.poll_round("model") for _ in range(3)] == [(4, True), (2, False), (0, False)]
        assert {ref.removeprefix("at-") for ref in builder.polls[:4]} == set(ids[:4])  # the longest waits first


def copies(number: int) -> None:
    """So many more rows like the only one: models and requests and all, but quickly."""
    job = ModelGenerationJob.objects.select_related("model", "request").get()
    for _ in range(number):
        model, request = job.model, job.request
        for row in (model, request):
            row.pk = type(row)._meta.pk.get_default()
            row._state.adding = True
            row.save(force_insert=True)
        job.pk = ModelGenerationJob._meta.pk.get_default()
        job.model, job.request, job._state.adding = model, request, True
        job.provider_job_id = f"at-{job.pk}"
        job.save(force_insert=True)


class TestAnswers:
    def test_progress_moves_in_bulk_and_never_backwards(
        self, alice: User, builder: Vendor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, second, third = at_the_vendor(alice, 3)
        says(
            builder,
            monkeypatch,
            {
                f"at-{first}": builder.running("x", 70),
                f"at-{second}": builder.running("x", 20),
                f"at-{third}": builder.running("x", None),
            },
        )
        touched = dict(GenerationRequest.objects.values_list("model_job__pk", "updated_at"))
        polls.poll_due("model")
        progress = dict(ModelGenerationJob.objects.values_list("pk", "progress"))
        assert progress == {first: 70, second: 40, third: 40}
        assert list(JobEvent.objects.values_list("job_id", "event", "detail")) == [
            (first, "PROGRESS", {"progress": 70})
        ]
        now = dict(GenerationRequest.objects.values_list("model_job__pk", "updated_at"))
        assert [now[pk] > touched[pk] for pk in (first, second, third)] == [True, False, False]

    def test_more_than_all_is_all(self, alice: User, builder: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
        (job_id,) = at_the_vendor(alice, 1)
        says(builder, monkeypatch, {f"at-{job_id}": builder.running("x", 250)})
        polls.poll_due("model")
        assert model_job().progress == 100

    def test_questions_that_fail(self, alice: User, builder: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
        """The job goes on; it is asked after again, not before the vendor's own word; the evidence is kept."""
        network, limited, fine = at_the_vendor(alice, 3)
        says(
            builder,
            monkeypatch,
            {
                f"at-{network}": ProviderError(Fault.NETWORK, evidence="reset"),
                f"at-{limited}": ProviderError(Fault.RATE_LIMITED, retry_after=120, evidence="slow down"),
            },
        )
        polls.poll_due("model")
        rows = {job.pk: job for job in ModelGenerationJob.objects.all()}
        assert {(row.stage, row.status, row.holder, row.lease_until) for row in rows.values()} == {
            ("POLLING", "RUNNING", "", None)
        }
        assert [(rows[pk].error_code, rows[pk].error_text) for pk in (network, limited, fine)] == [
            ("NETWORK", "reset"), ("RATE_LIMITED", "slow down"), ("", ""),
        ]  # fmt: skip
        assert rows[limited].next_at > clock.now() + timedelta(seconds=110)
        assert rows[network].next_at < clock.now() + timedelta(seconds=30)

    def test_an_answer_clears_the_last_error(self, alice: User, builder: Vendor) -> None:
        at_the_vendor(alice, 1)
        builder.say("poll", ProviderError(Fault.NETWORK, evidence="reset"), builder.running("x", 50))
        polls.poll_due("model")
        skip_waits()
        polls.poll_due("model")
        assert (model_job().error_code, model_job().error_text, model_job().progress) == ("", "", 50)

    def test_the_next_question_is_asked_in_its_time(self, alice: User, builder: Vendor, settings: Any) -> None:
        at_the_vendor(alice, 1)
        builder.say("poll", builder.running("x", 50))
        polls.poll_due("model")
        wait = model_job().next_at - clock.now()
        every = settings.GENERATION["model"]["poll_every"]
        assert timedelta(seconds=every - 2) < wait <= timedelta(seconds=every)
        assert polls.poll_due("model") == 0

    def test_what_is_done_is_stored_by_the_next_turn(self, alice: User, builder: Vendor) -> None:
        at_the_vendor(alice, 2)
        assert polls.poll_due("model") == 2
        assert set(ModelGenerationJob.objects.values_list("stage", "progress", "holder")) == {("STORING", 100, "")}
        turn()
        assert set(ModelGenerationJob.objects.values_list("status", flat=True)) == {"COMPLETED"}

    @pytest.mark.parametrize(
        ("state", "cost"), [(JobState.DONE, 2.4), (JobState.FAILED, 0)], ids=["done", "failed free of charge"]
    )
    def test_what_was_used_there_is_what_it_cost(
        self, alice: User, builder: Vendor, settings: Any, state: JobState, cost: float
    ) -> None:
        settings.PRICES = {"scripted:work": 0.12}
        make_request(alice, status="MODEL_PENDING")
        turn()
        error = ProviderError(Fault.JOB_FAILED, permanent=True) if state == JobState.FAILED else None
        builder.say("poll", replace(builder.done("x"), state=state, units=20, error=error))
        skip_waits()
        turn()
        assert float(ProviderCall.objects.get().cost) == cost

    def test_one_that_failed_there_does_not_stop_the_others(
        self, alice: User, builder: Vendor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        failed, done, running = at_the_vendor(alice, 3)
        error = ProviderError(Fault.JOB_FAILED, billed=Billed.YES)
        says(
            builder,
            monkeypatch,
            {f"at-{failed}": Report(state=JobState.FAILED, error=error), f"at-{done}": builder.done("x")},
        )
        polls.poll_due("model")
        stages = dict(ModelGenerationJob.objects.values_list("pk", "stage"))
        assert stages == {failed: "ENDED", done: "STORING", running: "POLLING"}

    def test_overdue_ones_are_given_up_without_a_question(
        self, alice: User, builder: Vendor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        overdue, alive = at_the_vendor(alice, 2)
        says(builder, monkeypatch, {})
        ModelGenerationJob.objects.filter(pk=overdue).update(timeout_at=clock.now() - timedelta(seconds=1))
        polls.poll_due("model")
        assert builder.polls == [f"at-{alive}"]
        job = ModelGenerationJob.objects.get(pk=overdue)
        assert (job.status, job.error_code, job.provider_job_id) == ("TIMEOUT", "TIMEOUT", f"at-{overdue}")

    def test_one_that_is_cancelled_meanwhile_does_not_stop_the_others(
        self, alice: User, builder: Vendor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first, second = at_the_vendor(alice, 2)
        says(builder, monkeypatch, {f"at-{pk}": builder.done("x") for pk in (first, second)})
        write_down = polls.write_down

        def cancelled_first(*words: Any) -> None:
            request = GenerationRequest.objects.get(model_job=first)
            pipeline.cancel(owner=alice, request_id=request.id)
            write_down(*words)

        monkeypatch.setattr(polls, "write_down", cancelled_first)
        polls.poll_due("model")
        assert dict(ModelGenerationJob.objects.values_list("pk", "status")) == {first: "CANCELLED", second: "RUNNING"}
        assert ModelGenerationJob.objects.get(pk=second).stage == "STORING"

    def test_nor_one_that_is_cancelled_when_its_time_is_up(
        self, alice: User, builder: Vendor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        overdue, alive = at_the_vendor(alice, 2)
        ModelGenerationJob.objects.filter(pk=overdue).update(timeout_at=clock.now() - timedelta(seconds=1))
        take = queue.take_polls

        def cancelled_then(*words: Any, **more: Any) -> Any:
            batch = take(*words, **more)
            pipeline.cancel(owner=alice, request_id=GenerationRequest.objects.get(model_job=overdue).id)
            return batch

        with monkeypatch.context() as patch:
            patch.setattr(queue, "take_polls", cancelled_then)
            polls.poll_round("model")
        assert dict(ModelGenerationJob.objects.values_list("pk", "status")) == {overdue: "CANCELLED", alive: "RUNNING"}

    def test_a_batch_that_took_too_long_writes_nothing(self, alice: User, builder: Vendor) -> None:
        """Its lease is over and the jobs are in other hands."""
        at_the_vendor(alice, 1)
        slow = queue.take_polls("model", ["scripted"])
        ModelGenerationJob.objects.update(lease_until=clock.now() - timedelta(seconds=1))
        other = queue.take_polls("model", ["scripted"])
        ids = [job.pk for job in slow.jobs]
        assert ids == [job.pk for job in other.jobs]
        queue.put_back(slow, "scripted", {ids[0]: 99})
        queue.put_back_unanswered(slow, "scripted", ids, ProviderError(Fault.NETWORK))
        queue.put_back_unasked(slow, ids)
        job = model_job()
        assert (job.holder, job.progress, job.error_code) == (other.token, 40, "")


@pytest.mark.django_db(transaction=True)
class TestTogether:
    def test_no_job_is_asked_after_twice(self, alice: User, builder: Vendor, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(queue, "POLLS_AT_ONCE", 5)
        monkeypatch.setattr(polls, "rounds", threading.BoundedSemaphore(4))
        at_the_vendor(alice, 20)

        def poll(ref: str) -> Any:
            time.sleep(0.02)
            builder.polls.append(ref)
            return builder.running(ref, 50)

        monkeypatch.setattr(builder, "poll", poll)
        asked = in_threads(4, lambda: sum(polls.poll_due("model") for _ in range(3)))
        assert sum(asked) == 20
        assert set(Counter(builder.polls).values()) == {1}
        assert len(builder.polls) == 20

    @pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite locks no rows")
    def test_a_batch_that_is_being_claimed_holds_nobody_up(self, alice: User, builder: Vendor) -> None:
        """SKIP LOCKED: others' rows are passed over, not waited for."""
        first, second = at_the_vendor(alice, 2)
        with transaction.atomic():
            list(ModelGenerationJob.objects.select_for_update().filter(pk=first))
            began = time.monotonic()
            (found,) = in_threads(1, lambda: queue.take_polls("model", ["scripted"]).jobs)
            assert time.monotonic() - began < 5
        assert [job.pk for job in found] == [second]

    def test_all_end_well(self, alice: User, builder: Vendor) -> None:
        at_the_vendor(alice, 6)
        in_threads(3, lambda: polls.poll_due("model"))
        turn_to_the_end()
        assert set(ModelGenerationJob.objects.values_list("status", flat=True)) == {"COMPLETED"}
        assert len(builder.polls) == 6
