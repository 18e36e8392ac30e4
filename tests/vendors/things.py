"""What vendors hand over: real files, small ones; and what a bad one hands over instead."""

import zipfile
from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
import trimesh
from PIL import Image

TWO_GIGABYTES = 2 * 1024**3
BAD_RESULTS = (
    "gone", "empty", "huge", "huge_undeclared", "truncated", "wrong_type", "html", "zip_bomb", "redirect_private",
    "redirect_loop", "reset", "hang", "server_error",
)  # fmt: skip
TYPES = {
    "png": "image/png", "jpg": "image/jpeg", "webp": "image/webp", "zip": "application/zip", "glb": "model/gltf-binary",
    "stl": "model/stl", "obj": "text/plain", "3mf": "model/3mf",
}  # fmt: skip
OBJ_NAME, LIBRARY_NAME, TEXTURE_NAME = "4f1c/model.obj", "material.mtl", "material_0.png"


def content_type(name: str) -> str:
    """As object stores guess it."""
    return TYPES.get(name.rpartition(".")[2], "application/octet-stream")


def picture(format: str = "PNG", size: tuple[int, int] = (160, 160), color: str = "tomato") -> bytes:
    """A picture that decodes."""
    out = BytesIO()
    Image.new("RGB", size, color).save(out, format)
    return out.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    """A ZIP of these."""
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


@cache
def meshes() -> dict[str, bytes]:
    """A cube in each format, and the ZIP that vendors make of an OBJ: in a folder, with material and texture."""
    cube = trimesh.creation.box((1, 1, 1))
    corners = np.asarray(cube.vertices)
    obj = "mtllib material.mtl\nusemtl m\n" + "".join(f"v {x} {y} {z}\n" for x, y, z in corners)
    obj += "".join(f"f {a + 1} {b + 1} {c + 1}\n" for a, b, c in cube.faces)
    library = f"newmtl m\nKd 1 1 1\nmap_Kd {TEXTURE_NAME}\n"
    parts = {OBJ_NAME: obj.encode(), LIBRARY_NAME: library.encode(), TEXTURE_NAME: picture()}
    exported = {kind: cube.export(file_type=kind) for kind in ("glb", "stl")}
    return {"obj": obj.encode(), "zip": zipped(parts), "3mf": three_mf(corners, cube.faces), **exported}


def three_mf(corners: Any, faces: Any) -> bytes:
    """A 3MF of one object."""
    vertices = "".join(f'<vertex x="{x}" y="{y}" z="{z}"/>' for x, y, z in corners)
    triangles = "".join(f'<triangle v1="{a}" v2="{b}" v3="{c}"/>' for a, b, c in faces)
    mesh = f"<mesh><vertices>{vertices}</vertices><triangles>{triangles}</triangles></mesh>"
    space = "http://schemas.microsoft.com/3dmanufacturing/core/2015/02"
    model = (
        f'<model unit="millimeter" xmlns="{space}"><resources><object id="1" type="model">{mesh}</object></resources>'
    )
    return zipped({"3D/3dmodel.model": f'{model}<build><item objectid="1"/></build></model>'.encode()})


@cache
def bomb() -> bytes:
    """A ZIP of a few hundred kilobytes that becomes 400 MB."""
    return zipped({"model.obj": b"v 0 0 0\n" * (50 * 1024 * 1024)})


def bad_result(how: str, url: str, **detail: Any) -> tuple[int, bytes, dict[str, str]]:
    """Status, content and headers."""
    if how == "gone":
        return 403, b"<Error><Code>AccessDenied</Code><Message>Request has expired.</Message></Error>", {}
    if how == "server_error":
        return 503, b"<Error><Code>SlowDown</Code></Error>", {}
    if how == "redirect_private":
        return 302, b"", {"Location": detail.get("to", "http://169.254.169.254/latest/meta-data/")}
    if how == "redirect_loop":
        return 302, b"", {"Location": f"{url}/results/picture.png"}
    if how == "html":
        return 200, b"<html><script>alert(1)</script></html>", {"Content-Type": "text/html; charset=utf-8"}
    content = {"empty": b"", "wrong_type": b"MZ\x90\x00" + bytes(400), "zip_bomb": bomb() if how == "zip_bomb" else b""}
    return 200, content[how], {"Content-Type": "application/octet-stream"}


FILES: dict[str, bytes] = {
    "picture.png": picture(),
    "preview.png": picture(size=(64, 64)),
    "preview.webp": picture("WEBP", (64, 64)),
    **{f"model.{kind}": content for kind, content in meshes().items()},
}
