"""Who may do what: every route, asked by everybody, of private things and of public ones. Complete by construction: a
route that the contract names and that has no row here fails, and so does a row without a route."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from rest_framework.test import APIClient

from generation.models import GenerationRequest
from lumi.accounts import tokens
from lumi.accounts.models import Scope, Session, User
from tests.accounts.test_scopes import ANYBODY, ROUTES, SESSION
from tests.conftest import client_of
from tests.factories import make_model, make_request, make_user

pytestmark = pytest.mark.django_db

WHO = ("owner", "other", "nobody", "staff", *(f"token:{scope}" for scope in Scope.values))


@dataclass(frozen=True)
class Row:
    """What a route answers to its owner, to another person (staff are one here) and to nobody; `body`: what is sent."""

    owner: int
    other: int
    nobody: int
    body: dict[str, Any] = field(default_factory=dict)


OPEN, OWN = Row(200, 200, 200), Row(200, 200, 401)
MINE = Row(200, 404, 401)
ROWS = {
    "GET /": OPEN,
    "GET /health": OPEN,
    "GET /health/detailed": OPEN,
    "POST /api/auth/send-code": Row(400, 400, 400),
    "POST /api/auth/register": Row(400, 400, 400),
    "POST /api/auth/login": Row(400, 400, 400),
    "POST /api/auth/refresh": Row(400, 400, 400),
    "POST /api/auth/logout": Row(400, 400, 400),
    "GET /api/auth/me": OPEN,
    "PATCH /api/auth/me": OWN,
    "DELETE /api/auth/me": Row(400, 400, 401),
    "POST /api/auth/me/delete-code": OWN,
    "GET /api/auth/me/export": OWN,
    "PUT /api/auth/me/avatar": Row(415, 415, 401),
    "DELETE /api/auth/me/avatar": OWN,
    "POST /api/auth/me/email": Row(400, 400, 401),
    "POST /api/auth/me/email/confirm": Row(400, 400, 401),
    "GET /api/me/notices": OWN,
    "POST /api/me/notices/read": OWN,
    "GET /api/auth/sessions": OWN,
    "DELETE /api/auth/sessions": OWN,
    "DELETE /api/auth/sessions/{session_id}": MINE,
    "GET /api/auth/tokens": OWN,
    "POST /api/auth/tokens": Row(400, 400, 401),
    "DELETE /api/auth/tokens/{token_id}": MINE,
    "GET /api/requests": OWN,
    "POST /api/requests": Row(201, 201, 401, {"prompt": "a cat"}),
    "POST /api/requests/upload": Row(415, 415, 401),
    "GET /api/requests/{request_id}": MINE,
    "DELETE /api/requests/{request_id}": MINE,
    "GET /api/requests/{request_id}/history": MINE,
    "POST /api/requests/{request_id}/cancel": MINE,
    "POST /api/requests/{request_id}/retry": Row(409, 404, 401),
    "POST /api/models": Row(201, 404, 401, {"requestId": "{request_id}", "imageIndex": 0}),
    "POST /api/models/upload": Row(415, 415, 401),
    "GET /api/models/me": OWN,
    "GET /api/models/public": OPEN,
    "GET /api/me/liked-models": OWN,
    "GET /api/me/favorited-models": OWN,
    "GET /api/models/{model_id}": Row(200, 404, 404),
    "PATCH /api/models/{model_id}": Row(200, 404, 401, {"name": "Mine"}),
    "DELETE /api/models/{model_id}": MINE,
    "POST /api/models/{model_id}/publish": MINE,
    "POST /api/models/{model_id}/unpublish": MINE,
    "POST /api/models/{model_id}/download": Row(200, 404, 404),
    "POST /api/models/{model_id}/like": MINE,
    "POST /api/models/{model_id}/favorite": MINE,
    "GET /api/models/{model_id}/interaction-status": MINE,
    "POST /api/models/{model_id}/report": Row(403, 404, 401, {"reason": "SPAM"}),
    "POST /api/models/{model_id}/appeal": Row(409, 404, 401, {"text": "It is a cat."}),
}
# What differs where the model is public.
PUBLIC_ROWS = {
    "GET /api/models/{model_id}": OPEN,
    "PATCH /api/models/{model_id}": Row(200, 403, 401, {"name": "Mine"}),
    "DELETE /api/models/{model_id}": Row(200, 403, 401),
    "POST /api/models/{model_id}/publish": Row(200, 403, 401),
    "POST /api/models/{model_id}/unpublish": Row(200, 403, 401),
    "POST /api/models/{model_id}/download": OPEN,
    "POST /api/models/{model_id}/like": OWN,
    "POST /api/models/{model_id}/favorite": OWN,
    "GET /api/models/{model_id}/interaction-status": OWN,
    "POST /api/models/{model_id}/report": Row(403, 201, 401, {"reason": "SPAM"}),
    "POST /api/models/{model_id}/appeal": Row(409, 403, 401, {"text": "It is a cat."}),
}


def test_every_route_has_a_row() -> None:
    """`ROUTES` is compared with the contract in tests/accounts/test_scopes.py, and the contract with the routes."""
    assert set(ROWS) == set(ROUTES)
    assert set(PUBLIC_ROWS) == {route for route in ROUTES if "{model_id}" in route}


@pytest.fixture
def things(alice: User) -> dict[str, str]:
    """What alice has: all of it private."""
    client_of(alice)
    token, _ = tokens.create(user=alice, name="script", scopes=["read"], days=1)
    return {
        "request_id": make_request(alice, status="IMAGE_COMPLETED").pk,
        "model_id": make_model(alice).pk,
        "session_id": Session.objects.filter(user=alice).latest("created_at").pk,
        "token_id": token.pk,
    }


def caller(who: str, alice: User) -> APIClient:
    """Whoever asks."""
    kind, _, scope = who.partition(":")
    if kind == "token":
        _, text = tokens.create(user=alice, name="another", scopes=[scope], days=1)
        return APIClient(headers={"authorization": f"Bearer {text}"})
    made: dict[str, Callable[[], APIClient]] = {
        "owner": lambda: client_of(alice),
        "other": lambda: client_of(make_user()),
        "staff": lambda: client_of(make_user(is_staff=True, is_superuser=True)),
        "nobody": APIClient,
    }
    return made[kind]()


def expected(route: str, row: Row, who: str) -> int:
    """What the row says of this caller. A token of the owner's does what its scope names, and nothing else."""
    kind, _, scope = who.partition(":")
    if kind != "token":
        return {"owner": row.owner, "other": row.other, "staff": row.other, "nobody": row.nobody}[kind]
    if ROUTES[route] in (ANYBODY, scope):
        return row.owner
    return 403


