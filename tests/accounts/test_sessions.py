"""Staying signed in, and signing out."""

import logging
from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.db.models import F
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.test import APIClient

from lumi import clock
from lumi.accounts import sessions
from lumi.accounts.models import Session, User
from tests.accounts.desk import at_once, failure, log_in
from tests.conftest import client_of
from tests.factories import make_user

pytestmark = pytest.mark.django_db


def renew(token: Any) -> Any:
    """Ask for a new pair."""
    return APIClient(headers={"accept-language": "en"}).post("/api/auth/refresh", {"refreshToken": token})


def leave(token: Any) -> Any:
    """Log out."""
    return APIClient(headers={"accept-language": "en"}).post("/api/auth/logout", {"refreshToken": token})


def knock(access_token: str) -> int:
    """The status of a protected call."""
    return APIClient(headers={"authorization": access_token}).get("/api/auth/sessions").status_code


def pair_of(user: User, **fields: Any) -> tuple[str, str]:
    """Access and refresh token of a new session."""
    pair = sessions.pair_for(session=sessions.start(user=user, **fields))
    return pair.token, pair.refresh_token


def jti(token: str) -> str:
    """A token's id."""
    return jwt.decode(token, options={"verify_signature": False})["jti"]


def later(seconds: float) -> None:
    """As if the last change of tokens had been earlier."""
    Session.objects.update(rotated_at=F("rotated_at") - timedelta(seconds=seconds))


