"""From a sentence to a model in the gallery, and what others can do with it."""

import hashlib
from io import BytesIO
from urllib.parse import unquote

import pytest
import trimesh
from PIL import Image

from tests.journeys.people import Person

pytestmark = pytest.mark.journey


def made_by(person: Person, prompt: str) -> tuple[str, str]:
    """A finished request and its model."""
    request_id = person.ask_for(prompt)
    person.wait_for(request_id, "IMAGE_COMPLETED")
    model_id = person.choose(request_id, 1)
    person.wait_for(request_id, "COMPLETED")
    return request_id, model_id


def test_from_a_sentence_to_a_download(maker: Person, visitor: Person, passer_by: Person) -> None:
    request_id = maker.ask_for("a small cat")
    request = maker.wait_for(request_id, "IMAGE_COMPLETED")
    assert request["phase"] == "AWAITING_SELECTION"
    pictures = [passer_by.send("GET", image["imageUrl"]).content for image in request["images"]]
    assert len({hashlib.sha256(picture).digest() for picture in pictures}) == 4
    assert {Image.open(BytesIO(picture)).size for picture in pictures} == {(1024, 1024)}

    model_id = maker.choose(request_id, 2)
    request = maker.wait_for(request_id, "COMPLETED")
    assert request["selectedImageIndex"] == 2
    assert request["model"]["id"] == model_id
    assert request["model"]["visibility"] == "PRIVATE"

    maker.post(f"/api/models/{model_id}/publish")
    assert visitor.post(f"/api/models/{model_id}/like") == {"liked": True, "likeCount": 1}
    assert [model["id"] for model in visitor.get("/api/me/liked-models")] == [model_id]
    assert model_id in {model["id"] for model in passer_by.get("/api/models/public")}

    stl = passer_by.post(f"/api/models/{model_id}/download", {"format": "STL"})
    mesh = trimesh.load(BytesIO(passer_by.send("GET", stl["url"]).content), file_type="stl")
    assert mesh.is_watertight
    assert 10 <= max(mesh.extents) <= 200  # millimetres
    assert passer_by.get(f"/api/models/{model_id}")["downloadCount"] == 1

    maker.post(f"/api/models/{model_id}/unpublish")
    passer_by.get(f"/api/models/{model_id}", expect=404)
    visitor.post(f"/api/models/{model_id}/download", expect=404)
    assert visitor.get("/api/me/liked-models") == []


def file_name(url: str) -> str:
    """The real file name at the end of an address."""
    return unquote(url.rsplit("/", 1)[1])


def test_files_of_a_model_refer_to_each_other(maker: Person, passer_by: Person) -> None:
    _, model_id = made_by(maker, "一只小猫")
    model = maker.get(f"/api/models/{model_id}")
    obj = passer_by.send("GET", model["modelUrl"]).text
    mtl = passer_by.send("GET", model["mtlUrl"]).text
    assert f"mtllib {file_name(model['mtlUrl'])}" in obj
    assert file_name(model["textureUrl"]) in mtl
    assert passer_by.send("GET", model["textureUrl"]).ok
    assert passer_by.send("GET", model["previewImageUrl"]).ok


def test_a_private_model_is_seen_by_nobody_else(maker: Person, visitor: Person, passer_by: Person) -> None:
    request_id, model_id = made_by(maker, "a vase")
    for other in (visitor, passer_by):
        other.get(f"/api/models/{model_id}", expect=404)
        other.post(f"/api/models/{model_id}/download", expect=404)
        assert model_id not in {model["id"] for model in other.get("/api/models/public")}
    visitor.post(f"/api/models/{model_id}/like", expect=404)
    visitor.get(f"/api/requests/{request_id}", expect=404)
    passer_by.get(f"/api/requests/{request_id}", expect=401)
    assert maker.get(f"/api/models/{model_id}")["id"] == model_id


def test_deleting_a_request_takes_its_files(maker: Person) -> None:
    request_id, model_id = made_by(maker, "a rocket")
    request = maker.get(f"/api/requests/{request_id}")
    urls = [image["imageUrl"] for image in request["images"]]
    urls += [request["model"][name] for name in ("modelUrl", "mtlUrl", "textureUrl", "previewImageUrl")]
    assert {maker.send("GET", url).status_code for url in urls} == {200}

    maker.call("DELETE", f"/api/requests/{request_id}")
    assert {maker.send("GET", url).status_code for url in urls} == {404}
    maker.get(f"/api/requests/{request_id}", expect=404)
    maker.get(f"/api/models/{model_id}", expect=404)


def test_a_public_model_outlives_its_request(maker: Person, passer_by: Person) -> None:
    request_id, model_id = made_by(maker, "a house")
    maker.post(f"/api/models/{model_id}/publish")
    maker.call("DELETE", f"/api/requests/{request_id}")
    model = passer_by.get(f"/api/models/{model_id}")
    assert model["requestId"] is None
    assert passer_by.send("GET", model["modelUrl"]).ok
