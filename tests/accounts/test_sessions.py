"""Staying signed in, and signing out."""

from datetime import timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from lumi.accounts.models import User
from tests.accounts.desk import at_once, failure, log_in
from tests.factories import make_user

pytestmark = pytest.mark.django_db


def renew(client: APIClient, token: Any) -> Any:
    """Ask for a new pair."""
    return client.post("/api/auth/refresh", {"refreshToken": token})


def leave(client: APIClient, token: Any) -> Any:
    """Log out."""
    return client.post("/api/auth/logout", {"refreshToken": token})


def expired(user: User) -> str:
    """A refresh token of yesterday."""
    token = RefreshToken.for_user(user)
    token.set_exp(lifetime=-timedelta(days=1))
    return str(token)


def foreign(user: User) -> str:
    """A refresh token whose signature is not Lumi's."""
    head, claims, _ = str(RefreshToken.for_user(user)).split(".")
    return f"{head}.{claims}.{'A' * 43}"


def test_a_new_pair_for_the_old_token(as_nobody: APIClient, alice: User) -> None:
    old = log_in(as_nobody)
    answer = renew(as_nobody, old["refreshToken"])
    assert answer.status_code == 200
    new = answer.json()["data"]
    assert set(new) == {"token", "refreshToken"}
    assert new["refreshToken"] != old["refreshToken"]
    me = APIClient(headers={"authorization": new["token"]}).get("/api/auth/me").json()["data"]
    assert me["user"]["id"] == alice.id
    assert renew(as_nobody, new["refreshToken"]).status_code == 200


def test_a_refresh_token_works_once(as_nobody: APIClient, alice: User) -> None:
    token = log_in(as_nobody)["refreshToken"]
    assert renew(as_nobody, token).status_code == 200
    answer = renew(as_nobody, token)
    assert failure(answer) == (401, "UNAUTHORIZED")
    assert answer["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.django_db(transaction=True)
def test_at_the_same_moment_a_refresh_token_works_once() -> None:
    token = str(RefreshToken.for_user(make_user()))
    answers = at_once(6, lambda _: renew(APIClient(), token).status_code)
    assert sorted(answers) == [200] + 5 * [401]


def test_tokens_that_open_nothing(as_nobody: APIClient, alice: User) -> None:
    for token in ("rubbish", "a.b.c", "ä.ö.ü", str(AccessToken.for_user(alice)), expired(alice), foreign(alice)):
        assert failure(renew(as_nobody, token)) == (401, "UNAUTHORIZED"), token


@pytest.mark.parametrize("change", ["closed", "deleted"])
def test_whoever_is_gone_gets_no_new_pair(as_nobody: APIClient, alice: User, change: str) -> None:
    token = str(RefreshToken.for_user(alice))
    if change == "closed":
        User.objects.update(is_active=False)
    else:
        User.objects.all().delete()
    assert failure(renew(as_nobody, token)) == (401, "UNAUTHORIZED")


@pytest.mark.parametrize("path", ["refresh", "logout"])
@pytest.mark.parametrize("token", [None, "", 7, True, [], {}, "x" * 5000, "a\0b"])
def test_bad_input(as_nobody: APIClient, path: str, token: Any) -> None:
    answer = as_nobody.post(f"/api/auth/{path}", {"refreshToken": token})
    assert failure(answer) == (400, "VALIDATION_ERROR")
    assert failure(as_nobody.post(f"/api/auth/{path}", {})) == (400, "VALIDATION_ERROR")


def test_logging_out_ends_this_session_only(as_nobody: APIClient, alice: User) -> None:
    telephone, laptop = log_in(as_nobody), log_in(as_nobody)
    answer = leave(as_nobody, telephone["refreshToken"])
    assert (answer.status_code, answer.json()) == (200, {"status": "success", "data": None})
    assert failure(renew(as_nobody, telephone["refreshToken"])) == (401, "UNAUTHORIZED")
    assert renew(as_nobody, laptop["refreshToken"]).status_code == 200


def test_logging_out_twice_is_the_same_as_once(as_nobody: APIClient, alice: User) -> None:
    token = log_in(as_nobody)["refreshToken"]
    assert [leave(as_nobody, token).status_code for _ in range(2)] == [200, 200]
    assert leave(as_nobody, expired(alice)).status_code == 200
    assert BlacklistedToken.objects.count() == 1


def test_the_wrong_token_ends_nothing_and_says_so(as_nobody: APIClient, alice: User) -> None:
    for token in (str(AccessToken.for_user(alice)), "rubbish", foreign(alice)):
        assert failure(leave(as_nobody, token)) == (400, "VALIDATION_ERROR"), token
    assert not BlacklistedToken.objects.exists()
