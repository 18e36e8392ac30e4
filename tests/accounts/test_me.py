"""Who am I, and what every door does with a token."""

from datetime import timedelta

import jwt
import pytest
from django.conf import settings as django_settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.test import APIClient, APIRequestFactory
from rest_framework.views import APIView
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from lumi.accounts.models import User
from tests.accounts.desk import failure

pytestmark = pytest.mark.django_db
NOBODY = {"status": "unauthenticated", "user": None}


def signed(**claims: object) -> str:
    """A token with Lumi's signature and these claims."""
    return jwt.encode(claims, django_settings.SECRET_KEY, "HS256")


def bad_tokens(user: User) -> dict[str, str]:
    """Authorization headers that let nobody in, by what is wrong."""
    expired = AccessToken.for_user(user)
    expired.set_exp(lifetime=-timedelta(seconds=1))
    good = str(AccessToken.for_user(user))
    unknown = AccessToken()
    unknown["user_id"] = "nobody"
    nameless = AccessToken()
    return {
        "rubbish": "Bearer rubbish",
        "not ascii": "Bearer ä.ö.ü",
        "nothing": "Bearer",
        "two words": f"Bearer {good} {good}",
        "twice Bearer": f"Bearer Bearer {good}",
        "cut": f"Bearer {good[:-4]}",
        "expired": f"Bearer {expired}",
        "refresh": f"Bearer {RefreshToken.for_user(user)}",
        "unknown person": f"Bearer {unknown}",
        "no person": f"Bearer {nameless}",
        "no expiry": f"Bearer {signed(user_id=user.id, token_type='access', jti='1')}",
        "no signature": "Bearer " + jwt.encode({"user_id": user.id, "exp": 4_000_000_000}, None, "none"),
    }


WRONGS = ["rubbish", "not ascii", "nothing", "two words", "twice Bearer", "cut", "expired", "refresh", "unknown person",
          "no person", "no expiry", "no signature"]  # fmt: skip


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
    header = bad_tokens(alice)[wrong]
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
    assert knock(authorization=f"Bearer {AccessToken.for_user(alice)}")[:2] == (401, "UNAUTHORIZED")


def test_the_picture_has_an_absolute_address(as_alice: APIClient, alice: User) -> None:
    key = default_storage.save("avatars/alice/x/face.png", ContentFile(b"png"))
    User.objects.filter(pk=alice.pk).update(avatar=key)
    assert as_alice.get("/api/auth/me").json()["data"]["user"]["avatarUrl"] == f"http://testserver/files/{key}"


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


def test_me_is_read_only(as_alice: APIClient) -> None:
    assert failure(as_alice.post("/api/auth/me")) == (405, "METHOD_NOT_ALLOWED")
