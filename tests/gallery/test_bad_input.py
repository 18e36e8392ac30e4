"""Input that is wrong: the specified 4xx, a code, a sentence, and nothing changed."""

import pytest

from gallery.models import Model
from tests.factories import make_model


def refused(response, status, code):
    assert response.status_code == status, response.content
    body = response.json()
    assert (body["status"], body["data"]["code"]) == ("fail", code)
    assert body["data"]["message"]
    return body["data"]


@pytest.mark.parametrize(
    "body",
    [
        {"name": ""},
        {"name": " \n "},
        {"name": "x" * 101},
        {"name": None},
        {"name": 5},
        {"name": True},
        {"name": ["x"]},
        {"name": {"a": 1}},
        {"name": "a\u0000b"},
        {"description": "x" * 501},
        {"description": 5},
        {"description": ["x"]},
        {"name": "fine", "description": "x" * 501},
        [],
        ["name"],
        "name",
        5,
    ],
)
def test_editing_refuses(as_alice, alice, body):
    model = make_model(alice)
    before = Model.objects.values().get()
    data = refused(as_alice.patch(f"/api/models/{model.pk}", body, format="json"), 400, "VALIDATION_ERROR")
    assert data["details"]
    assert Model.objects.values().get() == before


@pytest.mark.parametrize(
    "raw",
    [b"{", b'{"name":', b"\xff\xfe", b'{"name": NaN, "format": NaN}', b"nonsense", b"null",
     rb'{"name": "\ud800", "format": "\ud800"}'],
)  # fmt: skip
def test_broken_json_is_refused(as_alice, alice, raw):
    model = make_model(alice)
    before = Model.objects.values().get()
    response = as_alice.generic("PATCH", f"/api/models/{model.pk}", raw, content_type="application/json")
    refused(response, 400, "VALIDATION_ERROR")
    response = as_alice.generic("POST", f"/api/models/{model.pk}/download", raw, content_type="application/json")
    refused(response, 400, "VALIDATION_ERROR")
    assert Model.objects.values().get() == before


def test_another_media_type_is_refused(as_alice, alice):
    model = make_model(alice)
    response = as_alice.generic("PATCH", f"/api/models/{model.pk}", b"name=x", content_type="text/plain")
    refused(response, 415, "VALIDATION_ERROR")


@pytest.mark.parametrize("format", ["", "exe", "preview", "mtl", "texture", "3mf", 5, ["glb"], "x" * 11])
def test_a_format_that_is_not_there_is_refused_and_not_counted(as_nobody, alice, format):
    model = make_model(alice, public=True)
    response = as_nobody.post(f"/api/models/{model.pk}/download", {"format": format})
    refused(response, 400, "VALIDATION_ERROR")
    assert Model.objects.get().download_count == 0


def test_the_formats_there_are_are_named(as_nobody, alice):
    model = make_model(alice, public=True)
    data = refused(as_nobody.post(f"/api/models/{model.pk}/download", {"format": "fbx"}), 400, "VALIDATION_ERROR")
    assert data["message"] == "This model is not available in that format. There is: OBJ, GLB, STL, ZIP."


@pytest.mark.parametrize(
    "query",
    [
        "limit=0", "limit=101", "limit=abc", "limit=-1", "limit=", "limit=1.5", "limit=1e1", "limit=٣",
        "offset=-1", "offset=abc", "offset=99999999999999999999",
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["models/public", "models/me", "me/liked-models", "me/favorited-models"])
def test_pages_that_are_none_are_refused(as_alice, path, query):
    refused(as_alice.get(f"/api/{path}?{query}"), 400, "VALIDATION_ERROR")


@pytest.mark.parametrize("order", ["newest", "", "Latest", "latest;drop", "-id"])
def test_an_unknown_order_is_refused_and_the_known_ones_named(as_nobody, db, order):
    data = refused(as_nobody.get("/api/models/public", {"sortBy": order}), 400, "VALIDATION_ERROR")
    assert data["message"] == "“sortBy” must be one of: latest, popular, liked."


@pytest.mark.parametrize("model_id", ["unknown", "x" * 300, "%00", "' OR 1=1 --", "猫", "..%2f"])
def test_ids_that_are_none_are_not_found(as_alice, model_id):
    for verb, path in (("get", ""), ("patch", ""), ("delete", ""), ("post", "/publish"), ("post", "/download"),
                       ("post", "/like"), ("get", "/interaction-status")):  # fmt: skip
        body = {"name": "x"} if verb == "patch" else None
        refused(getattr(as_alice, verb)(f"/api/models/{model_id}{path}", body), 404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("verb", "path"), [("put", "/api/models/x"), ("get", "/api/models/x/publish"), ("post", "/api/models/public")]
)
def test_other_verbs_are_not_offered(as_alice, verb, path):
    refused(getattr(as_alice, verb)(path), 405, "METHOD_NOT_ALLOWED")


def test_a_bad_token_is_refused_even_where_none_is_needed(as_nobody, db):
    response = as_nobody.get("/api/models/public", headers={"authorization": "Bearer nonsense"})
    refused(response, 401, "UNAUTHORIZED")