class TestRefreshing:
    def test_gives_a_new_pair_for_the_old_token(self, as_nobody: APIClient, alice: User) -> None:
        old = log_in(as_nobody)
        answer = renew(old["refreshToken"])
        assert answer.status_code == 200
        new = answer.json()["data"]
        assert set(new) == {"token", "refreshToken"}
        assert jti(new["refreshToken"]) != jti(old["refreshToken"])
        me = APIClient(headers={"authorization": new["token"]}).get("/api/auth/me").json()["data"]
        assert me["user"]["id"] == alice.id
        assert renew(new["refreshToken"]).status_code == 200

    def test_lengthens_the_session(self, alice: User) -> None:
        _, refresh = pair_of(alice)
        Session.objects.update(
            expires_at=F("expires_at") - timedelta(days=20), last_used_at=F("last_used_at") - timedelta(days=20)
        )
        before = Session.objects.get()
        assert renew(refresh).status_code == 200
        after = Session.objects.get()
        assert after.expires_at - before.expires_at > timedelta(days=19)
        assert after.last_used_at - before.last_used_at > timedelta(days=19)

    def test_takes_two_statements(self, alice: User, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        _, refresh = pair_of(alice)
        with django_assert_num_queries(2):  # the change, and the session with its person
            renew(refresh)

    @pytest.mark.parametrize("change", ["closed", "deleted"])
    def test_is_not_for_whoever_is_gone(self, alice: User, change: str) -> None:
        access, refresh = pair_of(alice)
        if change == "closed":
            User.objects.update(is_active=False)
        else:
            User.objects.all().delete()
        assert failure(renew(refresh)) == (401, "UNAUTHORIZED")
        assert knock(access) == 401


class TestAnOldToken:
    def test_ends_the_session_with_all_its_tokens_at_once(self, alice: User) -> None:
        access, stolen = pair_of(alice)
        new = renew(stolen).json()["data"]
        assert (knock(access), knock(new["token"])) == (200, 200)
        later(31)
        answer = renew(stolen)
        assert failure(answer) == (401, "UNAUTHORIZED")
        assert answer["WWW-Authenticate"].startswith("Bearer")
        assert (knock(access), knock(new["token"])) == (401, 401)
        assert failure(renew(new["refreshToken"])) == (401, "UNAUTHORIZED")

    def test_of_two_changes_ago_ends_it_however_soon(self, alice: User) -> None:
        access, first = pair_of(alice)
        second = renew(first).json()["data"]["refreshToken"]
        third = renew(second).json()["data"]["refreshToken"]
        assert failure(renew(first)) == (401, "UNAUTHORIZED")
        assert knock(access) == 401
        assert failure(renew(third)) == (401, "UNAUTHORIZED")

    def test_leaves_other_sessions_alone(self, alice: User) -> None:
        _, stolen = pair_of(alice)
        other, _ = pair_of(alice)
        renew(stolen)
        later(31)
        renew(stolen)
        assert knock(other) == 200

    def test_is_noted_without_saying_which(self, alice: User, caplog: pytest.LogCaptureFixture) -> None:
        _, stolen = pair_of(alice)
        new = renew(stolen).json()["data"]["refreshToken"]
        later(31)
        with caplog.at_level(logging.DEBUG):
            renew(stolen)
        assert "an old refresh token was used" in caplog.text
        for secret in (stolen, new, jti(stolen), jti(new)):
            assert secret not in caplog.text

    def test_just_replaced_gives_the_same_successor_to_whoever_lost_the_answer(self, alice: User) -> None:
        _, old = pair_of(alice)
        lost = renew(old).json()["data"]["refreshToken"]
        later(29)
        again = renew(old).json()["data"]
        assert jti(again["refreshToken"]) == jti(lost)
        assert knock(again["token"]) == 200
        assert renew(again["refreshToken"]).status_code == 200

    def test_just_replaced_is_refused_where_the_setting_says_so(self, alice: User, settings: Settings) -> None:
        settings.REFRESH_GRACE = timedelta(0)
        _, old = pair_of(alice)
        new = renew(old).json()["data"]
        assert failure(renew(old)) == (401, "UNAUTHORIZED")
        assert knock(new["token"]) == 401


@pytest.mark.django_db(transaction=True)
class TestAtTheSameMoment:
    def test_one_token_has_one_successor(self) -> None:
        _, refresh = pair_of(make_user())
        answers = at_once(8, lambda _: renew(refresh))
        assert [answer.status_code for answer in answers] == 8 * [200]
        (successor,) = {jti(answer.json()["data"]["refreshToken"]) for answer in answers}
        assert successor == Session.objects.get().refresh_jti

    def test_without_grace_one_gets_it_and_the_session_ends(self, settings: Settings) -> None:
        settings.REFRESH_GRACE = timedelta(0)
        _, refresh = pair_of(make_user())
        answers = at_once(8, lambda _: renew(refresh))
        assert sorted(answer.status_code for answer in answers) in ([200] + 7 * [401], 8 * [401])
        assert Session.objects.get().ended_at is not None

    def test_thieves_get_nothing(self) -> None:
        access, stolen = pair_of(make_user())
        renew(stolen)
        later(31)
        answers = at_once(8, lambda _: renew(stolen).status_code)
        assert answers == 8 * [401]
        assert knock(access) == 401

    def test_the_owner_and_a_thief(self) -> None:
        """Whoever is first, both cannot stay."""
        _, stolen = pair_of(make_user())
        good = renew(stolen).json()["data"]["refreshToken"]
        later(31)
        at_once(8, lambda number: renew(good if number % 2 else stolen).status_code)
        assert Session.objects.get().ended_at is not None

    def test_a_logout_wins(self) -> None:
        access, refresh = pair_of(make_user())
        at_once(8, lambda number: leave(refresh) if number == 0 else renew(refresh))
        assert knock(access) == 401
        assert failure(renew(refresh)) == (401, "UNAUTHORIZED")


class TestLoggingOut:
    def test_ends_this_session_only_and_at_once(self, as_nobody: APIClient, alice: User) -> None:
        telephone, laptop = log_in(as_nobody), log_in(as_nobody)
        answer = leave(telephone["refreshToken"])
        assert (answer.status_code, answer.json()) == (200, {"status": "success", "data": None})
        assert failure(renew(telephone["refreshToken"])) == (401, "UNAUTHORIZED")
        assert (knock(telephone["token"]), knock(laptop["token"])) == (401, 200)
        assert renew(laptop["refreshToken"]).status_code == 200

    def test_twice_is_the_same_as_once(self, alice: User) -> None:
        _, refresh = pair_of(alice)
        assert [leave(refresh).status_code for _ in range(2)] == [200, 200]

    def test_with_a_token_that_was_replaced_ends_it_too(self, alice: User) -> None:
        _, old = pair_of(alice)
        new = renew(old).json()["data"]
        assert leave(old).status_code == 200
        assert knock(new["token"]) == 401

    def test_is_final(self, alice: User) -> None:
        _, refresh = pair_of(alice)
        leave(refresh)
        before = Session.objects.values().get()
        assert failure(renew(refresh)) == (401, "UNAUTHORIZED")
        assert Session.objects.values().get() == before

    def test_forgets_the_device(self, alice: User) -> None:
        _, refresh = pair_of(alice, device="Firefox")
        leave(refresh)
        session = Session.objects.get()
        assert (session.device, session.ended_at is not None) == ("", True)


@pytest.mark.parametrize("path", ["refresh", "logout"])
@pytest.mark.parametrize("token", [None, "", 7, True, [], {}, "x" * 5000, "a\0b"])
def test_bad_input(as_nobody: APIClient, path: str, token: Any) -> None:
    answer = as_nobody.post(f"/api/auth/{path}", {"refreshToken": token})
    assert failure(answer) == (400, "VALIDATION_ERROR")
    assert failure(as_nobody.post(f"/api/auth/{path}", {})) == (400, "VALIDATION_ERROR")


class TestOnesSessions:
    def test_are_listed_the_latest_first(self, as_nobody: APIClient, alice: User, bob: User) -> None:
        pair_of(bob)
        as_nobody.credentials(HTTP_USER_AGENT="Telephone/1\n" + "x" * 300)
        log_in(as_nobody)
        client = client_of(alice)
        answer = client.get("/api/auth/sessions")
        assert (answer.status_code, answer["X-Total-Count"]) == (200, "2")
        here, telephone = answer.json()["data"]
        assert set(here) == {"id", "device", "createdAt", "lastUsedAt", "expiresAt", "isCurrent"}
        assert (here["isCurrent"], telephone["isCurrent"]) == (True, False)
        assert (telephone["device"][:12], len(telephone["device"])) == ("Telephone/1x", 200)
        assert here["createdAt"].endswith("Z")

    def test_that_are_over_are_not(self, as_alice: APIClient, alice: User) -> None:
        _, ended = pair_of(alice)
        leave(ended)
        expired = sessions.start(user=alice)
        Session.objects.filter(pk=expired.pk).update(expires_at=clock.now())
        assert as_alice.get("/api/auth/sessions")["X-Total-Count"] == "1"

    def test_come_in_pages(
        self, as_alice: APIClient, alice: User, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        for _ in range(3):
            pair_of(alice)
        with django_assert_num_queries(3):  # who calls, count, rows
            answer = as_alice.get("/api/auth/sessions?limit=2&offset=1")
        assert (len(answer.json()["data"]), answer["X-Total-Count"]) == (2, "4")

    def test_can_be_ended_one_by_one(self, as_alice: APIClient, alice: User) -> None:
        access, refresh = pair_of(alice)
        lost = Session.objects.order_by("pk").last()
        answer = as_alice.delete(f"/api/auth/sessions/{lost.pk}")
        assert (answer.status_code, answer.json()["data"]) == (200, None)
        assert (knock(access), renew(refresh).status_code) == (401, 401)
        assert as_alice.get("/api/auth/sessions").status_code == 200

    def test_of_others_do_not_exist(self, as_alice: APIClient, alice: User, bob: User) -> None:
        access, _ = pair_of(bob)
        _, ended = pair_of(alice)
        leave(ended)
        ids = [Session.objects.get(user=bob).pk, Session.objects.get(ended_at__isnull=False).pk, "nothing", "x" * 300]
        answers = [as_alice.delete(f"/api/auth/sessions/{one}") for one in ids]
        assert {failure(answer) for answer in answers} == {(404, "NOT_FOUND")}
        assert len({answer.content for answer in answers}) == 1
        assert knock(access) == 200

    def test_can_all_be_ended_but_this_one(self, as_alice: APIClient, alice: User, bob: User) -> None:
        others = [pair_of(alice)[0] for _ in range(3)]
        bobs, _ = pair_of(bob)
        assert as_alice.delete("/api/auth/sessions").status_code == 200
        assert [knock(access) for access in others] == 3 * [401]
        assert knock(bobs) == 200
        assert as_alice.get("/api/auth/sessions")["X-Total-Count"] == "1"

    @pytest.mark.parametrize("method", ["get", "delete"])
    def test_are_nobodys_business(self, as_nobody: APIClient, method: str) -> None:
        assert failure(getattr(as_nobody, method)("/api/auth/sessions")) == (401, "UNAUTHORIZED")
        assert failure(as_nobody.delete("/api/auth/sessions/x")) == (401, "UNAUTHORIZED")


class TestSuspending:
    def test_ends_everything_for_good(self, alice: User, bob: User) -> None:
        access, refresh = pair_of(alice)
        bobs, _ = pair_of(bob)
        assert sessions.suspend(people=User.objects.filter(pk=alice.pk)) == 1
        assert (knock(access), knock(bobs)) == (401, 200)
        User.objects.update(is_active=True)
        assert (knock(access), renew(refresh).status_code) == (401, 401)


def test_old_rows_are_forgotten(alice: User) -> None:
    old, recent = sessions.start(user=alice), sessions.start(user=alice)
    Session.objects.filter(pk=old.pk).update(expires_at=clock.now() - timedelta(days=31))
    Session.objects.filter(pk=recent.pk).update(expires_at=clock.now() - timedelta(days=29))
    sessions.forget_old()
    assert Session.objects.get() == recent
