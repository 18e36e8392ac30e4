"""Limits: by address before anything is done, by person and class of route after; and whose address it is."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client, RequestFactory
from rest_framework.test import APIClient

from lumi.accounts.models import User
from lumi.api import limits
from lumi.api.clients import address_of, network_of
from tests.conftest import client_of
from tests.services import free_port


@pytest.fixture(autouse=True)
def fresh(settings: Any) -> Iterator[None]:
    """No test sees what another has used up, also where the windows are in Redis."""
    settings.REDIS_URL = settings.REDIS_URL and f"{settings.REDIS_URL.rpartition('/')[0]}/7"
    limits.counter_at.cache_clear()
    limits.counter().windows.storage.reset()
    yield
    limits.counter_at.cache_clear()


def codes(client: Any, path: str, number: int, **headers: str) -> list[int]:
    """So many calls, one after the other."""
    return [client.get(path, headers=headers).status_code for _ in range(number)]


class TestAnAddress:
    def test_is_refused_when_its_budget_is_used_up(self, client: Client, settings: Any) -> None:
        settings.RATE_LIMITS = {"address": "3/minute"}
        assert codes(client, "/", 5) == [200] * 3 + [429] * 2

    def test_is_told_when_to_come_again(self, client: Client, settings: Any) -> None:
        settings.RATE_LIMITS = {"address": "1/minute"}
        client.get("/")
        refused = client.get("/", headers={"accept-language": "en"})
        assert refused.json()["data"]["code"] == "RATE_LIMITED"
        assert "wait" in refused.json()["data"]["message"]
        assert 1 <= int(refused["Retry-After"]) <= 60

    def test_sees_what_is_left(self, client: Client, settings: Any) -> None:
        settings.RATE_LIMITS = {"address": "10/minute"}
        client.get("/")
        answer = client.get("/")
        assert (answer["RateLimit-Limit"], answer["RateLimit-Remaining"]) == ("10", "8")
        assert 0 < int(answer["RateLimit-Reset"]) <= 60

    def test_others_are_not_affected(self, client: Client, settings: Any) -> None:
        settings.RATE_LIMITS = {"address": "1/minute"}
        client.get("/")
        assert client.get("/").status_code == 429
        assert client.get("/", REMOTE_ADDR="198.51.100.7").status_code == 200

    def test_signing_in_has_a_budget_of_its_own(self, client: Client, db: None, settings: Any) -> None:
        settings.RATE_LIMITS = {"address": "100/minute", "address:signin": "2/minute"}
        body = {"email": "a@example.com", "code": "123456"}
        tries = [client.post("/api/auth/login", body, "application/json").status_code for _ in range(3)]
        assert tries == [400, 400, 429]
        assert client.get("/").status_code == 200

    def test_guessing_the_admins_password_too(self, client: Client, db: None, settings: Any) -> None:
        settings.RATE_LIMITS = {"address:signin": "2/minute"}
        tries = [client.post("/admin/login/", {"username": "a", "password": "b"}).status_code for _ in range(3)]
        assert tries == [200, 200, 429]

    def test_files_do_not_eat_the_budget_of_the_rest(self, client: Client, settings: Any) -> None:
        settings.RATE_LIMITS = {"address": "1/minute", "address:media": "3/minute"}
        assert codes(client, "/files/none.png", 4) == [404] * 3 + [429]
        assert client.get("/").status_code == 200

    def test_health_is_never_refused(self, client: Client, settings: Any) -> None:
        settings.RATE_LIMITS = {"address": "1/minute"}
        assert codes(client, "/health", 5) == [200] * 5


class TestAPerson:
    def test_has_a_budget_for_each_class(self, as_alice: APIClient, settings: Any) -> None:
        settings.RATE_LIMITS = {"read": "2/minute", "poll": "100/minute", "generate": "100/minute"}
        assert codes(as_alice, "/api/models/me", 3) == [200, 200, 429]
        assert as_alice.post("/api/requests", {"prompt": "a cat"}).status_code == 201

    def test_follows_the_person_and_not_the_address(self, alice: User, bob: User, settings: Any) -> None:
        settings.RATE_LIMITS = {"read": "1/minute"}
        alice_here, alice_there, bob_here = client_of(alice), client_of(alice), client_of(bob)
        assert alice_here.get("/api/models/me").status_code == 200
        assert alice_there.get("/api/models/me", REMOTE_ADDR="198.51.100.7").status_code == 429
        assert bob_here.get("/api/models/me").status_code == 200

    def test_asking_after_a_request_does_not_eat_the_budget_of_the_rest(
        self, as_alice: APIClient, settings: Any
    ) -> None:
        request_id = as_alice.post("/api/requests", {"prompt": "a cat"}).json()["data"]["request"]["id"]
        settings.RATE_LIMITS = {"read": "1/minute", "poll": "5/minute"}
        assert codes(as_alice, f"/api/requests/{request_id}", 6) == [200] * 5 + [429]
        assert as_alice.get("/api/models/me").status_code == 200

    def test_the_nearest_limit_is_told(self, as_alice: APIClient, settings: Any) -> None:
        settings.RATE_LIMITS = {"address": "100/minute", "read": "5/minute"}
        answer = as_alice.get("/api/models/me")
        assert (answer["RateLimit-Limit"], answer["RateLimit-Remaining"]) == ("5", "4")

    def test_a_refused_call_changes_nothing(self, as_alice: APIClient, settings: Any) -> None:
        settings.RATE_LIMITS = {"generate": "1/minute"}
        posted = [as_alice.post("/api/requests", {"prompt": "a cat"}).status_code for _ in range(3)]
        assert posted == [201, 429, 429]
        settings.RATE_LIMITS = {}
        assert as_alice.get("/api/requests")["X-Total-Count"] == "1"


class TestWithoutRedis:
    def test_nobody_is_held_back_while_it_is_away(self, client: Client, settings: Any) -> None:
        settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
        settings.RATE_LIMITS = {"address": "1/minute"}
        assert codes(client, "/", 3) == [200] * 3

    def test_it_is_not_asked_at_each_call(self, settings: Any) -> None:
        settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
        settings.RATE_LIMITS = {"address": "1/minute"}
        counter = limits.counter()
        assert counter.hit("address", "me") is None
        assert counter.away_until > 0


class TestWhoseAddress:
    @pytest.mark.parametrize(
        ("proxies", "forwarded", "found"),
        [
            (0, "203.0.113.9", "127.0.0.1"),
            (1, "203.0.113.9", "203.0.113.9"),
            (1, "6.6.6.6, 203.0.113.9", "203.0.113.9"),
            (2, "6.6.6.6, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
            (2, "203.0.113.9", "127.0.0.1"),
            (1, "nonsense", "127.0.0.1"),
            (1, "", "127.0.0.1"),
            (1, "2001:db8::1", "2001:db8::1"),
        ],
    )
    def test_only_what_our_own_proxies_wrote_is_believed(
        self, rf: RequestFactory, settings: Any, proxies: int, forwarded: str, found: str
    ) -> None:
        settings.TRUSTED_PROXIES = proxies
        assert address_of(rf.get("/", headers={"x-forwarded-for": forwarded})) == found

    @pytest.mark.parametrize(
        ("address", "network"),
        [
            ("203.0.113.9", "203.0.113.9"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
            ("", ""),
        ],
    )
    def test_one_customer_is_one_network(self, address: str, network: str) -> None:
        assert network_of(address) == network

    def test_a_spoofed_header_wins_no_new_budget(self, client: Client, settings: Any) -> None:
        settings.RATE_LIMITS = {"address": "2/minute"}
        spoofed = [client.get("/", headers={"x-forwarded-for": f"6.6.6.{n}"}).status_code for n in range(3)]
        assert spoofed == [200, 200, 429]


class TestHeaders:
    """What browsers are told."""

    def test_pages_run_only_what_lumi_serves(self, client: Client) -> None:
        policy = client.get("/docs")["Content-Security-Policy"]
        assert "default-src 'self'" in policy
        assert "script-src" not in policy or "unsafe" not in policy.split("script-src")[1].split(";")[0]
        assert "frame-ancestors 'none'" in policy

    def test_the_docs_hold_no_script_of_their_own(self, client: Client) -> None:
        page = client.get("/docs").content.decode()
        scripts = page.split("<script")[1:]
        assert scripts
        assert all("src=" in script.split(">")[0] for script in scripts)

    @pytest.mark.parametrize("path", ["/", "/admin/login/", "/docs", "/api/openapi", "/nowhere"])
    def test_every_answer(self, client: Client, db: None, path: str) -> None:
        answer = client.get(path)
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["X-Frame-Options"] == "DENY"
        assert answer["Referrer-Policy"] == "same-origin"
        assert "Content-Security-Policy" in answer

    def test_hsts_behind_tls_only(self, settings: Any) -> None:
        assert "Strict-Transport-Security" not in Client().get("/", secure=True)
        settings.SECURE_HSTS_SECONDS = 31_536_000
        assert "max-age=31536000" in Client().get("/", secure=True)["Strict-Transport-Security"]

    def test_a_forwarded_scheme_is_believed_behind_a_proxy_only(self, client: Client, settings: Any) -> None:
        forwarded = {"x-forwarded-proto": "https"}
        assert client.get("/", headers=forwarded).json()["data"]["endpoints"]["docs"].startswith("http://")
        settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
        assert client.get("/", headers=forwarded).json()["data"]["endpoints"]["docs"].startswith("https://")

    def test_a_forwarded_host_is_never_believed(self, client: Client) -> None:
        answer = client.get("/", headers={"x-forwarded-host": "evil.example"})
        assert "evil" not in answer.content.decode()

    def test_origins_come_from_a_list(self, client: Client, settings: Any) -> None:
        settings.CORS_ALLOWED_ORIGINS = ["https://app.example"]
        ours = client.get("/", headers={"origin": "https://app.example"})
        theirs = client.get("/", headers={"origin": "https://evil.example"})
        assert ours["Access-Control-Allow-Origin"] == "https://app.example"
        assert "Access-Control-Allow-Origin" not in theirs
