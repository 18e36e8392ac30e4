"""Write a solid in the usual formats: OBJ with MTL and texture, STL, GLB.

OBJ and STL: millimetres, Z up, lying on the print bed. GLB: metres, Y up, stood upright facing +Z, as viewers show it.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import trimesh
from PIL import Image
from trimesh.exchange.gltf import export_glb
from trimesh.exchange.stl import export_stl
from trimesh.visual import TextureVisuals
from trimesh.visual.material import PBRMaterial

from providers.offline.cutout import Pixels
from providers.offline.files import write_whole
from providers.offline.solid import Solid

MESH, MATERIAL, TEXTURE = "model.obj", "model.mtl", "texture.png"
_TEXTURE_SIDE = 1024
_NOTE = "Lumi offline provider (built by an algorithm, no AI model)"


def write_obj(solid: Solid, folder: Path) -> None:
    """model.obj and the model.mtl that it names, which names texture.png."""
    lines = [f"# {_NOTE}", "# millimetres, Z up", f"mtllib {MATERIAL}", "o model", "usemtl picture"]
    lines += [f"v {x:.4f} {y:.4f} {z:.4f}" for x, y, z in solid.vertices.tolist()]
    lines += [f"vt {u:.5f} {v:.5f}" for u, v in solid.uv.tolist()]
    lines += [f"f {a}/{a} {b}/{b} {c}/{c}" for a, b, c in (solid.faces + 1).tolist()]
    write_whole(folder / MESH, ("\n".join(lines) + "\n").encode())
    material = f"# {_NOTE}\nnewmtl picture\nKa 1 1 1\nKd 1 1 1\nKs 0 0 0\nillum 1\nmap_Kd {TEXTURE}\n"
    write_whole(folder / MATERIAL, material.encode())


def write_png(picture: Image.Image, path: Path) -> None:
    """PNG; TEXTURE is the name that the MTL knows."""
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    write_whole(path, buffer.getvalue())


def write_stl(solid: Solid, path: Path) -> None:
    """Binary STL."""
    write_whole(path, export_stl(trimesh.Trimesh(solid.vertices, solid.faces, process=False)))


def write_glb(solid: Solid, texture: Image.Image, path: Path) -> None:
    """GLB with the texture inside; the foot of the picture at y = 0."""
    vertices = solid.vertices - (0, solid.vertices[:, 1].min(), 0)
    material = PBRMaterial(baseColorTexture=texture, metallicFactor=0.0, roughnessFactor=0.85)
    visual = TextureVisuals(uv=solid.uv, material=material)
    mesh = trimesh.Trimesh(vertices / 1000, solid.faces, visual=visual, process=False)
    write_whole(path, export_glb(trimesh.Scene(mesh)))


def as_texture(pixels: Pixels) -> Image.Image:
    """The pixels as a picture of _TEXTURE_SIDE on the longer side."""
    picture = Image.fromarray((np.clip(pixels, 0, 1) * 255 + 0.5).astype(np.uint8))
    scale = _TEXTURE_SIDE / max(picture.size)
    return picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.BICUBIC)
