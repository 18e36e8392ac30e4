"""Files made in bad faith, and names made in bad faith. Models: tests/gallery/test_upload.py."""

import random
import re
import struct
import zlib
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, PngImagePlugin
from rest_framework.test import APIClient

from tests.attacks.contract import file, named
from tests.fuzz.things import STL, picture

SCRIPT = b"<script>alert(1)</script>"
PICTURE_DOORS = ["uploadRequest", "setAvatar"]


def chunk(kind: bytes, content: bytes) -> bytes:
    """A part of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png_of(width: int, height: int, pixels: bytes, *, more: bytes = b"") -> bytes:
    """A PNG of one bit a pixel; `pixels` as they stand in it."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + more + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def bomb(side: int) -> bytes:
    """A hundred kilobytes that say they are a picture of so many pixels, and are."""
    packer = zlib.compressobj(9)
    row = bytes(1 + side // 8)
    return png_of(side, side, b"".join([*(packer.compress(row) for _ in range(side)), packer.flush()]))


def with_text(kind: str) -> bytes:
    """A PNG that has a script among its words."""
    info, content = PngImagePlugin.PngInfo(), BytesIO()
    info.add_text("Comment", SCRIPT.decode() * 50, zip=kind == "zipped")
    Image.new("RGB", (64, 64)).save(content, "PNG", pnginfo=info)
    return content.getvalue()


def jpeg_with_a_place() -> bytes:
    """A JPEG that knows where it was taken, and has a script in its comment."""
    picture, content = Image.new("RGB", (64, 64)), BytesIO()
    exif = picture.getexif()
    exif[0x010F], exif[0x8825] = SCRIPT.decode(), {2: (31.0, 13.0, 49.0)}
    picture.save(content, "JPEG", exif=exif, comment=SCRIPT)
    return content.getvalue()


REFUSED = {
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(1)</script></svg>',
    "html": b"<!doctype html>" + SCRIPT,
    "xml of entities": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>',
    "gif that is a script": b"GIF89a/*" + bytes(20) + b"*/=1;alert(1)",
    "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n(/etc/passwd) run",
    "bmp": picture("BMP"),
    "tiff": picture("TIFF"),
    "pixel bomb": bomb(30_000),
    "pixel bomb that is only said": png_of(2**31 - 1, 2**31 - 1, zlib.compress(b"")),
    "no pixels": png_of(0, 0, zlib.compress(b"")),
    "zip": b"PK\x03\x04" + bytes(100),
    "text bomb": png_of(
        64, 64, zlib.compress(bytes(64 * 9)), more=chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10**8)))
    ),
}
MADE_ANEW = {
    "png and page": picture() + SCRIPT,
    "page in the words of a png": with_text("plain"),
    "page in the packed words of a png": with_text("zipped"),
    "jpeg of a place": jpeg_with_a_place(),
    "jpeg and archive": picture("JPEG") + b"PK\x05\x06" + SCRIPT + bytes(18),
    "webp and page": picture("WEBP") + SCRIPT,
}


def send(client: APIClient, name: str, content: bytes, file_name: str = "cat.png") -> Any:
    """Upload it."""
    return named(name).call(client, {"file": file(content, file_name)})


def stored(media: Path) -> list[bytes]:
    """All files that there are."""
    return [path.read_bytes() for path in media.rglob("*") if path.is_file()]


@pytest.mark.parametrize("door", PICTURE_DOORS)
class TestAPicture:
    @pytest.mark.parametrize("kind", REFUSED)
    @pytest.mark.parametrize("file_name", ["cat.png", "cat.svg", "cat.html"])
    def test_that_is_none_is_refused(
        self, door: str, kind: str, file_name: str, as_alice: APIClient, media: Path
    ) -> None:
        answer = send(as_alice, door, REFUSED[kind], file_name)
        assert (answer.status_code, answer.json()["data"]["code"]) == (400, "VALIDATION_ERROR")
        assert stored(media) == []

    @pytest.mark.parametrize("kind", MADE_ANEW)
    def test_is_made_anew_without_what_else_was_in_it(
        self, door: str, kind: str, as_alice: APIClient, media: Path
    ) -> None:
        answer = send(as_alice, door, MADE_ANEW[kind], "cat.html")
        assert answer.status_code in (200, 201), answer.content
        (content,) = stored(media)
        made = Image.open(BytesIO(content))
        assert made.format in ("PNG", "WEBP")
        assert not made.getexif()
        assert not any(word in content for word in (b"script", b"PK\x05\x06", b"Exif", b"Comment"))

    @pytest.mark.filterwarnings("ignore")  # Pillow's, about what it meets
    @pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
    def test_of_which_some_bytes_are_others_is_never_our_mistake(
        self, door: str, format: str, as_alice: APIClient
    ) -> None:
        whole = jpeg_with_a_place() if format == "JPEG" else picture(format)
        dice = random.Random(format)
        for _ in range(150):
            broken = bytearray(whole)
            for _ in range(dice.randint(1, 4)):
                broken[dice.randrange(len(broken))] = dice.randrange(256)
            answer = send(as_alice, door, bytes(broken[: dice.choice([None, dice.randrange(len(broken))])]))
            assert answer.status_code in (200, 201, 400), answer.content


