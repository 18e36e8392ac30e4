"""A person takes everything along, changes their address, and goes."""

import io
import json
from zipfile import ZipFile

import pytest
import requests
from PIL import Image

from tests.journeys.people import Person, mailed_code, sign_up
from tests.journeys.stack import Stack

pytestmark = pytest.mark.journey


def picture() -> bytes:
    """A small one."""
    out = io.BytesIO()
    Image.new("RGB", (200, 100), "red").save(out, "PNG")
    return out.getvalue()


def test_a_person_takes_everything_along_and_goes(stack: Stack, maker: Person, passer_by: Person) -> None:
    request_id = maker.ask_for("a small cat")
    maker.wait_for(request_id, "IMAGE_COMPLETED")
    model_id = maker.choose(request_id)
    maker.wait_for(request_id, "COMPLETED")
    maker.post(f"/api/models/{model_id}/publish")

    sent = requests.put(
        f"{stack.url}/api/auth/me/avatar", files={"file": picture()}, headers=maker.headers, timeout=60
    )  # fmt: skip
    avatar = sent.json()["data"]["avatarUrl"]
    assert Image.open(io.BytesIO(requests.get(avatar, timeout=60).content)).size == (100, 100)

    address = "elsewhere@example.org"
    maker.post("/api/auth/me/email", {"email": address})
    maker.post("/api/auth/me/email/confirm", {"email": address, "code": mailed_code(stack, address)})
    assert maker.get("/api/auth/me")["user"]["email"] == address

    archive = ZipFile(io.BytesIO(maker.send("GET", "/api/auth/me/export").content))
    assert archive.testzip() is None
    (model,) = json.loads(archive.read("models.json"))
    assert model["id"] == model_id
    assert all(archive.getinfo(path).file_size for path in model["files"])
    (request,) = json.loads(archive.read("requests.json"))
    assert [Image.open(archive.open(image["file"])).format for image in request["images"]] == 4 * ["PNG"]
    (account,) = json.loads(archive.read("account.json"))
    assert Image.open(archive.open(account["avatar"])).format == "WEBP"

    maker.post("/api/auth/me/delete-code")
    maker.call("DELETE", "/api/auth/me", {"code": mailed_code(stack, address), "publicModels": "keep"})
    assert maker.get("/api/auth/me")["status"] == "unauthenticated"
    maker.get(f"/api/requests/{request_id}", expect=401)
    assert requests.get(avatar, timeout=60).status_code == 404
    shown = passer_by.get(f"/api/models/{model_id}")
    assert shown["user"]["name"] == "Deleted person"
    assert requests.get(shown["modelUrl"], timeout=60).ok


def test_somebody_who_goes_while_it_is_painted(stack: Stack) -> None:
    person = sign_up(stack)
    person.ask_for("a small cat")
    email = person.get("/api/auth/me")["user"]["email"]
    person.post("/api/auth/me/delete-code")
    person.call("DELETE", "/api/auth/me", {"code": mailed_code(stack, email), "publicModels": "remove"})
    assert person.get("/api/auth/me")["status"] == "unauthenticated"
