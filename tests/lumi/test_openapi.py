"""The published contract is true, and can be read without the internet."""

import re
import shutil
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.test import Client
from django.utils import translation
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema
from jsonschema import Draft202012Validator

PUBLISHED = Path(__file__).parents[2] / "docs" / "openapi.yaml"
ENDPOINTS = """
    GET / · GET /health · GET /health/detailed
    POST /api/requests · GET /api/requests · GET /api/requests/{request_id} · DELETE /api/requests/{request_id}
    POST /api/requests/{request_id}/cancel · POST /api/requests/{request_id}/retry · POST /api/requests/upload
    GET /api/requests/{request_id}/history
    POST /api/models · GET /api/models/me · GET /api/models/public · GET /api/models/{model_id}
    PATCH /api/models/{model_id} · DELETE /api/models/{model_id} · POST /api/models/{model_id}/publish
    POST /api/models/{model_id}/unpublish · POST /api/models/{model_id}/download · POST /api/models/upload
    POST /api/models/{model_id}/like · POST /api/models/{model_id}/favorite
    POST /api/models/{model_id}/report · POST /api/models/{model_id}/appeal
    GET /api/models/{model_id}/interaction-status · GET /api/me/liked-models · GET /api/me/favorited-models
    POST /api/auth/send-code · POST /api/auth/register · POST /api/auth/login · POST /api/auth/refresh
    POST /api/auth/logout · GET /api/auth/me · GET /api/auth/sessions · DELETE /api/auth/sessions
    DELETE /api/auth/sessions/{session_id} · GET /api/auth/tokens · POST /api/auth/tokens
    DELETE /api/auth/tokens/{token_id}
    PATCH /api/auth/me · DELETE /api/auth/me · POST /api/auth/me/delete-code · GET /api/auth/me/export
    PUT /api/auth/me/avatar · DELETE /api/auth/me/avatar
    POST /api/auth/me/email · POST /api/auth/me/email/confirm
    GET /api/me/notices · POST /api/me/notices/read
"""


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    """The document as the views make it, in English as the published copy is."""
    with translation.override("en"):
        return plain(SchemaGenerator().get_schema(request=None, public=True))


