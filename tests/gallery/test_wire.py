"""The model on the wire."""

import pytest
from django.utils import timezone

from gallery.models import Model
from lumi.api.fields import timestamp
from tests.factories import make_model, make_user, store
from tests.gallery import slots

KEYS = [
    "id", "userId", "source", "requestId", "sourceImageId", "name", "description", "modelUrl", "mtlUrl", "textureUrl",
    "previewImageUrl", "format", "fileSize", "visibility", "publishedAt", "viewCount", "likeCount", "favoriteCount",
    "downloadCount", "createdAt", "updatedAt", "completedAt", "failedAt", "errorMessage", "user", "generationJob",
    "moderation",
]  # fmt: skip
JOB = {"id": "job", "status": "RUNNING", "progress": 40}


def get(client, model):
    response = client.get(f"/api/models/{model.pk}")
    assert response.status_code == 200
    return response.json()["data"]


def test_a_finished_model(as_alice, alice):
    model = make_model(
        alice, public=True, description="Round.", like_count=3, favorite_count=2, download_count=1, view_count=9
    )
    slots.known[model.pk] = {"requestId": "r", "sourceImageId": "i", "generationJob": JOB, "errorMessage": None}
    shown = get(as_alice, model)
    assert list(shown) == KEYS
    base = "http://testserver/files/"
    assert shown == {
        "id": model.pk, "userId": alice.pk, "source": "AI_GENERATED", "requestId": "r", "sourceImageId": "i",
        "name": model.name, "description": "Round.",
        "modelUrl": base + model.key("obj"), "mtlUrl": base + model.key("mtl"),
        "textureUrl": base + model.key("texture"),
        "previewImageUrl": base + model.key("preview"), "format": "OBJ", "fileSize": 7,
        "visibility": "PUBLIC", "publishedAt": timestamp(model.published_at),
        "viewCount": 9, "likeCount": 3, "favoriteCount": 2, "downloadCount": 1,
        "createdAt": timestamp(model.created_at), "updatedAt": timestamp(model.updated_at),
        "completedAt": timestamp(model.completed_at), "failedAt": None, "errorMessage": None,
        "user": {"id": alice.pk, "name": "Alice"}, "generationJob": JOB, "moderation": None,
    }  # fmt: skip


def test_an_unfinished_model_has_all_keys_and_null_where_nothing_is(as_alice, alice):
    shown = get(as_alice, make_model(alice, finished=False))
    assert list(shown) == KEYS
    assert {key for key, value in shown.items() if value is None} == {
        "requestId", "sourceImageId", "description", "modelUrl", "mtlUrl", "textureUrl", "previewImageUrl", "format",
        "fileSize", "publishedAt", "completedAt", "failedAt", "errorMessage", "generationJob",
        "moderation",
    }  # fmt: skip


def test_what_generation_knows_is_for_the_owner_only(as_alice, as_bob, as_nobody, alice):
    model = make_model(alice, public=True)
    slots.known[model.pk] = {"requestId": "r", "sourceImageId": "i", "generationJob": JOB, "errorMessage": None}
    assert get(as_alice, model)["requestId"] == "r"
    for client in (as_bob, as_nobody):
        shown = get(client, model)
        assert list(shown) == KEYS
        assert [shown[key] for key in ("requestId", "sourceImageId", "generationJob")] == [None] * 3


def test_the_owners_address_is_never_shown(as_nobody, db):
    model = make_model(make_user("secret@example.com", name=""), public=True)
    response = as_nobody.get(f"/api/models/{model.pk}")
    assert b"secret" not in response.content
    assert response.json()["data"]["user"]["name"].startswith("Lumi ")


@pytest.mark.parametrize(
    ("said", "shown"),
    [("Please change your prompt.", "Please change your prompt."),
     (None, "This model could not be made. Please try again later.")],
)  # fmt: skip
def test_an_error_is_a_sentence_the_makers_if_it_has_one(as_alice, alice, said, shown):
    model = make_model(alice, finished=False, error_code="CONTENT_REFUSED", failed_at=timezone.now())
    slots.known[model.pk] = {"requestId": "r", "errorMessage": said}
    answer = get(as_alice, model)
    assert (answer["errorMessage"], answer["failedAt"]) == (shown, timestamp(model.failed_at))


def test_no_error_no_sentence(as_alice, alice):
    model = make_model(alice)
    slots.known[model.pk] = {"errorMessage": "of an earlier try"}
    assert get(as_alice, model)["errorMessage"] is None


def test_the_main_file_is_what_url_format_and_size_speak_of(as_alice, alice):
    files = [
        {"role": "preview", **store("models", alice, "a.png", b"12")},
        {"role": "glb", **store("models", alice, "a.glb", b"123")},
    ]
    shown = get(as_alice, make_model(alice, files=files, format="GLB", size=3))
    assert shown["modelUrl"].endswith("/a.glb")
    assert shown["previewImageUrl"].endswith("/a.png")
    assert (shown["mtlUrl"], shown["format"], shown["fileSize"]) == (None, "GLB", 3)


def test_a_file_url_needs_no_header_and_works(as_nobody, alice):
    model = make_model(alice, public=True)
    url = get(as_nobody, model)["modelUrl"]
    assert b"".join(as_nobody.get(url.removeprefix("http://testserver"))) == b"content"


def test_every_column_of_a_row_reaches_the_wire_from_that_row(as_nobody, alice, bob):
    first, second = make_model(alice, public=True), make_model(bob, public=True)
    shown = {model["id"]: model["user"]["name"] for model in as_nobody.get("/api/models/public").json()["data"]}
    assert shown == {first.pk: "Alice", second.pk: "Bob"}
    assert Model.objects.count() == 2
