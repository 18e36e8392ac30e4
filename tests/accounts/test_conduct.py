"""What staff do about people: a row, a notice, a line of the audit trail; and what follows from it."""

from typing import Any

import pytest
from django.core import mail
from django.db import OperationalError
from pytest_django import Settings
from rest_framework.test import APIClient

from gallery.models import Model
from generation import pipeline, sweeps
from generation.models import GenerationRequest, ImageGenerationJob
from lumi import audit
from lumi.accounts import conduct, notices, sessions, tokens
from lumi.accounts.models import Notice, Session, Strike, User
from lumi.errors import LumiError
from lumi.models import AuditEntry
from lumi.process import acting_as
from tests.accounts.desk import ADDRESS, at_once, failure, log_in, mailed_code
from tests.conftest import client_of
from tests.factories import make_model, make_request, make_user

pytestmark = pytest.mark.django_db(transaction=True)


def lines() -> list[tuple[str, str, str]]:
    """The audit trail: what, about whom, why."""
    return [(line.action, line.subject_id, line.reason) for line in audit.lines()]


def kinds(person: User) -> list[str]:
    """What somebody was told, in order."""
    return list(Notice.objects.filter(user=person).order_by("created_at", "id").values_list("kind", flat=True))


class TestWarning:
    """A strike."""

    def test_is_a_row_a_notice_and_a_line(self, alice: User) -> None:
        model = make_model(alice)
        with acting_as("Boss (1)"):
            strike = conduct.warn(person_id=alice.pk, reason="  no weapons ", about=model.pk)
        assert Strike.objects.get() == strike
        assert (strike.reason, strike.about, strike.given_by) == ("no weapons", model.pk, "Boss (1)")
        notice = Notice.objects.get()
        assert (notice.kind, notice.about, notice.reason) == ("WARNING", model.pk, "no weapons")
        assert lines() == [("warned", alice.pk, "no weapons")]
        assert AuditEntry.objects.get().actor == "Boss (1)"

    def test_outlives_what_it_was_about(self, alice: User) -> None:
        model = make_model(alice)
        conduct.warn(person_id=alice.pk, reason="no weapons", about=model.pk)
        model.delete()
        assert Strike.objects.get().about

    def test_not_for_whoever_is_going(self, alice: User) -> None:
        User.objects.filter(pk=alice.pk).update(leaving="KEEP", is_active=False)
        with pytest.raises(conduct.BeingDeleted):
            conduct.warn(person_id=alice.pk, reason="spam")


class TestSuspending:
    """Nobody comes in any more, at once."""

    def test_all_that_lets_them_in_ends(self, as_alice: APIClient, alice: User, as_bob: APIClient) -> None:
        _, text = tokens.create(user=alice, name="x", scopes=["read"], days=1)
        refresh = sessions.pair_for(session=sessions.start(user=alice)).refresh_token
        assert conduct.suspend(person_id=alice.pk, reason="spam")
        for client in (as_alice, APIClient(headers={"authorization": f"Bearer {text}"})):
            assert failure(client.get("/api/requests")) == (401, "UNAUTHORIZED")
        assert failure(APIClient().post("/api/auth/refresh", {"refreshToken": refresh})) == (401, "UNAUTHORIZED")
        assert as_bob.get("/api/requests").status_code == 200

    def test_signing_in_says_why_not(self, alice: User, as_nobody: APIClient) -> None:
        conduct.suspend(person_id=alice.pk, reason="spam")
        answer = as_nobody.post("/api/auth/login", {"email": ADDRESS, "code": mailed_code(as_nobody)})
        assert failure(answer) == (403, "FORBIDDEN")

    def test_is_told_and_written_down(self, alice: User) -> None:
        conduct.suspend(person_id=alice.pk, reason="spam")
        alice.refresh_from_db()
        assert (alice.is_active, alice.suspended_at is None) == (False, False)
        assert (kinds(alice), lines()) == (["SUSPENDED"], [("suspended", alice.pk, "spam")])
        entry = AuditEntry.objects.get()
        assert (entry.before["active"], entry.after["active"]) == (True, False)

    def test_twice_is_once(self, alice: User) -> None:
        assert conduct.suspend(person_id=alice.pk, reason="spam")
        assert not conduct.suspend(person_id=alice.pk, reason="spam")
        assert (kinds(alice), len(lines())) == (["SUSPENDED"], 1)

    def test_many_at_once_is_once(self, alice: User) -> None:
        done = at_once(4, lambda _: conduct.suspend(person_id=alice.pk, reason="spam"))
        assert done.count(True) == 1
        assert (kinds(alice), len(lines())) == (["SUSPENDED"], 1)

    def test_leaves_alone_who_is_going(self, alice: User) -> None:
        User.objects.filter(pk=alice.pk).update(leaving="KEEP", is_active=False)
        assert not conduct.suspend(person_id=alice.pk, reason="spam")
        assert not conduct.restore(person_id=alice.pk)
        assert lines() == []

    @pytest.mark.parametrize("reason", ["", "  \n", "x" * 501])
    def test_takes_a_reason(self, alice: User, reason: str) -> None:
        for verb in (conduct.suspend, conduct.warn):
            with pytest.raises(conduct.BadReason):
                verb(person_id=alice.pk, reason=reason)
        assert (lines(), kinds(alice)) == ([], [])

    def test_nobody_there(self, db: None) -> None:
        for person_id in ("nobody", User.objects.tombstone().pk):
            for verb in (conduct.suspend, conduct.warn, conduct.restore):
                with pytest.raises(conduct.NoPerson):
                    verb(person_id=person_id, reason="spam")

    @pytest.mark.parametrize(
        ("by", "error"),
        [
            ("oneself", conduct.NotOneself),
            ("a clerk", conduct.AboveYou),
            ("a script", conduct.AboveYou),
            ("a peer", None),
        ],
    )
    def test_a_superuser_only_by_another(self, by: str, error: type[LumiError] | None) -> None:
        root = make_user(is_staff=True, is_superuser=True)
        who = {
            "oneself": root,
            "a clerk": make_user(is_staff=True),
            "a script": None,
            "a peer": make_user(is_superuser=True),
        }[by]
        if error:
            with pytest.raises(error):
                conduct.suspend(person_id=root.pk, reason="spam", by=who)
        else:
            assert conduct.suspend(person_id=root.pk, reason="spam", by=who)


