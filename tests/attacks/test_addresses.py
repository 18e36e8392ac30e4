"""Requests forged by the server (SSRF): a person's words and files may hold addresses; nobody calls them."""

import json
import socket
import struct
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO

import pytest
import requests

from tests.attacks.callers import Caller, another_ip
from tests.journeys.stack import Stack

pytestmark = pytest.mark.journey

URL_NAMES = ("url", "imageUrl", "image_url", "modelUrl", "avatarUrl", "callbackUrl", "webhook", "next", "source")


class Trap:
    """A server that nobody has a reason to call; it counts who does."""

    def __init__(self) -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address = self.socket.getsockname()
        self.url = f"http://127.0.0.1:{self.address[1]}/x"

    def callers(self) -> int:
        """How many have knocked."""
        self.socket.settimeout(0.5)
        found = 0
        with suppress(TimeoutError):
            while True:
                self.socket.accept()[0].close()
                found += 1
        return found


@pytest.fixture
def trap() -> Iterator[Trap]:
    """For one test."""
    trap = Trap()
    yield trap
    trap.socket.close()


def glb_that_refers_to(url: str) -> bytes:
    """Its vertices lie elsewhere."""
    text = json.dumps({
        "asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}], "images": [{"uri": url}],
        "accessors": [{"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"}],
        "bufferViews": [{"buffer": 0, "byteLength": 36}], "buffers": [{"uri": url, "byteLength": 36}],
    }).encode()  # fmt: skip
    text += b" " * (-len(text) % 4)
    return struct.pack("<4sIIII", b"glTF", 2, 20 + len(text), len(text), 0x4E4F534A) + text


def zip_of(parts: dict[str, str]) -> bytes:
    """An archive."""
    content = BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return content.getvalue()


def files_that_refer_to(url: str) -> list[bytes]:
    """In every way that a format has."""
    obj = f"mtllib {url}\nusemtl a\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"
    model = f'<?xml version="1.0"?><!DOCTYPE m SYSTEM "{url}"[<!ENTITY x SYSTEM "{url}">]><model>&x;</model>'
    links = f'<Relationships><Relationship TargetMode="External" Target="{url}" Id="a" Type="{url}"/></Relationships>'
    return [
        obj.encode(),
        glb_that_refers_to(url),
        zip_of({"a.obj": obj.replace(url, "a.mtl"), "a.mtl": f"newmtl a\nmap_Kd {url}\n"}),
        zip_of({"3D/3dmodel.model": model, "_rels/.rels": links, "[Content_Types].xml": model}),
        f'<svg xmlns:xlink="http://www.w3.org/1999/xlink"><image xlink:href="{url}"/></svg>'.encode(),
        f"#EXTM3U\n{url}\n".encode(),
    ]


def test_no_address_in_a_file_is_called(stack: Stack, person: Caller, trap: Trap) -> None:
    for content in files_that_refer_to(trap.url):
        for method, path in (("POST", "models/upload"), ("POST", "requests/upload"), ("PUT", "auth/me/avatar")):
            files = {"file": (trap.url, content, "application/octet-stream")}
            answer = requests.request(
                method, f"{stack.url}/api/{path}", files=files, headers=person.headers, timeout=60
            )
            assert answer.status_code in (200, 201, 400), answer.text
    assert trap.callers() == 0


def test_no_address_in_words_is_called(person: Caller, trap: Trap) -> None:
    names = ("Referer", "Origin", "X-Forwarded-Host", "X-Wap-Profile", "X-Webhook-Url", "Destination", "From")
    person.headers |= dict.fromkeys(names, trap.url)
    made = person.post("/api/requests", {"prompt": trap.url, **dict.fromkeys(URL_NAMES, trap.url)}, expect=201)
    painted = person.wait_for(made["request"]["id"], "IMAGE_COMPLETED")
    assert painted["prompt"] == trap.url
    person.call("PATCH", "/api/auth/me", {"name": trap.url, **dict.fromkeys(URL_NAMES, trap.url)})
    assert trap.callers() == 0
    socket.create_connection(trap.address).close()
    assert trap.callers() == 1, "it would have counted them"


def test_no_operation_takes_an_address(stack: Stack) -> None:
    document = requests.get(f"{stack.url}/api/openapi", headers=another_ip(), timeout=60).json()
    taken = [schema for name, schema in document["components"]["schemas"].items() if name.endswith("Request")]
    members = {name: member for schema in taken for name, member in schema["properties"].items()}
    assert {"prompt", "email", "name"} <= set(members)
    assert not [
        name for name in members if any(word in name.lower() for word in ("url", "uri", "href", "hook", "link"))
    ]
    assert not [name for name, member in members.items() if member.get("format") in ("uri", "url", "iri")]