def operations(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """By `METHOD path`."""
    return {
        f"{method.upper()} {path}": operation
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    }


def test_the_published_copy_is_true(schema: dict[str, Any]) -> None:
    published = yaml.safe_load(PUBLISHED.read_text(encoding="utf-8"))
    assert lines_of(published) == lines_of(schema), "run `make schema`"


def lines_of(schema: dict[str, Any]) -> list[str]:
    """So that a difference is shown as lines."""
    return yaml.safe_dump(schema, allow_unicode=True).splitlines()


def plain(value: Any) -> Any:
    """Without the lazy sentences and ordered dicts of Python."""
    if isinstance(value, dict):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return value if isinstance(value, bool | int | float | None) else str(value)


def test_it_is_valid_openapi_3_1(schema: dict[str, Any]) -> None:
    assert schema["openapi"] == "3.1.0"
    validate_schema(schema)


def test_every_endpoint_of_the_specification_is_there_and_no_other(schema: dict[str, Any]) -> None:
    assert set(operations(schema)) == {one.strip() for one in re.split(r"[·\n]", ENDPOINTS) if one.strip()}


def test_every_answer_is_in_an_envelope(schema: dict[str, Any]) -> None:
    for name, operation in operations(schema).items():
        good = [answer for code, answer in operation["responses"].items() if code.startswith("2")]
        assert len(good) == 1, name
        if name == "GET /api/auth/me/export":  # a file
            assert list(good[0]["content"]) == ["application/zip"]
            continue
        component = good[0]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        envelope, own = schema["components"]["schemas"][component]["allOf"]
        assert envelope == {"$ref": "#/components/schemas/Success"}, name
        assert list(own["properties"]) == ["data"], name


def test_every_operation_says_how_it_can_fail(schema: dict[str, Any]) -> None:
    for name, operation in operations(schema).items():
        wanted = set() if name == "GET /health" else {"400", "429", "500", "503"}
        wanted |= {"401", "403"} if any(operation.get("security", [])) else set()
        wanted |= {"404"} if "{" in name else set()
        wanted |= {"413", "415"} if "requestBody" in operation else set()
        assert wanted <= set(operation["responses"]), name
        assert not any("X" in code for code in operation["responses"]), name


def test_every_example_fits_its_schema(schema: dict[str, Any]) -> None:
    contents = [
        (name, content)
        for name, operation in operations(schema).items()
        for holder in (operation.get("requestBody", {}), *operation["responses"].values())
        for content in resolved(schema, holder).get("content", {}).values()
    ]
    assert len(contents) > 60
    for name, content in contents:
        whole = {**content["schema"], "components": schema["components"]}
        problems = [problem.message for problem in Draft202012Validator(whole).iter_errors(content["example"])]
        assert problems == [], name


def resolved(schema: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    """What a reference refers to."""
    if "$ref" not in value:
        return value
    found: Any = schema
    for part in value["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return dict(found)


def test_every_operation_has_a_name_of_its_own_and_a_tag(schema: dict[str, Any]) -> None:
    names = [operation["operationId"] for operation in operations(schema).values()]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z][A-Za-z]+", name) for name in names)
    assert all(operation["tags"] for operation in operations(schema).values())
    assert all(operation["summary"] for operation in operations(schema).values())


def test_a_token_is_asked_for_where_nobody_gets_nothing_and_nowhere_else(schema: dict[str, Any]) -> None:
    free = {name for name, operation in operations(schema).items() if {} in operation.get("security", [{}])}
    signs_in = {f"POST /api/auth/{verb}" for verb in ("send-code", "register", "login", "refresh", "logout")}
    assert free == {
        "GET /", "GET /health", "GET /health/detailed", "GET /api/auth/me", *signs_in,
        "GET /api/models/public", "GET /api/models/{model_id}", "POST /api/models/{model_id}/download",
    }  # fmt: skip


def test_lists_name_their_total(schema: dict[str, Any]) -> None:
    history = "requests/{request_id}/history"
    own = ("me/liked-models", "me/favorited-models", "me/notices", "auth/sessions", "auth/tokens")
    for path in ("requests", history, "models/me", "models/public", *own):
        answer = operations(schema)[f"GET /api/{path}"]["responses"]["200"]
        assert "X-Total-Count" in answer["headers"], path


def test_what_makes_something_takes_an_idempotency_key(schema: dict[str, Any]) -> None:
    for path in ("requests", "models"):
        operation = operations(schema)[f"POST /api/{path}"]
        assert [one["name"] for one in operation["parameters"] if one["in"] == "header"] == ["Idempotency-Key"]
        assert "Idempotency-Replayed" in operation["responses"]["201"]["headers"]
        for code in ("409", "422"):
            content = operation["responses"][code]["content"]["application/json"]
            assert content["schema"]["$ref"].endswith("/Fail")


def test_the_document_is_served(client: Client, schema: dict[str, Any]) -> None:
    response = client.get("/api/openapi")
    assert (response.status_code, response.json()["info"]["title"]) == (200, "Lumi")
    assert set(response.json()["paths"]) == set(schema["paths"])


def test_the_page_of_the_docs_loads_nothing_from_elsewhere(client: Client) -> None:
    page = client.get("/docs").content.decode()
    addresses = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert addresses
    assert all(address.startswith(("/static/", "/docs?script=")) for address in addresses), addresses
    for address in addresses:
        with closing(client.get(address)) as answer:
            assert answer.status_code == 200, address


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_the_page_of_the_docs_in_a_real_browser(live_server: Any, tmp_path: Path) -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
    assert chromium, "Chromium is missing: `make test` installs it where it may"
    command = [
        chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--disable-quic", f"--user-data-dir={tmp_path}",
        "--virtual-time-budget=20000", "--dump-dom", f"{live_server.url}/docs",
    ]  # fmt: skip
    page = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    for words in ("opblock-summary-path", "createRequest", "sendCode", "Authorize"):
        assert words in page
