"""An owner appeals, once a decision; somebody else decides."""

from functools import partial
from typing import Any

import pytest
from rest_framework.test import APIClient

from gallery import moderation, reports, sharing
from gallery.models import Appeal, Decision, Model, Report
from lumi.accounts.conduct import BadReason
from lumi.accounts.models import Notice, User
from lumi.errors import Conflict, NotFound
from lumi.models import AuditEntry
from lumi.process import acting_as
from tests.factories import make_model, make_user
from tests.gallery.parallel import THREADS, at_once

REASON = "It is a weapon."
WORDS = "It is a cat."


@pytest.fixture
def judge(db: None) -> User:
    """Hides things."""
    return make_user(is_staff=True)


@pytest.fixture
def another(db: None) -> User:
    """Another member of staff."""
    return make_user(is_staff=True)


@pytest.fixture
def hidden(alice: User, judge: User, settled: Any) -> Model:
    """Alice's model, hidden by the judge."""
    model = make_model(alice, public=True, name="Cat")
    settled(moderation.hide, model_id=model.pk, reason=REASON, by=judge)
    return model


def appeal(client: APIClient, model: Model, text: Any = WORDS) -> Any:
    """Over the wire."""
    return client.post(f"/api/models/{model.pk}/appeal", {"text": text})


def refusal(answer: Any) -> tuple[int, str]:
    """Status and code."""
    return answer.status_code, answer.json()["data"]["code"]


def can_appeal(client: APIClient, model: Model) -> bool:
    """Whether the owner is told so."""
    told: bool = client.get(f"/api/models/{model.pk}").json()["data"]["moderation"]["canAppeal"]
    return told


class TestAppealing:
    def test_it_is_taken(self, as_alice: APIClient, hidden: Model, alice: User) -> None:
        assert can_appeal(as_alice, hidden)
        answer = appeal(as_alice, hidden, f"  {WORDS} ")
        assert answer.status_code == 201
        row = Appeal.objects.get()
        assert (row.decision, row.text, row.state) == (Decision.objects.get(), WORDS, "OPEN")
        told = answer.json()["data"]
        assert told["appeal"].pop("createdAt").endswith("Z")
        assert told == {
            "appeal": {"id": row.pk, "text": WORDS},
            "message": "Thank you. Somebody else will look at this decision.",
        }
        line = AuditEntry.objects.latest("number")
        assert (line.actor, line.action, line.subject_id) == (f"person {alice.pk}", "appealed", hidden.pk)
        assert not can_appeal(as_alice, hidden)

    def test_once_a_decision(self, as_alice: APIClient, hidden: Model, settled: Any) -> None:
        appeal(as_alice, hidden)
        assert refusal(appeal(as_alice, hidden)) == (409, "CONFLICT")
        settled(moderation.restore, model_id=hidden.pk)
        settled(moderation.hide, model_id=hidden.pk, reason=REASON)
        assert appeal(as_alice, hidden).status_code == 201

    @pytest.mark.parametrize("fields", [{}, {"public": True}, {"public": True, "moderation": "SUSPENDED"}])
    def test_not_where_nothing_was_decided(self, as_alice: APIClient, alice: User, fields: dict[str, Any]) -> None:
        assert refusal(appeal(as_alice, make_model(alice, **fields))) == (409, "INVALID_STATE")

    def test_not_where_it_is_shown_again(self, as_alice: APIClient, hidden: Model, settled: Any) -> None:
        settled(moderation.restore, model_id=hidden.pk)
        assert refusal(appeal(as_alice, hidden)) == (409, "INVALID_STATE")

    @pytest.mark.parametrize("text", [None, "", "  ", "x" * 1001, 4])
    def test_not_without_words(self, as_alice: APIClient, hidden: Model, text: Any) -> None:
        assert refusal(appeal(as_alice, hidden, text)) == (400, "VALIDATION_ERROR")
        assert not Appeal.objects.exists()

    def test_also_against_what_reports_have_done(
        self, as_alice: APIClient, alice: User, settings: Any, settled: Any
    ) -> None:
        settings.REPORTS_THAT_HIDE = 1
        model = make_model(alice, public=True)
        settled(reports.report, user=make_user(), model_id=model.pk, reason="SPAM")
        assert appeal(as_alice, model).status_code == 201


