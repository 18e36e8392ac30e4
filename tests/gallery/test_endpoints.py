"""Each address for the owner, for another signed-in person and for nobody; and what looking does not move."""

import pytest

from gallery.models import Model
from lumi import wordfilter
from tests.factories import make_model

UNKNOWN = "0199aaaa-0000-7000-8000-000000000000"
ROUTES = {
    "show": ("get", "", None),
    "edit": ("patch", "", {"name": "Dog"}),
    "publish": ("post", "/publish", None),
    "unpublish": ("post", "/unpublish", None),
    "download": ("post", "/download", {}),
    "delete": ("delete", "", None),
}
PRIVATE, PUBLIC, UNFINISHED, HIDDEN = (
    {},
    {"public": True},
    {"finished": False},
    {"public": True, "moderation": "HIDDEN"},
)
CODES = {400: "VALIDATION_ERROR", 401: "UNAUTHORIZED", 403: "FORBIDDEN", 404: "NOT_FOUND", 409: "INVALID_STATE"}


def call(client, route, model_id):
    verb, path, body = ROUTES[route]
    return getattr(client, verb)(f"/api/models/{model_id}{path}", body)


def rows():
    return list(Model.objects.order_by("pk").values())


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    ("kind", "who", "statuses"),
    # show, edit, publish, unpublish, download, delete
    [
        (PRIVATE, "alice", [200, 200, 200, 200, 200, 200]),
        (PRIVATE, "bob", [404, 404, 404, 404, 404, 404]),
        (PRIVATE, "nobody", [404, 401, 401, 401, 404, 401]),
        (PUBLIC, "alice", [200, 200, 200, 200, 200, 200]),
        (PUBLIC, "bob", [200, 403, 403, 403, 200, 403]),
        (PUBLIC, "nobody", [200, 401, 401, 401, 200, 401]),
        (UNFINISHED, "alice", [200, 200, 409, 200, 409, 200]),
        (UNFINISHED, "bob", [404, 404, 404, 404, 404, 404]),
        (UNFINISHED, "nobody", [404, 401, 401, 401, 404, 401]),
        (HIDDEN, "alice", [200, 200, 200, 200, 200, 200]),
        (HIDDEN, "bob", [404, 404, 404, 404, 404, 404]),
        (HIDDEN, "nobody", [404, 401, 401, 401, 404, 401]),
        (None, "alice", [404, 404, 404, 404, 404, 404]),
        (None, "nobody", [404, 401, 401, 401, 404, 401]),
    ],
)
def test_who_may_do_what(route, kind, who, statuses, request, alice):
    client = request.getfixturevalue(f"as_{who}")
    model_id = UNKNOWN if kind is None else make_model(alice, **kind).pk
    before = rows()
    response = call(client, route, model_id)
    expected = statuses[list(ROUTES).index(route)]
    assert response.status_code == expected, response.content
    if expected == 200:
        assert response.json()["status"] == "success"
    else:
        assert response.json()["status"] == "fail"
        assert response.json()["data"]["code"] == CODES[expected]
        assert rows() == before


def test_publishing_and_back(as_alice, as_nobody, alice):
    model = make_model(alice)
    published = as_alice.post(f"/api/models/{model.pk}/publish").json()["data"]
    assert published["visibility"] == "PUBLIC"
    assert published["publishedAt"] is not None
    assert published["updatedAt"] >= as_nobody.get(f"/api/models/{model.pk}").json()["data"]["createdAt"]
    again = as_alice.post(f"/api/models/{model.pk}/publish").json()["data"]
    assert again["publishedAt"] == published["publishedAt"]
    withdrawn = as_alice.post(f"/api/models/{model.pk}/unpublish").json()["data"]
    assert (withdrawn["visibility"], withdrawn["publishedAt"]) == ("PRIVATE", None)
    assert as_nobody.get(f"/api/models/{model.pk}").status_code == 404


