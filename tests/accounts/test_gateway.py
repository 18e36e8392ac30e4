"""The header `x-user-id`: ignored, unless a setting says that a gateway sets it."""

from typing import Any

import pytest
from pytest_django import Settings
from rest_framework.test import APIClient

from lumi.accounts.models import User
from tests.accounts.desk import at_once
from tests.accounts.test_me import NOBODY, knock
from tests.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def trusted(settings: Settings) -> None:
    """A gateway stands in front."""
    settings.TRUST_USER_ID_HEADER = True


def me(user_id: str, **headers: str) -> Any:
    """Who Lumi thinks is calling."""
    return APIClient(headers={"x-user-id": user_id, **headers}).get("/api/auth/me").json()["data"]


def test_by_default_the_header_is_nothing(alice: User) -> None:
    assert me(alice.id) == me("made-up") == NOBODY
    assert knock(**{"x-user-id": alice.id})[:2] == (401, "UNAUTHORIZED")
    assert User.objects.count() == 1


@pytest.mark.usefixtures("trusted")
def test_a_known_person(alice: User) -> None:
    assert me(alice.id)["user"]["email"] == alice.email


@pytest.mark.usefixtures("trusted")
def test_a_new_person_is_made_on_first_sight() -> None:
    assert me("Shop_42")["user"]["id"] == me("Shop_42")["user"]["id"] == "Shop_42"
    user = User.objects.get()
    assert (user.email, user.has_usable_password(), user.is_staff) == ("shop_42@gateway.invalid", False, False)


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("user_id", ["a b", "a.b", "x" * 37, "a/b", "ä", "'; --", "a,b", "１"])
def test_a_malformed_id_is_refused(user_id: str) -> None:
    assert knock(**{"x-user-id": user_id})[:2] == (401, "UNAUTHORIZED")
    assert not User.objects.exists()


@pytest.mark.usefixtures("trusted")
def test_no_id_is_nobody() -> None:
    assert me("") == NOBODY
    assert knock(**{"x-user-id": ""})[:2] == (401, "UNAUTHORIZED")
    assert not User.objects.exists()


@pytest.mark.usefixtures("trusted")
def test_a_closed_account_stays_closed() -> None:
    user = make_user(is_active=False)
    assert me(user.id) == NOBODY
    assert knock(**{"x-user-id": user.id})[:2] == (401, "UNAUTHORIZED")


@pytest.mark.usefixtures("trusted")
def test_an_id_that_differs_in_case_is_not_the_same_person() -> None:
    """MariaDB would find the first one; nobody may get another's things."""
    assert me("Anna")["user"]["id"] == "Anna"
    assert me("anna") == NOBODY
    assert knock(**{"x-user-id": "ANNA"})[:2] == (401, "UNAUTHORIZED")
    assert User.objects.count() == 1


@pytest.mark.usefixtures("trusted")
def test_a_token_is_stronger_than_the_header(as_alice: APIClient, alice: User, bob: User) -> None:
    answer = as_alice.get("/api/auth/me", headers={"x-user-id": bob.id})
    assert answer.json()["data"]["user"]["id"] == alice.id
    assert me(bob.id, authorization="Bearer rubbish") == NOBODY


@pytest.mark.usefixtures("trusted")
@pytest.mark.django_db(transaction=True)
def test_first_seen_twice_at_once_is_one_person() -> None:
    seen = at_once(8, lambda _: me("newcomer")["user"])
    assert [user["id"] for user in seen] == 8 * ["newcomer"]
    assert User.objects.count() == 1
