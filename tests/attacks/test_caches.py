"""Caches between Lumi and a person: what was said to one is not said to another, nor when it is over."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from rest_framework.test import APIClient

from lumi.accounts.models import User
from tests.attacks.contract import Operation, those
from tests.factories import make_model


@pytest.mark.parametrize("operation", those(lambda one: one.method == "GET"), ids=str)
def test_no_answer_is_kept(
    operation: Operation, as_alice: APIClient, as_nobody: APIClient, ids: dict[str, str]
) -> None:
    for client in (as_alice, as_nobody):
        answer = operation.call(client, **ids)
        assert answer["Cache-Control"] == "no-store", answer.headers
        answer.close()


@pytest.mark.parametrize("path", ["/nowhere", "/api/nowhere", "/files/none.png"])
def test_nor_that_something_is_not_there(client: Client, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer["Cache-Control"]) == (404, "no-store")


@pytest.mark.parametrize("path", ["/docs", "/api/openapi", "/admin/login/"])
def test_pages_are_of_one_language(client: Client, path: str) -> None:
    answer = client.get(path, headers={"accept-language": "en"})
    assert "accept-language" in answer["Vary"].lower()
    assert answer["Content-Language"] == "en"


UNKEYED = [
    "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Scheme",
    "X-Original-URL", "X-Rewrite-URL", "X-Host", "Forwarded",
]  # fmt: skip


@pytest.mark.parametrize("name", UNKEYED)
def test_no_header_that_a_cache_passes_over_changes_an_address(client: Client, alice: User, name: str) -> None:
    make_model(alice, public=True)
    for path in ("/", "/api/models/public", "/docs"):
        plain, poisoned = client.get(path), client.get(path, headers={name: "evil.example"})
        assert poisoned.content == plain.content
        assert poisoned.status_code == plain.status_code


def test_a_model_that_was_hidden_is_gone_at_once(as_alice: APIClient, as_nobody: APIClient, alice: User) -> None:
    model = make_model(alice)
    path, seen = f"/api/models/{model.pk}", status_seen(as_nobody)
    as_alice.post(f"{path}/publish")
    assert seen(path) == 200
    as_alice.post(f"{path}/unpublish")
    assert seen(path) == 404


def status_seen(client: APIClient) -> Callable[[str], int]:
    """As a browser would see it: it asks with what it has."""
    had: dict[str, Any] = {}

    def look(path: str) -> int:
        headers = {"if-none-match": had[path]} if had.get(path) else {}
        answer = client.get(path, headers=headers)
        had[path] = answer.headers.get("ETag")
        return answer.status_code

    return look
