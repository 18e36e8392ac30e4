"""API tokens: made, shown once, used, revoked."""

import hashlib
import logging
import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db.models import F
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from lumi import clock
from lumi.accounts import sessions, tokens
from lumi.accounts.models import ApiToken, Scope, User
from tests.accounts.desk import at_once, failure, post_json
from tests.conftest import client_of
from tests.factories import make_user

pytestmark = pytest.mark.django_db
WISH = {"name": "printer", "scopes": ["read"], "expiresInDays": 30}


def make(user: User, **fields: Any) -> tuple[ApiToken, str]:
    """A token and its text."""
    return tokens.create(**{"user": user, "name": "printer", "scopes": ["read"], "days": 30, **fields})


def knock(text: str) -> Any:
    """A call that `read` allows."""
    return APIClient(headers={"accept-language": "en", "authorization": f"Bearer {text}"}).get("/api/models/me")


def earlier(seconds: float) -> None:
    """As if tokens had been used earlier."""
    ApiToken.objects.update(last_used_at=F("last_used_at") - timedelta(seconds=seconds))


class TestMaking:
    def test_shows_the_text_this_once_and_keeps_its_hash(self, as_alice: APIClient, alice: User) -> None:
        answer = as_alice.post("/api/auth/tokens", WISH | {"name": "  my\n printer "})
        assert answer.status_code == 201
        data = answer.json()["data"]
        assert set(data) == {"id", "name", "scopes", "createdAt", "expiresAt", "lastUsedAt", "secret"}
        assert re.fullmatch(r"lumi_[A-Za-z0-9_-]{43}[0-9a-f]{8}", data["secret"])
        assert (data["name"], data["scopes"], data["lastUsedAt"]) == ("my printer", ["read"], None)
        row = ApiToken.objects.get()
        assert row.token_hash == hashlib.sha256(data["secret"].encode()).hexdigest()
        assert data["secret"] not in as_alice.get("/api/auth/tokens").content.decode()
        assert knock(data["secret"]).status_code == 200

    def test_keeps_each_scope_once_in_one_order(self, as_alice: APIClient) -> None:
        wish = WISH | {"scopes": ["publish", "read", "publish"]}
        assert as_alice.post("/api/auth/tokens", wish).json()["data"]["scopes"] == ["read", "publish"]

    @pytest.mark.parametrize("days", [1, 365])
    def test_needs_an_end_within_a_year(self, as_alice: APIClient, days: int) -> None:
        data = as_alice.post("/api/auth/tokens", WISH | {"expiresInDays": days}).json()["data"]
        span = datetime.fromisoformat(data["expiresAt"]) - clock.now()
        assert timedelta(days=days, minutes=-1) < span <= timedelta(days=days)

    @pytest.mark.parametrize(
        "wrong",
        [
            *({"expiresInDays": days} for days in (0, -1, 366, 1.5, "30", True, None, [], 10**30)),
            *({"name": name} for name in ("", "  ", "x" * 101, "a\0b", "\ud800", 7, None, [])),
            *({"scopes": scopes} for scopes in ([], ["admin"], ["read", "admin"], "read", None, {}, [None], [1],
                                                [["read"]], [{"read": 1}], ["READ"])),
        ],
    )  # fmt: skip
    def test_bad_input_is_named(self, as_alice: APIClient, wrong: dict[str, Any]) -> None:
        answer = post_json(as_alice, "/api/auth/tokens", WISH | wrong)
        assert failure(answer) == (400, "VALIDATION_ERROR")
        assert set(answer.json()["data"]["details"]) == set(wrong)
        assert not ApiToken.objects.exists()

    @pytest.mark.parametrize("missing", WISH)
    def test_nothing_may_be_left_out(self, as_alice: APIClient, missing: str) -> None:
        wish = {name: value for name, value in WISH.items() if name != missing}
        assert failure(as_alice.post("/api/auth/tokens", wish)) == (400, "VALIDATION_ERROR")

    def test_nothing_else_can_be_set(self, as_alice: APIClient, alice: User, bob: User) -> None:
        more = {
            "user": bob.id,
            "user_id": bob.id,
            "token": "lumi_mine",
            "token_hash": "0" * 64,
            "lastUsedAt": "2020-01-01",
        }
        assert as_alice.post("/api/auth/tokens", WISH | more).status_code == 201
        row = ApiToken.objects.get()
        assert (row.user, row.last_used_at) == (alice, None)
        assert row.token_hash != "0" * 64

    def test_twenty_are_as_many_as_a_person_may_have(self, as_alice: APIClient, alice: User, bob: User) -> None:
        rows = [make(alice)[0] for _ in range(20)]
        answer = as_alice.post("/api/auth/tokens", WISH)
        assert failure(answer) == (409, "INVALID_STATE")
        assert "20" in answer.json()["data"]["message"]
        assert client_of(bob).post("/api/auth/tokens", WISH).status_code == 201
        tokens.revoke_own(user=alice, token_id=rows[0].pk)
        assert as_alice.post("/api/auth/tokens", WISH).status_code == 201

    @pytest.mark.django_db(transaction=True)
    def test_twenty_also_at_the_same_moment(self) -> None:
        alice = make_user()
        for _ in range(17):
            make(alice)
        clients = [client_of(alice) for _ in range(8)]
        answers = at_once(8, lambda number: clients[number].post("/api/auth/tokens", WISH).status_code)
        assert sorted(answers) == 3 * [201] + 5 * [409]


