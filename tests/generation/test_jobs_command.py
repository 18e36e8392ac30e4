"""`manage.py jobs`: every verb, for people and for scripts, and what is written down of who did it."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from generation import outcomes, pipeline
from generation.models import (
    GenerationRequest,
    ImageGenerationJob,
    JobEvent,
    ModelGenerationJob,
    ProviderCall,
)
from lumi import clock
from lumi.accounts.models import User
from tests.factories import make_request
from tests.generation.conftest import turn, turn_to_the_end
from tests.generation.shell import jobs, script
from tests.generation.vendor import Vendor

pytestmark = pytest.mark.django_db


def answer(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """What the operator types."""
    monkeypatch.setattr("sys.stdin", StringIO(text))


def model_job() -> ModelGenerationJob:
    """The only one there is, as it is now."""
    return ModelGenerationJob.objects.with_context().get()


def failed_with(alice: User, code: str) -> ModelGenerationJob:
    """A model job that has failed."""
    request = make_request(alice, status="MODEL_FAILED")
    ModelGenerationJob.objects.filter(request=request).update(error_code=code)
    return ModelGenerationJob.objects.get(request=request)


class TestList:
    def test_for_people(self, alice: User) -> None:
        make_request(alice, status="MODEL_FAILED")
        page = jobs("list", "--kind", "model")
        job = model_job()
        head, line = (page.splitlines()[number] for number in (1, 3))
        assert head.split()[:4] == ["kind", "id", "status", "stage"]
        assert line.split() == [
            "model",
            job.id,
            "FAILED",
            "ENDED",
            "1",
            "0",
            "0",
            "%",
            "0s",
            alice.email,
            "UNAVAILABLE",
        ]

    def test_for_scripts(self, alice: User) -> None:
        request = make_request(alice, status="MODEL_GENERATING")
        (found,) = script("list", "--kind", "model")
        assert found == {
            "kind": "model", "id": model_job().id, "status": "RUNNING", "stage": "POLLING", "provider": "scripted",
            "attempt": 1, "retryCount": 0, "progress": 40, "ageSeconds": found["ageSeconds"], "owner": alice.email,
            "requestId": request.id, "errorCode": "",
        }  # fmt: skip
        assert 0 <= found["ageSeconds"] < 60

    def test_nothing_found(self, db: None) -> None:
        assert jobs("list") == "No job matches.\n"
        assert script("list") == []

    def test_what_narrows(self, alice: User, bob: User) -> None:
        first = make_request(alice, status="MODEL_FAILED")
        second = make_request(bob, status="MODEL_GENERATING")
        ImageGenerationJob.objects.of_request(first.id).update(created_at=clock.now() - timedelta(hours=3))

        def number(*words: str) -> int:
            return len(script("list", *words))

        assert number() == 10
        assert number("--kind", "image") == 8
        assert number("--status", "FAILED", "RUNNING") == 2
        assert number("--status", "failed") == 1
        assert number("--stage", "POLLING") == 1
        assert number("--older-than", "2h") == 4
        assert number("--older-than", "3d") == 0
        assert number("--owner", "ALICE@example.com") == 5
        assert number("--owner", bob.id) == 5
        assert number("--owner", "nobody") == 0
        assert number("--provider", "scripted") == 1
        assert number("--error", "UNAVAILABLE") == 1
        assert number("--error", "UNAVAILABLE", "--owner", bob.email) == 0
        assert number("--limit", "3") == 3
        assert script("list", "--kind", "model")[0]["requestId"] == second.id
        assert script("list", "--kind", "model", "--oldest")[0]["requestId"] == first.id

    def test_the_order_holds_over_both_kinds(self, alice: User) -> None:
        make_request(alice, status="MODEL_FAILED")
        found = [row["kind"] for row in script("list", "--oldest", "--limit", "5")]
        assert found == ["image"] * 4 + ["model"]
        assert script("list", "--limit", "1")[0]["kind"] == "model"

    def test_costs_the_same_for_many(self, alice: User, django_assert_num_queries: Any) -> None:
        for _ in range(5):
            make_request(alice, status="MODEL_FAILED")
        with django_assert_num_queries(3):
            script("list")

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (("--older-than", "soon"), "no span of time"),
            (("--older-than", "h"), "no span of time"),
            (("--older-than", "9999999999d"), "no span of time"),
            (("--limit", "0"), "above 0"),
            (("--limit", "many"), "above 0"),
            (("--status", "BROKEN"), "invalid choice"),
            (("--kind", "sound"), "invalid choice"),
        ],
    )
    def test_mistakes_are_said(self, db: None, words: tuple[str, ...], said: str) -> None:
        with pytest.raises(CommandError, match=said):
            jobs("list", *words)

    def test_a_verb_is_needed(self, db: None) -> None:
        with pytest.raises(CommandError):
            jobs()
        with pytest.raises(CommandError, match="invalid choice"):
            jobs("dance")


class TestShow:
    def test_for_scripts(self, alice: User, builder: Vendor) -> None:
        request = make_request(alice, status="MODEL_PENDING", prompt="eine Katze")
        turn_to_the_end()
        found = script("show", model_job().id)
        assert (found["job"]["status"], found["job"]["stage"], found["job"]["owner"]) == (
            "COMPLETED",
            "ENDED",
            alice.email,
        )
        assert found["job"]["providerJobId"] == f"job-{builder.ledger[0]}"
        assert (found["request"]["id"], found["request"]["prompt"]) == (request.id, "eine Katze")
        assert [(call["reference"], call["outcome"]) for call in found["calls"]] == [(builder.ledger[0], "ACCEPTED")]
        words = [event["event"] for event in found["history"]]
        assert (words[:2], words[-1]) == (["CLAIMED", "SUBMITTING"], "COMPLETED")
        assert all(event["process"] for event in found["history"])

    def test_for_people(self, alice: User, builder: Vendor) -> None:
        make_request(alice, status="MODEL_PENDING", prompt="eine Katze")
        turn_to_the_end()
        page = jobs("show", model_job().id)
        for word in (
            model_job().id,
            alice.email,
            "eine Katze",
            builder.ledger[0],
            "ACCEPTED",
            "SUBMITTING",
            "COMPLETED",
        ):
            assert word in page

    def test_before_anything_has_happened(self, alice: User) -> None:
        make_request(alice, status="MODEL_PENDING")
        assert "history: nothing" in jobs("show", model_job().id)

    def test_what_a_vendor_wrote_does_not_steer_the_terminal(self, alice: User) -> None:
        make_request(alice, status="MODEL_FAILED")
        ModelGenerationJob.objects.update(error_text="\x1b[2Jgone [bold]\n")
        page = jobs("show", model_job().id)
        assert "\x1b" not in page
        assert "[2Jgone [bold]" in page

    def test_an_unknown_id(self, db: None) -> None:
        with pytest.raises(CommandError, match="No such job: nonsense"):
            jobs("show", "nonsense")


class TestRequeue:
    def test_by_id_and_by_whom(self, alice: User) -> None:
        job = failed_with(alice, "UNAVAILABLE")
        assert "1 of 1 jobs were queued again" in jobs("requeue", job.id, "--yes", "--by", "carol")
        assert model_job().status == "PENDING"
        event = JobEvent.objects.get(job_id=job.id)
        assert (event.event, event.actor) == ("WAITING", "operator carol")

    def test_for_scripts(self, alice: User) -> None:
        job = failed_with(alice, "UNAVAILABLE")
        assert script("requeue", "--all", "--kind", "image", "--yes") == {"done": [], "refused": {}}
        assert script("requeue", "--error", "UNAVAILABLE", "--yes") == {"done": [job.id], "refused": {}}

    @pytest.mark.parametrize("text", ["n\n", "\n", "", "perhaps\n"])
    def test_asks_before_it_may_cost_money(self, alice: User, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
        failed_with(alice, "UNAVAILABLE")
        answer(monkeypatch, text)
        with pytest.raises(CommandError, match="Nothing was changed"):
            jobs("requeue", "--all")
        assert model_job().status == "FAILED"

    def test_goes_on_after_a_yes(self, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
        failed_with(alice, "UNAVAILABLE")
        answer(monkeypatch, "y\n")
        assert script("requeue", "--all")["done"] == [model_job().id]
        assert model_job().status == "PENDING"

    @pytest.mark.parametrize("command", [("jobs", "requeue"), ("requeue_jobs",)])
    def test_paying_twice_takes_a_word_of_its_own(self, alice: User, command: tuple[str, ...]) -> None:
        doubtful, other = failed_with(alice, "OUTCOME_UNKNOWN"), failed_with(alice, "UNAVAILABLE")
        with pytest.raises(CommandError, match=f"1 of 2 jobs may have been paid.*{doubtful.id}") as error:
            call_command(*command, "--all", "--yes", stdout=StringIO())
        assert other.id not in str(error.value)
        assert set(ModelGenerationJob.objects.values_list("status", flat=True)) == {"FAILED"}
        call_command(*command, "--all", "--yes", "--accept-double-charge", stdout=StringIO())
        assert set(ModelGenerationJob.objects.values_list("status", flat=True)) == {"PENDING"}

    def test_the_question_names_what_may_be_paid_twice(self, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
        failed_with(alice, "OUTCOME_UNKNOWN")
        answer(monkeypatch, "yes\n")
        out, err = StringIO(), StringIO()
        call_command("jobs", "requeue", "--all", "--accept-double-charge", stdout=out, stderr=err)
        assert "1 of them may be paid for twice" in err.getvalue()
        assert model_job().status == "PENDING"

    def test_a_requeued_job_is_a_new_attempt(self, alice: User, builder: Vendor) -> None:
        job = failed_with(alice, "OUTCOME_UNKNOWN")
        jobs("requeue", job.id, "--yes", "--accept-double-charge")
        turn_to_the_end()
        assert builder.ledger == [f"{job.id}-2"]
        assert GenerationRequest.objects.get().status == "COMPLETED"

    def test_mistakes_are_said(self, alice: User) -> None:
        make_request(alice, status="MODEL_PENDING")
        running = model_job().id
        for words, said in (
            ((), "Name job ids"),
            (("nonsense", "--yes"), "Not a failed job: nonsense"),
            ((running, "--yes"), running),
        ):
            with pytest.raises(CommandError, match=said):
                jobs("requeue", *words)
        assert "No failed job matches" in jobs("requeue", "--error", "TIMEOUT")

    def test_a_request_that_is_over_is_not_reopened(self, alice: User) -> None:
        request = make_request(alice, status="IMAGE_COMPLETED")
        job = ImageGenerationJob.objects.first()
        ImageGenerationJob.objects.filter(pk=job.pk).update(status="FAILED")
        with pytest.raises(CommandError, match=r"1 of 1 jobs were not queued again.*no longer waits"):
            jobs("requeue", job.id, "--yes")
        assert GenerationRequest.objects.get(pk=request.pk).status == "IMAGE_COMPLETED"


class TestCancel:
    def test_the_whole_request_through_the_owners_door(self, alice: User) -> None:
        request = make_request(alice, status="IMAGE_GENERATING")
        ids = list(ImageGenerationJob.objects.values_list("pk", flat=True))
        assert "1 of 1 requests were cancelled" in jobs("cancel", *ids[:2], "--by", "carol")
        assert GenerationRequest.objects.get(pk=request.pk).status == "CANCELLED"
        assert set(ImageGenerationJob.objects.values_list("status", flat=True)) == {"CANCELLED"}
        written = set(JobEvent.objects.values_list("job_id", "event", "actor"))
        assert written == {(pk, "CANCELLED", "operator carol") for pk in ids}

    def test_what_is_over_is_an_error_and_stops_nothing_else(self, alice: User) -> None:
        over, open_one = make_request(alice, status="COMPLETED"), make_request(alice, status="MODEL_GENERATING")
        ids = [ModelGenerationJob.objects.get(request=request).id for request in (over, open_one)]
        with pytest.raises(CommandError, match=f"1 of 2 requests were not cancelled. {over.id}: "):
            jobs("cancel", *ids)
        assert GenerationRequest.objects.get(pk=open_one.pk).status == "CANCELLED"

    def test_an_unknown_id_changes_nothing(self, alice: User) -> None:
        make_request(alice, status="MODEL_GENERATING")
        with pytest.raises(CommandError, match="No such job: nonsense"):
            jobs("cancel", model_job().id, "nonsense")
        assert model_job().status == "RUNNING"

    def test_for_scripts(self, alice: User) -> None:
        request = make_request(alice, status="MODEL_GENERATING")
        assert script("cancel", model_job().id) == {"done": [request.id], "refused": {}}


class TestFail:
    @pytest.mark.parametrize("stage", ["WAITING", "SUBMITTING", "POLLING", "STORING", "UNKNOWN"])
    def test_at_every_stage(self, alice: User, stage: str) -> None:
        request = make_request(alice, status="MODEL_GENERATING")
        status = "PENDING" if stage == "WAITING" else "RUNNING"
        ModelGenerationJob.objects.update(stage=stage, status=status, holder="somebody", lease_until=clock.now())
        before = model_job()
        jobs("fail", before.id, "--reason", "the vendor asked us to", "--by", "carol")
        job = model_job()
        assert (job.stage, job.status, job.error_code) == ("ENDED", "FAILED", "FAILED_BY_OPERATOR")
        assert (job.error_text, job.holder, job.lease_until) == ("the vendor asked us to", "", None)
        assert GenerationRequest.objects.get(pk=request.pk).status == "MODEL_FAILED"
        assert JobEvent.objects.get(job_id=job.id).actor == "operator carol"
        assert before.write({"progress": 99}) is False  # whoever works on it writes nothing more
        pipeline.retry(owner=alice, request_id=request.id)
        assert model_job().fence > before.fence  # not even when the job lives again

    def test_one_picture_leaves_the_others(self, alice: User, painter: Vendor) -> None:
        request = make_request(alice, status="IMAGE_GENERATING")
        ImageGenerationJob.objects.update(next_at=clock.now())
        job = ImageGenerationJob.objects.filter(image__index=2).get()
        assert script("fail", job.id) == {"done": [job.id], "refused": {}}
        turn_to_the_end()
        assert GenerationRequest.objects.get(pk=request.pk).status == "IMAGE_COMPLETED"
        assert len(painter.ledger) == 3
        assert pipeline.messages.sentence("FAILED_BY_OPERATOR") != pipeline.messages.sentence("ANYTHING")

    def test_while_it_is_being_submitted(self, alice: User, builder: Vendor) -> None:
        """The vendor's answer comes too late, and the vendor is told to stop."""
        make_request(alice, status="MODEL_PENDING")
        builder.during["submit"] = lambda: jobs("fail", model_job().id)
        turn()
        assert model_job().error_code == "FAILED_BY_OPERATOR"
        assert builder.cancelled == [f"job-{builder.ledger[0]}"]

    def test_what_has_ended_stays(self, alice: User) -> None:
        make_request(alice, status="COMPLETED")
        with pytest.raises(CommandError, match="already ended: COMPLETED"):
            jobs("fail", model_job().id)
        assert model_job().status == "COMPLETED"

    def test_the_default_reason_names_the_operator(self, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("getpass.getuser", lambda: "dave")
        make_request(alice, status="MODEL_PENDING")
        jobs("fail", model_job().id)
        assert model_job().error_text == "ended by operator dave"

    def test_a_container_without_users(self, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
        def nobody() -> str:
            raise KeyError("uid not found")

        monkeypatch.setattr("getpass.getuser", nobody)
        make_request(alice, status="MODEL_PENDING")
        jobs("fail", model_job().id)
        assert model_job().error_text == "ended by operator unknown"


def test_fail_has_the_provider_told_to_stop(alice: User, builder: Vendor) -> None:
    make_request(alice, status="MODEL_PENDING")
    turn()
    jobs("fail", model_job().id)
    outcomes.tell_to_stop()
    assert builder.cancelled == [f"job-{builder.ledger[0]}"]


def test_paid_calls_are_shown_in_order(alice: User) -> None:
    job = failed_with(alice, "UNAVAILABLE")
    for number in (1, 2):
        ProviderCall.objects.create(reference=f"{job.id}-{number}", kind="model", job_id=job.id, provider="scripted")
    assert [call["reference"][-1] for call in script("show", job.id)["calls"]] == ["1", "2"]
