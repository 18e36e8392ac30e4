"""People report models: one open report a person and model, and enough of them hide it until staff have looked."""

from functools import partial
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from gallery import moderation, reports
from gallery.models import Decision, Model, Report
from lumi import files
from lumi.accounts import erasure
from lumi.accounts.models import Notice, User
from lumi.errors import Conflict
from lumi.models import AuditEntry
from tests.factories import make_model, make_user
from tests.gallery import onlookers
from tests.gallery.parallel import THREADS, at_once


def report(client: APIClient, model: Model, **given: Any) -> Any:
    """Over the wire."""
    return client.post(f"/api/models/{model.pk}/report", {"reason": "SPAM", **given})


def refusal(answer: Any) -> tuple[int, str]:
    """Status and code."""
    return answer.status_code, answer.json()["data"]["code"]


def reported(model: Model, times: int) -> None:
    """By so many people."""
    for _ in range(times):
        reports.report(user=make_user(), model_id=model.pk, reason="SPAM")


@pytest.fixture
def model(alice: User) -> Model:
    """In the gallery."""
    return make_model(alice, public=True, name="Cat")


class TestReporting:
    def test_it_is_taken_with_thanks(self, as_bob: APIClient, model: Model, bob: User) -> None:
        answer = report(as_bob, model, reason="WEAPON", text="  A gun. ")
        assert answer.status_code == 201
        told = answer.json()["data"]
        row = Report.objects.get()
        assert (row.model, row.reporter, row.reason, row.text, row.state) == (model, bob, "WEAPON", "A gun.", "OPEN")
        assert told["report"].pop("createdAt").endswith("Z")
        assert told["report"] == {"id": row.pk, "reason": "WEAPON", "text": "A gun."}
        assert told["message"] == "Thank you. We will look at this model."

    def test_it_is_counted_and_moves_nothing_that_people_see(self, as_bob: APIClient, model: Model) -> None:
        before = as_bob.get("/api/models/public").json()
        report(as_bob, model)
        assert as_bob.get("/api/models/public").json() == before
        assert Model.objects.get().open_reports == 1

    def test_the_trail_knows_the_person_by_id_only(self, as_bob: APIClient, model: Model, bob: User) -> None:
        report(as_bob, model, text="A gun.")
        line = AuditEntry.objects.get()
        assert (line.actor, line.action, line.subject_id) == (f"person {bob.pk}", "reported", model.pk)
        assert "A gun." not in str(line.after)

    def test_once_a_person_until_it_is_decided(self, as_bob: APIClient, model: Model) -> None:
        report(as_bob, model)
        assert refusal(report(as_bob, model)) == (409, "CONFLICT")
        assert Model.objects.get().open_reports == 1
        moderation.approve(model_id=model.pk)
        assert report(as_bob, model).status_code == 201
        assert [Model.objects.get().open_reports, Report.objects.count()] == [1, 2]

    def test_nobody_reports_their_own(self, as_alice: APIClient, model: Model) -> None:
        answer = report(as_alice, model)
        assert refusal(answer) == (403, "FORBIDDEN")
        assert "yours" in answer.json()["data"]["message"]

    @pytest.mark.parametrize(
        "given", [{"reason": "RUDE"}, {"reason": None}, {"reason": ""}, {"reason": 1}, {"text": "x" * 501}, {"text": 3}]
    )
    def test_what_is_wrong_is_said_and_changes_nothing(self, as_bob: APIClient, model: Model, given: Any) -> None:
        answer = report(as_bob, model, **given)
        assert refusal(answer) == (400, "VALIDATION_ERROR")
        assert set(answer.json()["data"]["details"]) == set(given)
        assert not Report.objects.exists()

    @pytest.mark.parametrize("text", [None, "", "   "])
    def test_a_text_is_not_needed(self, as_bob: APIClient, model: Model, text: str | None) -> None:
        assert report(as_bob, model, text=text).json()["data"]["report"]["text"] is None

    def test_a_report_that_has_been_looked_at_is_dismissed(self, model: Model) -> None:
        reported(model, 2)
        moderation.approve(model_id=model.pk)
        assert set(Report.objects.values_list("state", "is_open")) == {("DISMISSED", None)}
        assert Model.objects.get().open_reports == 0


