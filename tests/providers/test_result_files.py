"""Results on disk: known by their content, whatever their name, their address or their vendor say."""

import io
import random
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from providers import results
from providers.base import Fault, FileRole, ProviderError, RemoteFile
from tests.providers.raw_server import RawServer, answer
from tests.vendors import things

MESHES = things.meshes()
PAGE = b"<html><script>alert(1)</script></html>"
OBJ = b"mtllib model.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"


@pytest.fixture(autouse=True)
def _on_this_machine(settings: Any) -> None:
    settings.RESULTS_FROM_LOOPBACK = True


def fetched(content: bytes, role: str, tmp_path: Path, *headers: str) -> dict[FileRole, Path]:
    """What becomes of a result with this content."""
    with RawServer(answer(content, *headers)) as server:
        found = results.fetch((RemoteFile(role=role, url=f"{server.url}/result"),), tmp_path, hosts=())
    return {result.role: result.path for result in found}


def refused(content: bytes, role: str, tmp_path: Path) -> str:
    """Why such a result is none, and will be none at the next try."""
    with pytest.raises(ProviderError) as caught:
        fetched(content, role, tmp_path)
    assert (caught.value.fault, caught.value.permanent) == (Fault.BAD_ANSWER, True)
    return caught.value.evidence


def picture_of(width: int, height: int) -> bytes:
    """A PNG of a few hundred bytes that says it is so large, and is black throughout."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(4096))) + chunk(b"IEND", b"")
    )


def camera_picture() -> bytes:
    """A JPEG with a second picture in it, as cameras make them."""
    out = io.BytesIO()
    Image.new("RGB", (64, 64)).save(out, "MPO", save_all=True, append_images=[Image.new("RGB", (32, 32))])
    return out.getvalue()


class TestPictures:
    @pytest.mark.parametrize(("format", "suffix"), [("PNG", ".png"), ("JPEG", ".jpg"), ("WEBP", ".webp")])
    @pytest.mark.parametrize("role", [FileRole.IMAGE, FileRole.PREVIEW, FileRole.TEXTURE])
    @pytest.mark.parametrize("said", ["image/png", "image/jpeg", "application/octet-stream", "text/plain"])
    def test_are_named_by_what_they_are(
        self, tmp_path: Path, format: str, suffix: str, role: FileRole, said: str
    ) -> None:
        found = fetched(things.picture(format), role, tmp_path, f"Content-Type: {said}")
        assert found[role].suffix == suffix

    def test_with_a_page_behind_it_is_a_picture_and_named_so(self, tmp_path: Path) -> None:
        assert fetched(things.picture() + PAGE, "image", tmp_path)[FileRole.IMAGE].suffix == ".png"

    def test_of_a_camera_is_a_jpeg(self, tmp_path: Path) -> None:
        assert fetched(camera_picture(), "image", tmp_path)[FileRole.IMAGE].suffix == ".jpg"

    @pytest.mark.parametrize(
        "content",
        [
            PAGE,
            b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>',
            things.picture("GIF"),
            things.picture("BMP"),
            things.picture("TIFF"),
            things.picture("ICO"),
            b"%PDF-1.7\n" + things.picture(),
            PAGE + things.picture(),
            MESHES["zip"],
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n",
            b"\x89PNG\r\n\x1a\n",
            b"\x89PNG\r\n\x1a\n" + PAGE,
            things.picture()[: len(things.picture()) // 2],
            things.picture("JPEG")[:200],
            things.picture("WEBP")[:60],
            b"\0",
        ],
        ids=["page", "SVG", "GIF", "BMP", "TIFF", "ICO", "PDF first", "page first", "ZIP", "EPS", "PNG's first bytes",
             "page as PNG", "half a PNG", "half a JPEG", "half a WebP", "zero"],
    )  # fmt: skip
    def test_nothing_else_is_one(self, tmp_path: Path, content: bytes) -> None:
        assert "not a picture" in refused(content, "image", tmp_path)

    @pytest.mark.parametrize("side", [30_000, 9_500, 8_200, 2**31 - 1])
    def test_a_small_file_of_too_many_pixels(self, tmp_path: Path, side: int) -> None:
        refused(picture_of(side, side), "image", tmp_path)

    def test_no_accident_is_anything_else(self, tmp_path: Path) -> None:
        """Bytes changed at random: a picture, or a ProviderError."""
        chance, refusals = random.Random(4), 0
        for turn in range(300):
            content = bytearray(things.picture(chance.choice(["PNG", "JPEG", "WEBP"]), size=(40, 40)))
            for _ in range(chance.randint(1, 5)):
                content[chance.randrange(len(content))] = chance.randrange(256)
            path = tmp_path / str(turn)
            path.write_bytes(content)
            try:
                results.picture_suffix(path)
            except ProviderError:
                refusals += 1
        assert refusals > 50

    def test_a_preview_that_is_none_is_left_out(self, tmp_path: Path) -> None:
        with RawServer(answer(PAGE), answer(MESHES["glb"])) as server:
            files = tuple(RemoteFile(role=role, url=f"{server.url}/{role}") for role in ("preview", "glb"))
            assert [result.role for result in results.fetch(files, tmp_path, hosts=())] == [FileRole.GLB]


class TestMeshes:
    @pytest.mark.parametrize(
        ("kind", "role"),
        [("glb", FileRole.GLB), ("stl", FileRole.STL), ("obj", FileRole.OBJ), ("3mf", FileRole.THREE_MF)],
    )
    def test_are_what_was_ordered(self, tmp_path: Path, kind: str, role: FileRole) -> None:
        found = fetched(MESHES[kind], kind, tmp_path)
        assert {one: path.suffix for one, path in found.items()} == {role: f".{kind}"}

    @pytest.mark.parametrize(
        ("content", "role"),
        [
            (b"solid cat\n facet normal 0 0 1\n  outer loop\n", FileRole.STL),
            (b"solid" + bytes(75) + struct.pack("<I", 2) + bytes(100), FileRole.STL),
            (b"\xef\xbb\xbf# made by a vendor\r\n\r\n#\r\nv 0 0 0\r\n", FileRole.OBJ),
            (b"# " + b"x" * 5000 + b"\no cat\nv 0 0 0\n", FileRole.OBJ),
            (b"usemtl m\nv 0 0 0\n", FileRole.OBJ),
            (b"# Blender MTL file\nnewmtl m\nmap_Kd a.png\n", FileRole.MTL),
        ],
    )
    def test_in_their_dialects(self, tmp_path: Path, content: bytes, role: FileRole) -> None:
        assert set(fetched(content, role, tmp_path)) == {role}

    @pytest.mark.parametrize("role", ["glb", "stl", "obj", "3mf", "mtl"])
    @pytest.mark.parametrize(
        "content",
        [
            PAGE + b"\nv 0 0 0\n",
            b'{"error": "no such key"}',
            b"solid ground under <html>",
            b"solid \0 facet",
            MESHES["glb"][: len(MESHES["glb"]) // 2],
            MESHES["stl"][:-50],
            b"glTF\x01" + MESHES["glb"][5:],
            things.zipped({"3D/readme.txt": b"no model"}),
            MESHES["3mf"][: len(MESHES["3mf"]) // 2],
            things.picture(),
            b"v",
            b"PK\x03\x04" + bytes(100),
        ],
        ids=["page", "JSON", "no facets", "zero in text", "half a GLB", "half an STL", "glTF 1", "ZIP without a model",
             "half a 3MF", "picture", "one letter", "ZIP's first bytes"],
    )  # fmt: skip
    def test_nothing_else_is_one(self, tmp_path: Path, role: str, content: bytes) -> None:
        refused(content, role, tmp_path)

    @pytest.mark.parametrize(("kind", "role"), [("glb", "stl"), ("stl", "glb"), ("obj", "glb"), ("3mf", "glb"), ("zip", "glb"), ("glb", "3mf"), ("zip", "3mf")])  # fmt: skip # noqa: E501
    def test_of_another_kind_than_was_said(self, tmp_path: Path, kind: str, role: str) -> None:
        assert f"not a mesh of the kind {role}" in refused(MESHES[kind], role, tmp_path)

    def test_a_3mf_that_becomes_too_much(self, tmp_path: Path) -> None:
        refused(things.zipped({"3D/3dmodel.model": bytes(results.MOST_BYTES["mesh"] + 1)}), "3mf", tmp_path)


class TestZips:
    """An OBJ, its material library and its texture."""

    def names(self, parts: dict[str, bytes], tmp_path: Path, role: str = "zip") -> dict[str, str]:
        """What comes out of such a ZIP, by role."""
        return {role.value: path.name for role, path in fetched(things.zipped(parts), role, tmp_path).items()}

    @pytest.mark.parametrize("role", ["zip", "obj"])
    def test_whichever_role_it_was_given(self, tmp_path: Path, role: str) -> None:
        assert set(fetched(MESHES["zip"], role, tmp_path)) == {FileRole.OBJ, FileRole.MTL, FileRole.TEXTURE}

    @pytest.mark.parametrize(
        ("line", "texture"),
        [
            (b"map_Kd tex.png", "tex.png"),
            (b"map_Kd -s 1 1 1 tex.png", "tex.png"),
            (b"\tmap_Kd  tex.png \r", "tex.png"),
            (b"map_Kd C:\\Users\\artist\\textures\\tex.png", "tex.png"),
            (b"map_Kd ./textures/tex.png", "tex.png"),
            (b"map_Kd TEX.PNG", "tex.png"),
            (b"map_Ka tex.png", "tex.png"),
            (b"map_Kd my texture.png", "my texture.png"),
            ("map_Kd 纹理.png".encode(), "纹理.png"),
        ],
    )
    def test_the_texture_that_the_library_names(self, tmp_path: Path, line: bytes, texture: str) -> None:
        parts = {
            "a/model.obj": OBJ, "a/model.MTL": b"newmtl m\n" + line + b"\n", f"a/{texture}": things.picture(),
            "a/other.png": things.picture(color="blue"),
        }  # fmt: skip
        assert self.names(parts, tmp_path) == {"obj": "model.obj", "mtl": "model.MTL", "texture": texture}

    @pytest.mark.parametrize(
        "line", [b"map_Kd ../../etc/passwd", b"map_Kd /etc/passwd", b"map_Kd model.obj", b"map_Kd \xff"]
    )
    def test_that_names_something_else_has_none(self, tmp_path: Path, line: bytes) -> None:
        parts = {"model.obj": OBJ, "model.mtl": line + b"\n", "tex.png": things.picture()}
        assert self.names(parts, tmp_path) == {"obj": "model.obj", "mtl": "model.mtl"}

    def test_a_texture_is_named_by_what_it_is(self, tmp_path: Path) -> None:
        parts = {"model.obj": OBJ, "model.mtl": b"map_Kd tex.png\n", "tex.png": things.picture("JPEG")}
        assert self.names(parts, tmp_path)["texture"] == "tex.jpg"

    def test_a_texture_that_is_no_picture(self, tmp_path: Path) -> None:
        parts = {"model.obj": OBJ, "model.mtl": b"map_Kd tex.png\n", "tex.png": PAGE}
        assert "not a picture" in refused(things.zipped(parts), "zip", tmp_path)

    def test_without_a_library(self, tmp_path: Path) -> None:
        assert self.names({"model.OBJ": OBJ}, tmp_path) == {"obj": "model.OBJ"}

    def test_one_of_several_meshes_with_its_own_library(self, tmp_path: Path) -> None:
        parts = {
            "b.obj": b"mtllib b.mtl\nv 0 0 0\n", "b.mtl": b"", "a.obj": b"mtllib a.mtl\nv 0 0 0\n", "a.mtl": b"",
        }  # fmt: skip
        assert self.names(parts, tmp_path) == {"obj": "a.obj", "mtl": "a.mtl"}

    @pytest.mark.parametrize(
        ("parts", "why"),
        [
            ({"model.glb": MESHES["glb"]}, "no OBJ"),
            ({}, "not a mesh"),
            ({"model.obj": PAGE}, "no OBJ"),
            ({"model.mtl": b"map_Kd tex.png"}, "no OBJ"),
            ({"../model.obj": OBJ}, "leads out"),
            ({"a/model.obj": OBJ, "b/model.obj": OBJ}, "two entries"),
            ({f"{number}.obj": OBJ for number in range(101)}, "entries"),
        ],
        ids=["no OBJ", "nothing", "a page", "a library alone", "a name that leads out", "twins", "too many"],
    )
    def test_that_hold_nothing_good(self, tmp_path: Path, parts: dict[str, bytes], why: str) -> None:
        assert why in refused(things.zipped(parts), "zip", tmp_path)

    def test_that_become_too_much(self, tmp_path: Path) -> None:
        assert "more comes out" in refused(things.bomb(), "zip", tmp_path)
        written = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
        assert written < results.MOST_BYTES["mesh"] + 1024 * 1024

    def test_that_are_cut_off(self, tmp_path: Path) -> None:
        assert "not a sound ZIP" in refused(MESHES["zip"][:-30], "zip", tmp_path)