class TestWhatFollows:
    """The rooms hide what everybody could see, and pay nothing more."""

    def test_models_are_gone_at_once_and_come_back_whole(self, alice: User, as_nobody: APIClient) -> None:
        model = make_model(alice, public=True)
        before = as_nobody.get(f"/api/models/{model.pk}").json()["data"]
        conduct.suspend(person_id=alice.pk, reason="spam")
        assert as_nobody.get(f"/api/models/{model.pk}").status_code == 404
        assert as_nobody.get("/api/models/public").json()["data"] == []
        conduct.restore(person_id=alice.pk)
        after = as_nobody.get(f"/api/models/{model.pk}").json()["data"]
        assert {**after, **dict.fromkeys(CHANGED)} == {**before, **dict.fromkeys(CHANGED)}
        assert Model.objects.get(pk=model.pk).moderation == "VISIBLE"

    @pytest.mark.parametrize("status", ["IMAGE_PENDING", "IMAGE_GENERATING", "MODEL_PENDING", "MODEL_GENERATING"])
    def test_what_is_under_way_is_cancelled(self, alice: User, status: str) -> None:
        request = make_request(alice, status=status)
        conduct.suspend(person_id=alice.pk, reason="spam")
        request.refresh_from_db()
        assert request.status == "CANCELLED"
        assert not ImageGenerationJob.objects.of_request(request.pk).open().exists()

    @pytest.mark.parametrize("status", ["IMAGE_COMPLETED", "COMPLETED", "MODEL_FAILED"])
    def test_what_costs_nothing_more_stays(self, alice: User, status: str) -> None:
        request = make_request(alice, status=status)
        conduct.suspend(person_id=alice.pk, reason="spam")
        request.refresh_from_db()
        assert request.status == status

    def test_a_call_under_way_begins_nothing_more(self, alice: User, bob: User) -> None:
        chosen = make_request(alice, status="IMAGE_COMPLETED")
        conduct.suspend(person_id=alice.pk, reason="spam")
        with pytest.raises(sessions.AccountClosed):
            pipeline.start(owner=alice, prompt="a cat")
        with pytest.raises(sessions.AccountClosed):
            pipeline.select_image(owner=alice, request_id=chosen.pk, index=0)
        assert pipeline.start(owner=bob, prompt="a cat")
        assert GenerationRequest.objects.filter(owner=alice).count() == 1

    def test_of_calls_at_the_same_moment_nothing_goes_on(self, alice: User) -> None:
        def act(number: int) -> None:
            if number:
                try:
                    pipeline.start(owner=alice, prompt="a cat")
                except sessions.AccountClosed:
                    return
            else:
                conduct.suspend(person_id=alice.pk, reason="spam")

        at_once(4, act)
        assert set(GenerationRequest.objects.values_list("status", flat=True)) <= {"CANCELLED"}


