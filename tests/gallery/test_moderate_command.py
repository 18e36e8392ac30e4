"""`manage.py moderate`: for scripts, with exit codes that tell the truth."""

import io
import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from gallery import moderation, reports
from gallery.models import Decision, Model
from lumi.accounts.models import Strike, User
from lumi.models import AuditEntry
from tests.factories import make_model, make_user

REASON = ("--reason", "It is a weapon.")


def moderate(*words: str) -> str:
    """What the command prints for people."""
    out = StringIO()
    call_command("moderate", *words, stdout=out, stderr=StringIO())
    return out.getvalue()


def script(*words: str) -> Any:
    """What the command prints for scripts."""
    return json.loads(moderate(*words, "--json"))


@pytest.fixture
def model(alice: User) -> Model:
    """In the gallery."""
    return make_model(alice, public=True, name="Cat")


class TestLooking:
    @pytest.mark.parametrize("queue", ["new", "reported", "hidden", "appeals"])
    def test_each_queue_lists_what_waits_there(self, alice: User, queue: str) -> None:
        new, reported, hidden, appealed = (make_model(alice, public=True) for _ in range(4))
        Model.objects.filter(pk=new.pk).update(review_since=new.created_at)
        reports.report(user=make_user(), model_id=reported.pk, reason="SPAM")
        for model in (hidden, appealed):
            moderation.hide(model_id=model.pk, reason="No.")
        reports.appeal(user=alice, model_id=appealed.pk, text="Yes.")
        expected = {"new": [new], "reported": [reported], "hidden": [appealed, hidden], "appeals": [appealed]}
        assert [row["id"] for row in script("list", "--queue", queue)] == [one.pk for one in expected[queue]]
        assert expected[queue][0].pk in moderate("list", "--queue", queue)

    def test_an_empty_queue_is_said(self, db: None) -> None:
        assert (moderate("list").strip(), script("list")) == ("Nothing waits there.", [])

    def test_so_many_at_most(self, alice: User) -> None:
        for _ in range(3):
            make_model(alice, public=True, moderation="HIDDEN")
        assert len(script("list", "--queue", "hidden", "--limit", "2")) == 2

    @pytest.mark.parametrize("number", ["0", "-1", "x", "1001"])
    def test_a_wrong_number_is_refused(self, db: None, number: str) -> None:
        with pytest.raises(CommandError):
            moderate("list", "--limit", number)

    def test_a_model_is_shown_with_what_was_said(self, alice: User, model: Model) -> None:
        reports.report(user=make_user(), model_id=model.pk, reason="WEAPON", text="A gun.\x1b[31m")
        moderation.hide(model_id=model.pk, reason="It is a weapon.")
        reports.appeal(user=alice, model_id=model.pk, text="No.")
        shown = script("show", model.pk)
        assert (shown["model"]["moderation"], shown["model"]["owner"]) == ("HIDDEN", alice.pk)
        (decision,) = shown["decisions"]
        assert (decision["verdict"], decision["reason"], decision["appeal"]) == ("HIDDEN", "It is a weapon.", "OPEN")
        assert [(report["reason"], report["state"]) for report in shown["reports"]] == [("WEAPON", "UPHELD")]
        assert "\x1b" not in moderate("show", model.pk)

    def test_what_is_not_there_is_an_error(self, db: None) -> None:
        with pytest.raises(CommandError, match="no such model"):
            moderate("show", "nothing")


class TestDoing:
    def test_hiding_and_restoring_is_the_operators_doing(self, model: Model) -> None:
        assert moderate("hide", model.pk, *REASON, "--by", "Olga").strip() == "1 of 1 model(s): hidden."
        assert Model.objects.get().moderation == "HIDDEN"
        assert script("restore", model.pk, "--by", "Olga") == {"done": [model.pk], "refused": {}}
        assert Model.objects.get().moderation == "VISIBLE"
        assert set(AuditEntry.objects.values_list("actor", flat=True)) == {"operator Olga"}
        assert set(Decision.objects.values_list("decided_by", flat=True)) == {None}

    def test_approving(self, model: Model) -> None:
        Model.objects.update(review_since=model.created_at)
        moderate("approve", model.pk)
        assert Model.objects.get().review_since is None

    def test_warning_and_suspending(self, alice: User, model: Model) -> None:
        moderate("warn", model.pk, *REASON)
        assert Strike.objects.get().user == alice
        moderate("suspend-owner", model.pk, *REASON)
        alice.refresh_from_db()
        assert not alice.is_active

    def test_what_is_refused_stops_nothing_else_and_is_an_error(self, alice: User, model: Model) -> None:
        hidden = make_model(alice, public=True, moderation="HIDDEN")
        with pytest.raises(CommandError, match=f"{hidden.pk}: This was decided already.*; nothing: We could not find"):
            moderate("hide", hidden.pk, "nothing", model.pk, *REASON)
        assert Model.objects.get(pk=model.pk).moderation == "HIDDEN"

    @pytest.mark.parametrize("verb", ["hide", "remove", "warn", "suspend-owner"])
    def test_a_reason_is_needed(self, model: Model, verb: str) -> None:
        with pytest.raises(CommandError, match="--reason"):
            moderate(verb, model.pk)

    @pytest.mark.parametrize("answer", ["", "n\n", "no\n"])
    def test_removing_asks_first(self, model: Model, monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO(answer))
        with pytest.raises(CommandError, match="Nothing was changed"):
            moderate("remove", model.pk, *REASON)
        assert Model.objects.filter(pk=model.pk).exists()

    @pytest.mark.parametrize(("answer", "more"), [("y\n", []), ("", ["--yes"])])
    def test_and_removes_then(
        self, model: Model, monkeypatch: pytest.MonkeyPatch, answer: str, more: list[str]
    ) -> None:
        monkeypatch.setattr("sys.stdin", io.StringIO(answer))
        moderate("remove", model.pk, *REASON, *more)
        assert not Model.objects.exists()