class TestListing:
    def test_shows_ones_own_the_newest_first_also_expired_ones(
        self, as_alice: APIClient, alice: User, bob: User
    ) -> None:
        make(bob)
        revoked, _ = make(alice)
        tokens.revoke_own(user=alice, token_id=revoked.pk)
        expired, _ = make(alice)
        ApiToken.objects.filter(pk=expired.pk).update(expires_at=clock.now())
        newest, _ = make(alice, name="newest")
        answer = as_alice.get("/api/auth/tokens")
        assert [row["id"] for row in answer.json()["data"]] == [newest.pk, expired.pk]
        assert answer["X-Total-Count"] == "2"
        assert set(answer.json()["data"][0]) == {"id", "name", "scopes", "createdAt", "expiresAt", "lastUsedAt"}


class TestRevoking:
    def test_works_at_once(self, as_alice: APIClient, alice: User) -> None:
        token, text = make(alice)
        assert knock(text).status_code == 200
        answer = as_alice.delete(f"/api/auth/tokens/{token.pk}")
        assert (answer.status_code, answer.json()["data"]) == (200, None)
        assert failure(knock(text)) == (401, "UNAUTHORIZED")

    def test_is_for_ones_own(self, as_alice: APIClient, alice: User, bob: User) -> None:
        bobs, text = make(bob)
        revoked, _ = make(alice)
        tokens.revoke_own(user=alice, token_id=revoked.pk)
        answers = [as_alice.delete(f"/api/auth/tokens/{one}") for one in (bobs.pk, revoked.pk, "nothing", "x" * 300)]
        assert {failure(answer) for answer in answers} == {(404, "NOT_FOUND")}
        assert len({answer.content for answer in answers}) == 1
        assert knock(text).status_code == 200


class TestUsing:
    def test_acts_as_its_owner(self, alice: User) -> None:
        client = APIClient(headers={"authorization": f"Bearer {make(alice)[1]}"})
        assert client.get("/api/auth/me").json()["data"]["user"]["id"] == alice.id

    def test_the_word_bearer_may_be_written_small(self, alice: User) -> None:
        assert APIClient(headers={"authorization": f"bearer {make(alice)[1]}"}).get("/api/models/me").status_code == 200

    @pytest.mark.parametrize("change", ["revoked", "expired", "closed", "suspended", "deleted"])
    def test_ends_with_itself_and_its_person(self, alice: User, change: str) -> None:
        _, text = make(alice)
        people = User.objects.filter(pk=alice.pk)
        {
            "revoked": lambda: ApiToken.objects.update(revoked_at=clock.now()),
            "expired": lambda: ApiToken.objects.update(expires_at=clock.now()),
            "closed": lambda: people.update(is_active=False),
            "suspended": lambda: (sessions.suspend(people=people), people.update(is_active=True)),
            "deleted": alice.delete,
        }[change]()
        answer = knock(text)
        assert failure(answer) == (401, "UNAUTHORIZED")
        assert "API token" in answer.json()["data"]["message"]
        assert answer["WWW-Authenticate"].startswith("Bearer")

    def test_a_wrong_one_opens_nothing(self, alice: User) -> None:
        _, text = make(alice)
        body, check = text[5:-8], text[-8:]
        other = tokens.new_text()
        for wrong in (
            "lumi_", text[:-1], text + "0", text.upper(), text.replace("lumi_", "LUMI_"), f"lumi_{body}",
            f"lumi_{body[::-1]}{check}", f"lumi_{other[5:-8]}{check}", other, hashlib.sha256(text.encode()).hexdigest(),
            ApiToken.objects.get().pk, f"{text},{text}", text + "=", "lumi_" + "%00" * 17, "lumi_" + "ä" * 51,
            "lumi_' OR 1=1 --", "lumi_" + "x" * 50_000,
        ):  # fmt: skip
            assert failure(knock(wrong)) == (401, "UNAUTHORIZED"), wrong

    def test_a_mistyped_one_is_not_looked_up(
        self, alice: User, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        _, text = make(alice)
        mistyped = text[:10] + ("A" if text[10] != "A" else "B") + text[11:]
        with django_assert_num_queries(0):
            assert knock(mistyped).status_code == 401

    def test_use_is_noted_once_a_minute(self, alice: User, django_assert_num_queries: DjangoAssertNumQueries) -> None:
        _, text = make(alice)
        with django_assert_num_queries(2):
            assert tokens.find(text=text) is not None
        used = ApiToken.objects.get().last_used_at
        assert used is not None
        with django_assert_num_queries(1):
            tokens.find(text=text)
        earlier(61)
        with django_assert_num_queries(2):
            tokens.find(text=text)
        assert ApiToken.objects.get().last_used_at >= used

    def test_nothing_secret_is_logged(self, as_alice: APIClient, alice: User, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.DEBUG):
            text = as_alice.post("/api/auth/tokens", WISH).json()["data"]["secret"]
            knock(text)
            knock(text[:-1])
            as_alice.delete(f"/api/auth/tokens/{ApiToken.objects.get().pk}")
            knock(text)
        for secret in (text, text[5:-8], ApiToken.objects.get().token_hash):
            assert secret not in caplog.text


def test_a_hundred_texts_differ_and_are_well_formed() -> None:
    texts = {tokens.new_text() for _ in range(100)}
    assert len(texts) == 100
    assert all(tokens.FORM.fullmatch(text) for text in texts)


def test_old_rows_are_forgotten(alice: User) -> None:
    (old, _), (recent, _) = make(alice), make(alice)
    ApiToken.objects.filter(pk=old.pk).update(expires_at=clock.now() - timedelta(days=31))
    ApiToken.objects.filter(pk=recent.pk).update(expires_at=clock.now() - timedelta(days=29))
    sessions.forget_old()
    assert ApiToken.objects.get() == recent


def test_scopes_are_these() -> None:
    assert Scope.values == ["read", "generate", "publish"]
