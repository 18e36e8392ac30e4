"""Who am I, and what every door does with a token."""

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.test import APIClient, APIRequestFactory
from rest_framework.views import APIView

from lumi.accounts import sessions, tokens
from lumi.accounts.models import User
from lumi.accounts.signing import AccessToken, RefreshToken
from tests.accounts.desk import failure

pytestmark = pytest.mark.django_db
NOBODY = {"status": "unauthenticated", "user": None}


def bad_headers(user: User) -> dict[str, str]:
    """Authorization headers that let nobody in, by what is wrong. False tokens are in test_signing.py."""
    session = sessions.start(user=user)
    good = AccessToken.of(session)
    return {
        "rubbish": "Bearer rubbish",
        "not ascii": "Bearer ä.ö.ü",
        "nothing": "Bearer",
        "two words": f"Bearer {good} {good}",
        "twice Bearer": f"Bearer Bearer {good}",
        "cut": f"Bearer {str(good)[:-4]}",
        "refresh": f"Bearer {RefreshToken.of(session)}",
        "unknown API token": f"Bearer {tokens.new_text()}",
        "half an API token": "Bearer lumi_",
    }


WRONGS = ["rubbish", "not ascii", "nothing", "two words", "twice Bearer", "cut", "refresh", "unknown API token",
          "half an API token"]  # fmt: skip


class LockedView(APIView):
    """A door with the defaults of the settings: what every app's protected calls use."""

    def get(self, request: object) -> None:
        """Never reached in these tests."""
        raise AssertionError("somebody got in")


def knock(**headers: str) -> tuple[int, str, str]:
    """Status, code and WWW-Authenticate of a protected call."""
    answer = LockedView.as_view()(APIRequestFactory(headers=headers).get("/"))
    return answer.status_code, answer.data["data"]["code"], answer["WWW-Authenticate"]


def test_signed_in(as_alice: APIClient, alice: User) -> None:
    answer = as_alice.get("/api/auth/me")
    assert answer.status_code == 200
    data = answer.json()["data"]
    assert data["status"] == "authenticated"
    assert data["user"]["id"] == alice.id
    assert data["user"]["lastLoginAt"] is None
    assert data["user"]["statistics"] == {"nothingCount": 7, "codeCount": 0}


def test_everybody_sees_themselves(as_alice: APIClient, as_bob: APIClient) -> None:
    emails = [client.get("/api/auth/me").json()["data"]["user"]["email"] for client in (as_alice, as_bob)]
    assert emails == ["alice@example.com", "bob@example.com"]


def test_nobody(as_nobody: APIClient) -> None:
    answer = as_nobody.get("/api/auth/me")
    assert (answer.status_code, answer.json()["data"]) == (200, NOBODY)


@pytest.mark.parametrize("wrong", WRONGS)
def test_a_bad_token_is_nobody_here_and_a_401_elsewhere(alice: User, wrong: str) -> None:
    header = bad_headers(alice)[wrong]
    answer = APIClient(headers={"authorization": header}).get("/api/auth/me")
    assert (answer.status_code, answer.json()["data"]) == (200, NOBODY)
    status, code, way_in = knock(authorization=header)
    assert (status, code) == (401, "UNAUTHORIZED")
    assert way_in.startswith("Bearer")


def test_no_token_is_a_401_elsewhere() -> None:
    assert knock()[:2] == (401, "UNAUTHORIZED")
    assert knock(authorization="Basic YWxpY2U6c2VjcmV0")[:2] == (401, "UNAUTHORIZED")


def test_a_token_ends_when_the_account_is_closed(as_alice: APIClient, alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(is_active=False)
    assert as_alice.get("/api/auth/me").json()["data"] == NOBODY


def test_the_picture_has_an_absolute_address(as_alice: APIClient, alice: User) -> None:
    key = default_storage.save("avatars/alice/x/face.png", ContentFile(b"png"))
    User.objects.filter(pk=alice.pk).update(avatar=key)
    address = as_alice.get("/api/auth/me").json()["data"]["user"]["avatarUrl"]
    assert address.startswith("http://testserver/files/")
    assert address.endswith(f"/{key}")


def test_without_a_name_the_address_is_not_shown_in_its_place(as_alice: APIClient, alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(name="")
    assert as_alice.get("/api/auth/me").json()["data"]["user"]["name"] == f"Lumi {alice.id[-6:]}"


def test_statements_of_me(
    as_alice: APIClient, settings: Settings, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(2):  # the person, and the one number that costs a statement
        as_alice.get("/api/auth/me")
    settings.ACCOUNT_STATISTICS = {}
    with django_assert_num_queries(1):
        assert as_alice.get("/api/auth/me").json()["data"]["user"]["statistics"] == {}


def test_nobody_costs_no_statement(as_nobody: APIClient, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(0):
        as_nobody.get("/api/auth/me")


def test_me_is_neither_made_nor_replaced(as_alice: APIClient) -> None:
    for method in (as_alice.post, as_alice.put):
        assert failure(method("/api/auth/me")) == (405, "METHOD_NOT_ALLOWED")
