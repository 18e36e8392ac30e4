"""What an API token may do, route by route. A route without a row here fails."""

from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient
from rest_framework.views import APIView

from lumi.accounts import tokens
from lumi.accounts.models import Scope, User
from lumi.api.permissions import scope_for
from tests.accounts.desk import failure
from tests.factories import make_model

pytestmark = pytest.mark.django_db

ANYBODY, SESSION = "no token is looked at", "no token may"
LAW = {
    ANYBODY: """
        GET / · GET /health · GET /health/detailed
        POST /api/auth/send-code · POST /api/auth/register · POST /api/auth/login · POST /api/auth/refresh
        POST /api/auth/logout
    """,
    SESSION: """
        GET /api/auth/sessions · DELETE /api/auth/sessions · DELETE /api/auth/sessions/{session_id}
        GET /api/auth/tokens · POST /api/auth/tokens · DELETE /api/auth/tokens/{token_id}
        PATCH /api/auth/me · DELETE /api/auth/me · POST /api/auth/me/delete-code · GET /api/auth/me/export
        PUT /api/auth/me/avatar · DELETE /api/auth/me/avatar
        POST /api/auth/me/email · POST /api/auth/me/email/confirm
        POST /api/me/notices/read
    """,
    Scope.READ: """
        GET /api/auth/me · GET /api/me/notices
        GET /api/requests · GET /api/requests/{request_id} · GET /api/requests/{request_id}/history
        GET /api/models/me · GET /api/models/public · GET /api/models/{model_id} · POST /api/models/{model_id}/download
        GET /api/models/{model_id}/interaction-status · GET /api/me/liked-models · GET /api/me/favorited-models
    """,
    Scope.GENERATE: """
        POST /api/requests · POST /api/requests/upload · DELETE /api/requests/{request_id}
        POST /api/requests/{request_id}/cancel · POST /api/requests/{request_id}/retry · POST /api/models
    """,
    Scope.PUBLISH: """
        POST /api/models/upload · PATCH /api/models/{model_id} · DELETE /api/models/{model_id}
        POST /api/models/{model_id}/publish · POST /api/models/{model_id}/unpublish
        POST /api/models/{model_id}/like · POST /api/models/{model_id}/favorite
        POST /api/models/{model_id}/report · POST /api/models/{model_id}/appeal
    """,
}
ROUTES = {
    route.strip(): rule for rule, text in LAW.items() for route in text.replace("\n", "·").split("·") if route.strip()
}
SCOPED = {route: rule for route, rule in ROUTES.items() if rule in Scope.values}


def client_with(user: User, scopes: list[str]) -> APIClient:
    """A script of the person's."""
    _, text = tokens.create(user=user, name="script", scopes=scopes, days=1)
    return APIClient(headers={"accept-language": "en", "authorization": f"Bearer {text}"})


def call(client: APIClient, route: str) -> Any:
    """Call a route; things that it names do not exist."""
    method, path = route.split()
    for name in ("session_id", "token_id", "request_id", "model_id"):
        path = path.replace(f"{{{name}}}", "nothing")
    return getattr(client, method.lower())(path)


def test_every_route_has_its_row_and_the_contract_says_the_same() -> None:
    told = {}
    for path, methods in SchemaGenerator().get_schema(request=None, public=True)["paths"].items():
        for method, operation in methods.items():
            ways = {name: scopes for way in operation.get("security", []) for name, scopes in way.items()}
            (told[f"{method.upper()} {path}"],) = ways.get("apiToken") or [SESSION if ways else ANYBODY]
    assert told == ROUTES


@pytest.mark.parametrize("route", SCOPED)
def test_a_token_needs_the_scope_that_the_route_names(alice: User, route: str) -> None:
    scope = SCOPED[route]
    answer = call(client_with(alice, [scope]), route)
    assert answer.status_code not in (401, 403), answer.content
    refused = call(client_with(alice, [other for other in Scope.values if other != scope]), route)
    assert failure(refused) == (403, "FORBIDDEN")
    assert f"“{scope}”" in refused.json()["data"]["message"]


@pytest.mark.parametrize("route", [route for route, rule in ROUTES.items() if rule == SESSION])
def test_no_token_may_look_after_sessions_and_tokens(alice: User, route: str) -> None:
    answer = call(client_with(alice, Scope.values), route)
    assert failure(answer) == (403, "FORBIDDEN")
    assert "sign in" in answer.json()["data"]["message"]


@pytest.mark.parametrize("route", [route for route, rule in ROUTES.items() if rule == ANYBODY and "POST" not in route])
def test_a_token_changes_nothing_where_none_is_looked_at(alice: User, route: str) -> None:
    assert call(client_with(alice, ["generate"]), route).status_code in (200, 503)


def test_the_contract_and_its_page_are_for_everybody(as_nobody: APIClient) -> None:
    as_nobody.credentials(HTTP_AUTHORIZATION="Bearer rubbish")
    assert [as_nobody.get(path).status_code for path in ("/api/openapi", "/docs")] == [200, 200]


def test_a_token_without_read_sees_nothing_not_even_what_anybody_may(alice: User, bob: User) -> None:
    """A token does what its scopes say. Who wants what is public leaves it away."""
    model = make_model(bob, public=True)
    script = client_with(alice, ["publish"])
    for path in ("/api/models/public", f"/api/models/{model.id}", "/api/auth/me"):
        assert failure(script.get(path)) == (403, "FORBIDDEN")
        assert APIClient().get(path).status_code == 200


def test_scopes_do_not_reach_beyond_their_owner(alice: User, bob: User) -> None:
    private, public = make_model(bob), make_model(bob, public=True)
    script = client_with(alice, Scope.values)
    assert failure(script.get(f"/api/models/{private.id}")) == (404, "NOT_FOUND")
    assert failure(script.patch(f"/api/models/{private.id}", {"name": "mine"})) == (404, "NOT_FOUND")
    assert failure(script.patch(f"/api/models/{public.id}", {"name": "mine"})) == (403, "FORBIDDEN")


def test_staff_rights_do_not_come_with_a_token(alice: User) -> None:
    User.objects.filter(pk=alice.pk).update(is_staff=True, is_superuser=True)
    assert client_with(alice, Scope.values).get("/admin/accounts/user/").status_code == 302


class ForgottenView(APIView):
    """Nobody thought of tokens here."""


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"])
def test_a_view_that_names_no_scope_takes_no_token(method: str) -> None:
    assert scope_for(ForgottenView(), method) is None


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
def test_other_safe_methods_are_reading(alice: User, method: str) -> None:
    path = "/api/models/me"
    assert client_with(alice, ["read"]).generic(method, path).status_code == 200
    assert client_with(alice, ["publish"]).generic(method, path).status_code == 403
