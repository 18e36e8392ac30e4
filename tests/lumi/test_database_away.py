"""A database that is away, or in which others stand in the way, is a 503 with Retry-After: never a 500."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from django.conf import settings
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.sessions.backends.db import SessionStore
from django.db import DatabaseError, InterfaceError, OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from rest_framework.test import APIClient

from generation.api.views import RequestViewSet
from generation.models import GenerationRequest
from lumi.accounts.models import Session, User
from lumi.accounts.signing import AccessToken
from tests.conftest import client_of

ROOT = Path(__file__).parents[2]
AWAY = [
    OperationalError(2002, "Can't connect to server on '10.0.0.7' (115)"),
    OperationalError(2006, "Server has gone away at 10.0.0.7"),
    OperationalError(2013, "Lost connection to 10.0.0.7 during query"),
    OperationalError(1205, "Lock wait timeout exceeded at 10.0.0.7"),
    OperationalError(1213, "Deadlock found at 10.0.0.7"),
    OperationalError("database is locked at 10.0.0.7"),
    InterfaceError(0, "10.0.0.7"),
]


def broken(error: Exception) -> Any:
    """Whatever is called, this is raised."""

    def call(*_: Any, **__: Any) -> None:
        raise error

    return call


def away(response: Any) -> None:
    """The answer says: come again."""
    body = response.json()
    assert (response.status_code, body["status"], body["code"]) == (503, "error", "SERVICE_UNAVAILABLE"), body
    assert int(response["Retry-After"]) >= 1
    assert b"10.0.0.7" not in response.content


@pytest.fixture
def client_of_alice(alice: User) -> APIClient:
    """Gets the error as the world does."""
    client = client_of(alice)
    client.raise_request_exception = False
    return client


class TestInside:
    @pytest.mark.parametrize("error", AWAY, ids=lambda error: str(error.args[0]))
    def test_a_view(self, client_of_alice: APIClient, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
        monkeypatch.setattr(RequestViewSet, "list", broken(error))
        away(client_of_alice.get("/api/requests"))

    def test_authentication(self, client_of_alice: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("lumi.accounts.models.Session.objects.admitting", broken(AWAY[1]))
        away(client_of_alice.get("/api/requests"))
        away(client_of_alice.post("/api/requests", {"prompt": "x"}))

    def test_middleware(self, client_of_alice: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(AuthenticationMiddleware, "process_request", broken(AWAY[0]))
        away(client_of_alice.get("/api/requests"))

    @pytest.mark.django_db(transaction=True)
    def test_commit(self, client_of_alice: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(BaseDatabaseWrapper, "commit", broken(AWAY[2]))
            away(client_of_alice.post("/api/requests", {"prompt": "x"}))
        assert not GenerationRequest.objects.exists()

    def test_the_admin_answers_with_a_page(self, client: Any, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
        client.raise_request_exception = False
        client.cookies["sessionid"] = "x" * 32
        monkeypatch.setattr(SessionStore, "load", broken(AWAY[1]))
        response = client.get("/admin/")
        assert (response.status_code, response["Content-Type"][:9]) == (503, "text/html")
        assert int(response["Retry-After"]) >= 1
        assert b"10.0.0.7" not in response.content

    def test_a_mistake_of_ours_stays_one(self, client_of_alice: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(AuthenticationMiddleware, "process_request", broken(DatabaseError("syntax")))
        response = client_of_alice.get("/api/requests")
        assert (response.status_code, response.json()["code"]) == (500, "DATABASE_ERROR")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real server whose database listens nowhere."""
    environment = os.environ | {
        "DATABASE_URL": "mysql://lumi:lumi@127.0.0.1:1/lumi",
        "CELERY_BROKER_URL": "redis://127.0.0.1:1/0",
        "LUMI_DATA_DIR": str(tmp_path_factory.mktemp("data")),
        "LUMI_SECRET_KEY": settings.SECRET_KEY,  # so that it takes our tokens
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, "manage.py", "serve", "--port", "0"]
    log = tmp_path_factory.mktemp("log") / "server.log"
    with log.open("wb") as err:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=err)
    try:
        yield address_in(process)
    finally:
        process.terminate()
        assert process.wait(20) == 0, log.read_text()
        process.stdout.close()  # type: ignore[union-attr]


def address_in(process: Any) -> str:
    """What the server says of itself."""
    for line in process.stdout:
        if found := re.search(rb"API +(http://\S+)/api", line):
            return str(found[1].decode())
    raise AssertionError("the server did not start")


def status_of(address: str, **headers: str) -> tuple[int, bytes, Any]:
    """Status, body and headers of a GET."""
    try:
        with urlopen(Request(address, headers=headers), timeout=30) as answer:
            return answer.status, answer.read(), answer.headers
    except HTTPError as error:
        with error:
            return error.code, error.read(), error.headers


class TestARealServer:
    def test_is_alive(self, server: str) -> None:
        assert status_of(f"{server}/health")[0] == 200
        assert status_of(f"{server}/")[0] == 200

    @pytest.mark.parametrize("path", ["/api/models/public", "/api/requests", "/api/auth/me", "/api/models/x"])
    def test_says_503(self, server: str, path: str) -> None:
        signed_in = {"Authorization": f"Bearer {some_token()}"} if path != "/api/models/public" else {}
        status, body, headers = status_of(f"{server}{path}", **signed_in)
        assert (status, headers["Content-Type"]) == (503, "application/json"), body
        assert b"SERVICE_UNAVAILABLE" in body
        assert int(headers["Retry-After"]) >= 1

    def test_of_the_admin_too(self, server: str) -> None:
        status, body, _ = status_of(f"{server}/admin/", Cookie=f"sessionid={'x' * 32}")
        assert status == 503
        assert b"Traceback" not in body

    def test_detailed_health(self, server: str) -> None:
        status, body, _ = status_of(f"{server}/health/detailed")
        assert (status, b'"down"' in body) == (503, True)


def some_token() -> str:
    """A token that the server would take, if it could look the person up."""
    return str(AccessToken.of(Session(user_id="somebody")))