@pytest.mark.parametrize(
    ("sent", "name", "description"),
    [
        ({"name": "  Dog  "}, "Dog", "Round."),
        ({"description": " Square. "}, "Cat", "Square."),
        ({"name": "狗" * 100, "description": "方" * 500}, "狗" * 100, "方" * 500),
        ({"description": ""}, "Cat", None),
        ({"description": None}, "Cat", None),
        ({"unknown": 1, "id": "x", "visibility": "PUBLIC", "likeCount": 9}, "Cat", "Round."),
        ({}, "Cat", "Round."),
    ],
)
def test_editing_changes_what_is_sent_and_nothing_else(as_alice, alice, sent, name, description):
    model = make_model(alice, name="Cat", description="Round.")
    response = as_alice.patch(f"/api/models/{model.pk}", sent)
    assert response.status_code == 200
    shown = response.json()["data"]
    assert (shown["name"], shown["description"]) == (name, description)
    stored = Model.objects.get(pk=model.pk)
    assert (stored.name, stored.description) == (name, description or "")
    assert (stored.visibility, stored.like_count) == ("PRIVATE", 0)


def test_editing_and_publishing_move_updated_at(as_alice, alice):
    model = make_model(alice)
    moments = [model.updated_at]
    for path, verb, body in (("", "patch", {"name": "Dog"}), ("/publish", "post", None), ("/unpublish", "post", None)):
        getattr(as_alice, verb)(f"/api/models/{model.pk}{path}", body)
        moments.append(Model.objects.get(pk=model.pk).updated_at)
    assert moments == sorted(set(moments))


def test_looking_liking_and_downloading_do_not_move_updated_at(as_bob, as_nobody, alice):
    model = make_model(alice, public=True)
    for client in (as_bob, as_nobody):
        client.get(f"/api/models/{model.pk}")
        client.post(f"/api/models/{model.pk}/download")
    as_bob.post(f"/api/models/{model.pk}/like")
    as_bob.post(f"/api/models/{model.pk}/favorite")
    after = Model.objects.get(pk=model.pk)
    assert (after.view_count, after.download_count, after.like_count, after.favorite_count) == (2, 2, 1, 1)
    assert after.updated_at == model.updated_at


def test_the_owners_own_looks_are_not_counted(as_alice, as_bob, alice):
    model = make_model(alice, public=True, view_count=4)
    assert as_alice.get(f"/api/models/{model.pk}").json()["data"]["viewCount"] == 4
    assert as_bob.get(f"/api/models/{model.pk}").json()["data"]["viewCount"] == 5
    assert Model.objects.get(pk=model.pk).view_count == 5


@pytest.mark.parametrize(
    ("body", "format", "name"),
    [
        (None, "OBJ", "cat.obj"),
        ({}, "OBJ", "cat.obj"),
        ({"format": None}, "OBJ", "cat.obj"),
        ({"format": "GLB"}, "GLB", "cat.glb"),
        ({"format": "stl"}, "STL", "cat.stl"),
    ],
)
def test_a_download_gives_the_file_and_counts(as_nobody, alice, body, format, name):
    model = make_model(alice, public=True)
    response = as_nobody.post(f"/api/models/{model.pk}/download", body)
    assert response.status_code == 200
    url = f"http://testserver/files/{model.key(format.lower())}"
    assert response.json()["data"] == {"url": url, "fileName": name, "fileSize": 7, "format": format}
    assert Model.objects.get(pk=model.pk).download_count == 1
    assert b"".join(as_nobody.get(url.removeprefix("http://testserver"))) == b"content"


@pytest.mark.parametrize(("route", "queries"), [("show", 4), ("edit", 8), ("publish", 20), ("download", 3)])
def test_what_a_call_costs(route, queries, as_alice, alice, django_assert_num_queries):
    model = make_model(alice)
    wordfilter.rules()  # read once, and again when they change
    with django_assert_num_queries(queries):
        assert call(as_alice, route, model.pk).status_code == 200