def ask(client: APIClient, route: str, row: Row, things: dict[str, str]) -> Any:
    """Call the route with the things' ids."""
    method, path = route.split()
    body = {name: things.get(str(value).strip("{}"), value) for name, value in row.body.items()}
    answer = getattr(client, method.lower())(path.format(**things), body if method != "GET" else None)
    if answer.streaming:
        list(answer)  # to its end, as a client would
    return answer


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("route", ROWS)
def test_private_things(alice: User, things: dict[str, str], route: str, who: str) -> None:
    answer = ask(caller(who, alice), route, ROWS[route], things)
    assert answer.status_code == expected(route, ROWS[route], who)


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize("route", PUBLIC_ROWS)
def test_public_models(alice: User, things: dict[str, str], route: str, who: str) -> None:
    public = things | {"model_id": make_model(alice, public=True).pk}
    answer = ask(caller(who, alice), route, PUBLIC_ROWS[route], public)
    assert answer.status_code == expected(route, PUBLIC_ROWS[route], who)


@pytest.mark.parametrize("who", ["other", "nobody", "staff"])
@pytest.mark.parametrize("route", [route for route in ROUTES if "{" in route])
def test_what_is_anothers_answers_as_what_does_not_exist(
    alice: User, things: dict[str, str], route: str, who: str
) -> None:
    client = caller(who, alice)
    nothing = dict.fromkeys(things, "0" * 36)
    theirs, none = (ask(client, route, ROWS[route], ids) for ids in (things, nothing))
    assert (theirs.status_code, theirs.content) == (none.status_code, none.content)


def test_asking_changes_nothing_of_anothers(alice: User, things: dict[str, str]) -> None:
    for who in ("other", "nobody", "staff"):
        client = caller(who, alice)
        for route in (route for route in ROUTES if "{" in route):
            ask(client, route, ROWS[route], things)
    assert GenerationRequest.objects.get(pk=things["request_id"]).status == "IMAGE_COMPLETED"
    assert Session.objects.get(pk=things["session_id"]).ended_at is None
    assert ROUTES["DELETE /api/auth/tokens/{token_id}"] == SESSION