class TestDeciding:
    @pytest.fixture
    def made(self, alice: User, hidden: Model) -> Appeal:
        """Alice's appeal."""
        return reports.appeal(user=alice, model_id=hidden.pk, text=WORDS)

    def test_granted_it_is_shown_again(self, made: Appeal, another: User, alice: User, settled: Any) -> None:
        with acting_as("Another (2)"):
            settled(moderation.decide_appeal, appeal_id=made.pk, granted=True, answer="You are right.", by=another)
        model = Model.objects.get()
        assert set(Model.objects.in_gallery()) == {model}
        assert not sharing.lies_wrong(model)
        made.refresh_from_db()
        assert (made.state, made.answer, made.decided_by) == ("GRANTED", "You are right.", "Another (2)")
        newest = reports.newest_decision(model)
        assert (newest.verdict, newest.decided_by) == ("RESTORED", another)
        assert Notice.objects.filter(user=alice).latest("created_at").kind == "APPEAL_GRANTED"
        assert AuditEntry.objects.latest("number").action == "restored"

    def test_refused_it_stays_hidden(self, made: Appeal, another: User, as_alice: APIClient, settled: Any) -> None:
        settled(moderation.decide_appeal, appeal_id=made.pk, granted=False, answer="It has a trigger.", by=another)
        model = Model.objects.get()
        assert model.moderation == "HIDDEN"
        made.refresh_from_db()
        assert (made.state, made.answer) == ("REFUSED", "It has a trigger.")
        told = Notice.objects.latest("created_at")
        assert (told.kind, told.reason) == ("APPEAL_REFUSED", "It has a trigger.")
        assert AuditEntry.objects.latest("number").action == "appeal refused"
        assert refusal(appeal(as_alice, model)) == (409, "CONFLICT")

    @pytest.mark.parametrize("granted", [True, False])
    def test_never_by_whoever_made_the_decision(self, made: Appeal, judge: User, granted: bool) -> None:
        with pytest.raises(moderation.SomebodyElse):
            moderation.decide_appeal(appeal_id=made.pk, granted=granted, answer="I said so.", by=judge)
        made.refresh_from_db()
        assert made.state == "OPEN"

    @pytest.mark.parametrize("granted", [True, False])
    def test_once(self, made: Appeal, another: User, granted: bool) -> None:
        decide = partial(moderation.decide_appeal, appeal_id=made.pk, answer="So be it.", by=another)
        decide(granted=granted)
        with pytest.raises(moderation.Settled):
            decide(granted=not granted)

    def test_a_refusal_has_words(self, made: Appeal, another: User) -> None:
        with pytest.raises(BadReason):
            moderation.decide_appeal(appeal_id=made.pk, granted=False, answer=" ", by=another)

    def test_one_that_is_not_there(self, another: User) -> None:
        with pytest.raises(NotFound):
            moderation.decide_appeal(appeal_id="nothing", granted=True, answer="", by=another)

    def test_a_verdict_settles_it(self, made: Appeal, judge: User, another: User, settled: Any) -> None:
        settled(moderation.restore, model_id=made.decision.model_id, by=judge)
        made.refresh_from_db()
        assert made.state == "GRANTED"
        with pytest.raises(moderation.Settled):
            moderation.decide_appeal(appeal_id=made.pk, granted=False, answer="No.", by=another)

    def test_against_reports_a_refusal_upholds_them(
        self, alice: User, another: User, settings: Any, settled: Any
    ) -> None:
        settings.REPORTS_THAT_HIDE = 1
        model = make_model(alice, public=True)
        settled(reports.report, user=make_user(), model_id=model.pk, reason="SPAM")
        made = reports.appeal(user=alice, model_id=model.pk, text=WORDS)
        settled(moderation.decide_appeal, appeal_id=made.pk, granted=False, answer="It is spam.", by=another)
        model.refresh_from_db()
        assert (model.moderation, model.open_reports) == ("HIDDEN", 0)
        assert Report.objects.get().state == "UPHELD"


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_one_of_many_appeals_is_taken_and_one_of_many_answers(self) -> None:
        owner, judges = make_user(), [make_user(is_staff=True) for _ in range(4)]
        model = make_model(owner, public=True)
        moderation.hide(model_id=model.pk, reason=REASON)
        outcomes = at_once([partial(reports.appeal, user=owner, model_id=model.pk, text=WORDS)] * THREADS)
        (made,) = [outcome for outcome in outcomes if isinstance(outcome, Appeal)]
        assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == THREADS - 1
        decide = partial(moderation.decide_appeal, appeal_id=made.pk, answer="So be it.")
        answers = at_once([partial(decide, granted=bool(n % 2), by=judge) for n, judge in enumerate(judges)])
        assert answers.count(None) == 1
        assert sum(isinstance(outcome, moderation.Settled) for outcome in answers) == 3
        model.refresh_from_db()
        assert not sharing.lies_wrong(model)
        granted = Appeal.objects.get().state == "GRANTED"
        assert model.moderation == ("VISIBLE" if granted else "HIDDEN")