class TestRestoring:
    """All as before, but for the sessions."""

    def test_signs_in_anew(self, as_alice: APIClient, alice: User, as_nobody: APIClient) -> None:
        conduct.suspend(person_id=alice.pk, reason="spam")
        assert conduct.restore(person_id=alice.pk, reason="a mistake")
        alice.refresh_from_db()
        assert (alice.is_active, alice.suspended_at) == (True, None)
        assert failure(as_alice.get("/api/requests")) == (401, "UNAUTHORIZED")
        assert log_in(as_nobody)["user"]["id"] == alice.pk
        assert kinds(alice) == ["SUSPENDED", "RESTORED"]
        assert lines()[1] == ("restored", alice.pk, "a mistake")

    def test_not_who_is_not_suspended(self, alice: User) -> None:
        assert not conduct.restore(person_id=alice.pk)
        assert (lines(), kinds(alice)) == ([], [])

    def test_also_an_account_that_was_closed_before_there_was_suspending(self, alice: User) -> None:
        User.objects.filter(pk=alice.pk).update(is_active=False)
        assert conduct.restore(person_id=alice.pk)
        assert client_of(alice).get("/api/requests").status_code == 200


class TestQuota:
    """A number for somebody."""

    def test_is_written_down_with_what_it_was(self, alice: User) -> None:
        conduct.set_quota(person_id=alice.pk, requests_a_day=5, models_a_month=None, reason="asked")
        conduct.set_quota(person_id=alice.pk, requests_a_day=0, models_a_month=9)
        alice.refresh_from_db()
        assert (alice.requests_a_day, alice.models_a_month) == (0, 9)
        assert [(line.before, line.after) for line in audit.lines()] == [
            ({"requests_a_day": None, "models_a_month": None}, {"requests_a_day": 5, "models_a_month": None}),
            ({"requests_a_day": 5, "models_a_month": None}, {"requests_a_day": 0, "models_a_month": 9}),
        ]

    def test_the_same_again_is_nothing(self, alice: User) -> None:
        conduct.set_quota(person_id=alice.pk, requests_a_day=None, models_a_month=None)
        assert lines() == []

    @pytest.mark.parametrize("number", [-1, 1_000_001])
    def test_is_a_number_that_a_column_holds(self, alice: User, number: int) -> None:
        with pytest.raises(conduct.BadQuota):
            conduct.set_quota(person_id=alice.pk, requests_a_day=number, models_a_month=None)


CHANGED = ("modelUrl", "mtlUrl", "textureUrl", "previewImageUrl", "updatedAt", "viewCount")
asked: list[tuple[str, bool]] = []


def away(person_id: str) -> None:
    """A slot; the room is away, once."""
    asked.append((person_id, User.objects.get(pk=person_id).is_active))
    if len(asked) == 1:
        raise OperationalError("away")


class TestAccidents:
    """What is cut off is gone on with."""

    @pytest.fixture(autouse=True)
    def slot(self, settings: Settings) -> None:
        """One room, that is away at first."""
        asked.clear()
        settings.ACCOUNT_SUSPENDED = [f"{__name__}.away"]

    def test_the_sweep_asks_again_before_it_tells(self, alice: User) -> None:
        assert conduct.suspend(person_id=alice.pk, reason="spam")
        assert asked == [(alice.pk, False)]
        assert Notice.objects.get().mail_at is not None
        sweeps.sweep()
        assert asked == [(alice.pk, False)] * 2
        assert [message.to for message in mail.outbox] == [[ADDRESS]]

    def test_while_a_room_is_away_nothing_is_told_and_no_try_is_counted(self, alice: User, settings: Settings) -> None:
        settings.ACCOUNT_SUSPENDED = [f"{__name__}.never"]
        conduct.suspend(person_id=alice.pk, reason="spam")
        conduct.send_notices()
        notice = Notice.objects.get()
        assert (notice.mail_tries, mail.outbox) == (0, [])
        assert notice.mail_at is not None
        assert notice.mail_at > notice.created_at + notices.WAITS[0] / 2

    def test_others_are_told_all_the_same(self, alice: User, bob: User) -> None:
        conduct.suspend(person_id=alice.pk, reason="spam")
        asked.clear()
        conduct.warn(person_id=bob.pk, reason="spam")
        conduct.send_notices()
        assert [message.to for message in mail.outbox] == [[bob.email]]

    @pytest.mark.parametrize(("room", "step"), [(audit, "record"), (notices, "tell")])
    def test_nothing_is_half_done(
        self, alice: User, as_alice: APIClient, monkeypatch: pytest.MonkeyPatch, room: Any, step: str
    ) -> None:
        monkeypatch.setattr(room, step, broken)
        with pytest.raises(OperationalError):
            conduct.suspend(person_id=alice.pk, reason="spam")
        assert as_alice.get("/api/requests").status_code == 200
        assert (Session.objects.live().count(), asked, kinds(alice)) == (1, [], [])


def never(person_id: str) -> None:
    """A slot; the room is away."""
    raise OperationalError("away")


def broken(*args: Any, **kwargs: Any) -> None:
    """The database goes away at this moment."""
    raise OperationalError("away")
