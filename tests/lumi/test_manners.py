"""Every answer of Lumi is one of three envelopes, also the errors that Django itself makes."""

import logging
from typing import Any

import pytest
from django.core.management import call_command
from django.db import ProgrammingError, connection
from django.test import Client
from rest_framework.test import APIClient

from generation.api.views import RequestViewSet
from lumi import health
from lumi.accounts.models import User
from lumi.ids import new_id


@pytest.fixture
def quiet() -> Any:
    """A client that gets the 500 as the world does."""
    return APIClient(raise_request_exception=False, headers={"accept-language": "en"})


class TestErrors:
    @pytest.mark.parametrize("path", ["/nowhere", "/api/nowhere", "/api/requests/", "/api/", "/health/x"])
    def test_unknown_addresses(self, client: Client, path: str) -> None:
        response = client.get(path, headers={"accept-language": "en"})
        assert response.status_code == 404
        assert response.json()["status"] == "fail"
        assert response.json()["data"]["code"] == "NOT_FOUND"

    @pytest.mark.parametrize(
        ("language", "chinese"), [(None, True), ("zh", True), ("zh-CN", True), ("fr", True), ("en", False)]
    )
    def test_chinese_unless_english_is_asked_for(self, client: Client, language: str | None, chinese: bool) -> None:
        headers = {"accept-language": language} if language else {}
        message = client.get("/nowhere", headers=headers).json()["data"]["message"]
        assert any("\u4e00" <= sign <= "\u9fff" for sign in message) is chinese

    def test_a_host_that_is_not_ours(self, client: Client) -> None:
        response = client.get("/", headers={"host": "evil.example"})
        assert (response.status_code, response.json()["data"]["code"]) == (400, "VALIDATION_ERROR")

    def test_admin_pages_stay_pages(self, client: Client, db: None) -> None:
        response = client.get("/admin/nowhere", headers={"accept": "text/html"}, follow=True)
        assert response["Content-Type"].startswith("text/html")

    def test_what_nobody_foresaw(
        self, quiet: APIClient, alice: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def broken(*_: Any) -> None:
            raise RuntimeError("a secret inside")

        monkeypatch.setattr(RequestViewSet, "list", broken)
        quiet.force_authenticate(alice)
        with caplog.at_level(logging.ERROR):
            response = quiet.get("/api/requests")
        assert response.status_code == 500
        assert set(response.json()) == {"status", "message", "code"}
        assert (response.json()["status"], response.json()["code"]) == ("error", "INTERNAL_SERVER_ERROR")
        assert b"secret" not in response.content
        assert "RuntimeError" in caplog.text

    def test_the_database_did_not_do_as_told(
        self, quiet: APIClient, alice: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: Any) -> None:
            raise ProgrammingError("no such column secret")

        monkeypatch.setattr(RequestViewSet, "list", broken)
        quiet.force_authenticate(alice)
        response = quiet.get("/api/requests")
        assert (response.status_code, response.json()["code"]) == (500, "DATABASE_ERROR")
        assert b"secret" not in response.content

    def test_json_whatever_the_client_would_rather_have(self, client: Client) -> None:
        response = client.get("/", headers={"accept": "application/xml"})
        assert (response.status_code, response["Content-Type"]) == (200, "application/json")


class TestService:
    def test_root(self, client: Client) -> None:
        data = client.get("/").json()["data"]
        assert set(data) == {"name", "version", "description", "endpoints"}
        assert data["name"] == "Lumi"
        assert data["endpoints"]["docs"] == "http://testserver/docs"

    def test_health_touches_nothing(self, client: Client, django_assert_num_queries: Any, db: None) -> None:
        with django_assert_num_queries(0):
            body = client.get("/health").json()
        assert (body["status"], body["data"]["status"]) == ("success", "ok")
        assert body["data"]["timestamp"].endswith("Z")

    @pytest.mark.django_db(transaction=True)
    def test_detailed_health(self, client: Client, media: Any) -> None:
        response = client.get("/health/detailed")
        data = response.json()["data"]
        assert (response.status_code, data["status"]) == (200, "ok")
        assert set(data["checks"]) == {"database", "redis", "storage", "providers", "queues"}
        assert data["checks"]["database"]["status"] == data["checks"]["storage"]["status"] == "ok"
        assert not [path for path in media.rglob("*") if path.is_file()]

    @pytest.mark.django_db(transaction=True)
    def test_detailed_health_when_a_part_is_down(self, client: Client, settings: Any) -> None:
        settings.EMBEDDED_WORKER, settings.CELERY_BROKER_URL = False, "redis://127.0.0.1:1/0"
        response = client.get("/health/detailed")
        body = response.json()
        assert (response.status_code, body["status"], body["code"]) == (503, "error", "SERVICE_UNAVAILABLE")
        assert body["data"]["checks"]["redis"]["status"] == "down"
        assert body["data"]["checks"]["database"]["status"] == "ok"

    @pytest.mark.django_db(transaction=True)
    def test_a_probe_that_hangs_is_down(self, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
        settings.HEALTH_PROBES = {"slow": "time.sleep"}
        monkeypatch.setattr(health, "PROBE_SECONDS", 0.05)
        monkeypatch.setattr(health, "run", lambda _: __import__("time").sleep(0.3))
        assert health.checks()["slow"]["status"] == "down"


class TestFiles:
    @pytest.fixture
    def key(self, media: Any) -> str:
        path = media / "public" / "models" / "o" / "r" / "猫 cat.glb"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"glTF")
        return "public/models/o/r/猫 cat.glb"

    def test_are_served_with_their_type_to_any_origin(self, client: Client, key: str) -> None:
        response = client.get(f"/files/{key}")
        assert (response.status_code, response["Content-Type"]) == (200, "model/gltf-binary")
        assert response["Access-Control-Allow-Origin"] == "*"
        assert response["X-Content-Type-Options"] == "nosniff"
        assert b"".join(response.streaming_content) == b"glTF"

    @pytest.mark.parametrize(
        "path", ["models/o/r/none.glb", "models/o/r", "models", "../lumi.sqlite3", "%2e%2e/secret-key", "//etc/passwd"]
    )
    def test_nothing_else_is(self, client: Client, key: str, path: str) -> None:
        response = client.get(f"/files/{path}")
        assert response.status_code in (400, 404)
        assert response.json()["status"] == "fail"

    def test_are_only_read(self, client: Client, key: str) -> None:
        response = client.put(f"/files/{key}", b"x")
        assert (response.status_code, response.json()["data"]["code"]) == (405, "METHOD_NOT_ALLOWED")


@pytest.mark.django_db
def test_ids_are_text_of_36_and_ordered_in_time() -> None:
    ids = [new_id() for _ in range(1000)]
    assert ids == sorted(ids)
    assert {len(one) for one in ids} == {36}


@pytest.mark.django_db
def test_migrations_are_complete() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


@pytest.mark.django_db
def test_the_eight_tables_are_there() -> None:
    tables = set(connection.introspection.table_names())
    assert tables >= {
        "users", "email_verification_codes", "generation_requests", "generated_images", "image_generation_jobs",
        "models", "model_generation_jobs", "model_interactions",
    }  # fmt: skip