class TestEnoughReports:
    @pytest.fixture(autouse=True)
    def three(self, settings: Any) -> None:
        """Are enough."""
        settings.REPORTS_THAT_HIDE = 3

    def test_hide_it_until_it_is_looked_at(
        self, as_bob: APIClient, alice: User, model: Model, client: Client, settled: Any
    ) -> None:
        address = str(files.url(model.key("glb")))
        settled(reported, model=model, times=2)
        assert set(Model.objects.in_gallery()) == {model}
        settled(report, client=as_bob, model=model)
        hidden = Model.objects.get()
        assert (hidden.moderation, hidden.open_reports) == ("HIDDEN", 3)
        assert onlookers.opened(client, [address]) == {404}
        decision = Decision.objects.get()
        assert (decision.verdict, decision.decided_by) == ("HIDDEN", None)
        assert [notice.reason for notice in Notice.objects.filter(user=alice)] == [decision.reason]
        assert list(AuditEntry.objects.order_by("number").values_list("action", flat=True)[2:]) == [
            "hidden",
            "reported",
        ]

    @pytest.mark.parametrize(
        ("language", "word"), [("en", "Several people"), ("zh-hans", "有多人举报"), ("", "有多人举报")]
    )
    def test_the_owner_reads_why_in_their_language(self, model: Model, language: str, word: str) -> None:
        User.objects.filter(pk=model.owner_id).update(language=language)
        reported(model, 3)
        assert Decision.objects.get().reason.startswith(word)

    def test_staff_who_approve_show_it_again(self, alice: User, model: Model, settled: Any) -> None:
        settled(reported, model=model, times=3)
        settled(moderation.approve, model_id=model.pk)
        assert set(Model.objects.in_gallery()) == {model}
        assert set(Report.objects.values_list("state", flat=True)) == {"DISMISSED"}
        assert [notice.kind for notice in Notice.objects.order_by("pk")] == ["MODEL_HIDDEN", "MODEL_APPROVED"]

    def test_staff_who_hide_it_uphold_them(self, model: Model, settled: Any) -> None:
        settled(reported, model=model, times=3)
        settled(moderation.hide, model_id=model.pk, reason="It is spam.", by=make_user(is_staff=True))
        assert Model.objects.get().moderation == "HIDDEN"
        assert set(Report.objects.values_list("state", flat=True)) == {"UPHELD"}
        with pytest.raises(moderation.Settled):
            moderation.approve(model_id=model.pk)

    def test_none_are_where_the_setting_is_nought(self, model: Model, settings: Any) -> None:
        settings.REPORTS_THAT_HIDE = 0
        reported(model, 4)
        assert Model.objects.get().moderation == "VISIBLE"


class TestWhoGoes:
    def test_takes_their_reports_along_and_the_counter_follows(self, model: Model, bob: User) -> None:
        reported(model, 1)
        reports.report(user=bob, model_id=model.pk, reason="SPAM")
        reports.withdraw_all(bob, keep_public=True)
        assert Model.objects.get().open_reports == Report.objects.count() == 1

    def test_a_closed_report_does_not_count_twice(self, model: Model, bob: User) -> None:
        reports.report(user=bob, model_id=model.pk, reason="SPAM")
        moderation.approve(model_id=model.pk)
        reported(model, 1)
        reports.withdraw_all(bob, keep_public=True)
        assert Model.objects.get().open_reports == Report.objects.count() == 1

    def test_through_the_one_door_by_which_people_go(self, model: Model, bob: User, settled: Any) -> None:
        reports.report(user=bob, model_id=model.pk, reason="SPAM")
        settled(erasure.erase, person_id=bob.pk)
        assert not User.objects.filter(pk=bob.pk).exists()
        assert Model.objects.get().open_reports == 0


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_one_of_many_reports_of_a_person_is_taken(self) -> None:
        model, person = make_model(make_user(), public=True), make_user()
        outcomes = at_once([partial(reports.report, user=person, model_id=model.pk, reason="SPAM")] * THREADS)
        assert sum(isinstance(outcome, Report) for outcome in outcomes) == 1
        assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == THREADS - 1
        assert Model.objects.get().open_reports == Report.objects.count() == 1

    def test_many_people_are_all_counted(self) -> None:
        model = make_model(make_user(), public=True)
        people = [make_user() for _ in range(4)]
        outcomes = at_once([partial(reports.report, user=one, model_id=model.pk, reason="SPAM") for one in people])
        assert all(isinstance(outcome, Report) for outcome in outcomes)
        assert Model.objects.get().open_reports == 4

    def test_the_one_too_many_hides_once(self, settings: Any) -> None:
        settings.REPORTS_THAT_HIDE = 2
        model = make_model(make_user(), public=True)
        people = [make_user() for _ in range(THREADS)]
        at_once([partial(reports.report, user=one, model_id=model.pk, reason="SPAM") for one in people])
        model.refresh_from_db()
        assert (model.moderation, model.open_reports) == ("HIDDEN", 2)
        assert Decision.objects.count() == Notice.objects.count() == 1