NAMES = {
    "a new line": "filename*=UTF-8''a%0d%0aSet-Cookie:%20evil=1.stl",
    "a line feed": "filename*=UTF-8''a%0aX-Evil:%201.stl",
    "a NUL": "filename*=UTF-8''a%00.stl",
    "quotes": 'filename="a\\"; filename=evil.html; x=\\".stl"',
    "a semicolon": 'filename="a;filename=evil.html.stl"',
    "a tag": 'filename="<img src=x onerror=alert(1)>.stl"',
    "a way up": 'filename="../../../../etc/cron.d/evil.stl"',
    "another way up": 'filename="..\\\\..\\\\windows\\\\evil.stl"',
    "an absolute way": 'filename="/etc/passwd"',
    "right to left": "filename*=UTF-8''%e2%80%aeexe.stl",
    "Chinese": "filename*=UTF-8''%e7%8c%ab.stl",
    "no UTF-8": 'filename="\xff\xfe.stl"',
    "another type": 'filename="page.html"',
    "two types": 'filename="cat.stl.html"',
    "a hidden one": 'filename=".htaccess"',
    "a dot": 'filename="."',
    "a long one": f'filename="{"a" * 2000}.stl"',
}


@pytest.mark.parametrize("kind", NAMES)
def test_a_name_says_nothing_but_a_name(kind: str, as_alice: APIClient, as_nobody: APIClient) -> None:
    head = f'--x\r\nContent-Disposition: form-data; name="file"; {NAMES[kind]}\r\n\r\n'.encode("latin-1")
    content = head + STL + b"\r\n--x--\r\n"
    answer = as_alice.generic("POST", "/api/models/upload", content, "multipart/form-data; boundary=x")
    assert answer.status_code in (201, 400), answer.content
    if answer.status_code == 400:
        assert kind in ("a dot", "a NUL", "a long one", "no UTF-8"), answer.content
        return
    model = answer.json()["data"]
    taken = as_alice.post(f"/api/models/{model['id']}/download").json()["data"]
    assert re.fullmatch(r"[^/\\\x00-\x1f\x7f\u202a-\u202e<>\"]+\.stl", taken["fileName"])
    with closing(as_nobody.get(taken["url"].removeprefix("http://testserver"))) as served:
        check_headers(served)


def check_headers(served: Any) -> None:
    """A file is shown as what it is, under a name that is nothing else."""
    assert (served.status_code, served["Content-Type"]) == (200, "model/stl")
    assert re.fullmatch(r"(inline|attachment); filename\*=UTF-8''[\w.~%!$&+^`|-]+", served["Content-Disposition"], re.A)
    assert served["X-Content-Type-Options"] == "nosniff"
    assert not {"Set-Cookie", "X-Evil"} & set(served.headers)
    assert not served.cookies


@pytest.mark.parametrize("name", ["a\r\nX-Evil: 1", 'a"; filename="evil.html', "a/../../b", "\u202eexe", "<b>"])
def test_the_name_of_a_model_does_not_reach_a_header(name: str, as_alice: APIClient, ids: dict[str, str]) -> None:
    path = f"/api/models/{ids['model_id']}"
    assert as_alice.patch(path, {"name": name}).status_code in (200, 400)
    taken = as_alice.post(f"{path}/download").json()["data"]
    with closing(as_alice.get(taken["url"].removeprefix("http://testserver"))) as served:
        assert served.status_code == 200
        assert "X-Evil" not in served
    assert re.fullmatch(r"[\w.-]+", taken["fileName"])
