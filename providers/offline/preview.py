"""Render a solid from a three-quarter view: a z-buffer in numpy, soft light, the picture's colours. No GPU."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from providers.offline.cutout import Pixels
from providers.offline.solid import Solid

SIDE = 512  # pixels
_SUPERSAMPLING = 2
_BACKGROUND = (0.955, 0.950, 0.940)
_TURN, _LEAN = np.radians(-30), np.radians(20)
_FILL = 0.88  # of the picture's side
_LIGHT = np.array([-0.40, 0.62, 0.68])
_CHUNK = 2_000_000  # pixels tested at a time

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class _Hits:
    """What each pixel shows: `pixels` (k,), `faces` (k,) and `shares` (k, 3) of the face's corners."""

    pixels: Indices
    faces: Indices
    shares: Floats


def render(solid: Solid, texture: Pixels) -> Image.Image:
    """SIDE x SIDE pixels: the solid stood upright and turned, lit from the upper left, on a plain background."""
    side = SIDE * _SUPERSAMPLING
    points, normals = _turned(solid.vertices), _turned(_normals(solid))
    hits = _visible(_on_screen(points, side), solid.faces, side)
    corners = solid.faces[hits.faces]
    colour = _looked_up(texture, _blend(solid.uv[corners], hits.shares))
    canvas = np.empty((side * side, 3), np.float32)
    canvas[:] = _BACKGROUND
    canvas[hits.pixels] = colour * _light(_blend(normals[corners], hits.shares))[:, None]
    picture = Image.fromarray((np.clip(canvas, 0, 1).reshape(side, side, 3) * 255 + 0.5).astype(np.uint8))
    return picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def _turned(vectors: Floats) -> Floats:
    """Upright (the picture's up is up), turned about the vertical, leaned forward; the viewer looks along -z."""
    cos, sin = np.cos(_TURN), np.sin(_TURN)
    turn = np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
    cos, sin = np.cos(_LEAN), np.sin(_LEAN)
    lean = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]])
    return vectors @ (lean @ turn).T


def _normals(solid: Solid) -> Floats:
    """Vertex normals, weighted by the area of the faces around."""
    a, b, c = (solid.vertices[solid.faces[:, k]] for k in range(3))
    face_normals = np.cross(b - a, c - a)
    result = np.zeros_like(solid.vertices)
    for k in range(3):
        np.add.at(result, solid.faces[:, k], face_normals)
    return result / np.maximum(np.linalg.norm(result, axis=1, keepdims=True), 1e-12)


def _on_screen(points: Floats, side: int) -> Floats:
    """Scaled to fill the picture; x to the right, y down, z towards the viewer, all in pixels."""
    lower, upper = points.min(axis=0), points.max(axis=0)
    scale = _FILL * side / (upper - lower)[:2].max()
    centred = (points - (lower + upper) / 2) * scale
    return centred * (1, -1, 1) + (side / 2, side / 2, 0)


def _visible(screen: Floats, faces: Indices, side: int) -> _Hits:
    """The nearest face in each pixel that any face covers."""
    nearest = np.full(side * side, -np.inf)
    face_at, share_at = np.zeros(side * side, np.int64), np.zeros((side * side, 3))
    for group, width in _by_size(screen, faces):
        pixels, numbers, shares, z = _covered(screen[faces[group]], width, side)
        np.maximum.at(nearest, pixels, z)
        wins = nearest[pixels] == z
        face_at[pixels[wins]], share_at[pixels[wins]] = group[numbers[wins]], shares[wins]
    hit = np.flatnonzero(nearest > -np.inf)
    return _Hits(pixels=hit, faces=face_at[hit], shares=share_at[hit])


def _by_size(screen: Floats, faces: Indices) -> list[tuple[Indices, int]]:
    """Faces that look at the viewer, in chunks of alike size with the width of the box that holds each of them."""
    corners = screen[faces]
    (ax, ay), (bx, by) = ((corners[:, k] - corners[:, 0])[:, :2].T for k in (1, 2))
    facing = ax * by - ay * bx < 0  # counter-clockwise turns clockwise when y points down
    extent = (corners[..., :2].max(axis=1) - corners[..., :2].min(axis=1)).max(axis=1)
    width = 2 ** np.ceil(np.log2(extent + 2)).astype(int)
    chunks = []
    for size in np.unique(width[facing]):
        group, step = np.flatnonzero(facing & (width == size)), max(1, _CHUNK // int(size) ** 2)
        chunks += [(group[k : k + step], int(size)) for k in range(0, len(group), step)]
    return chunks


def _covered(corners: Floats, width: int, side: int) -> tuple[Indices, Indices, Floats, Floats]:
    """Pixel, number in the chunk, barycentric shares and depth wherever a pixel's middle lies in a face."""
    origin = np.floor(corners[..., :2].min(axis=1))
    y, x = np.divmod(np.arange(width * width), width)
    areas = np.stack([_side_of(corners[..., :2] - origin[:, None], k, x + 0.5, y + 0.5) for k in range(3)])
    number, pixel = np.nonzero((areas <= 0).all(axis=0))
    shares = areas[:, number, pixel].T
    shares = shares / np.minimum(shares.sum(axis=1, keepdims=True), -1e-12)
    at_x, at_y = (origin[number].T + np.stack([x[pixel], y[pixel]])).astype(np.int64)
    return at_y * side + at_x, number, shares, (corners[number, :, 2] * shares).sum(axis=1)


def _side_of(corners: Floats, k: int, x: Floats, y: Floats) -> Floats:
    """For each face and each pixel of its box: twice the area between the pixel and the side opposite corner k."""
    (ax, ay), (bx, by) = corners[:, (k + 1) % 3].T, corners[:, (k + 2) % 3].T
    return np.asarray((ax * by - ay * bx)[:, None] + (ay - by)[:, None] * x + (bx - ax)[:, None] * y)


def _blend(values: Floats, shares: Floats) -> Floats:
    return np.asarray((values * shares[..., None]).sum(axis=1))


def _looked_up(texture: Pixels, uv: Floats) -> Pixels:
    rows, columns = texture.shape[:2]
    x = np.clip(uv[:, 0] * columns, 0, columns - 1).astype(int)
    y = np.clip((1 - uv[:, 1]) * rows, 0, rows - 1).astype(int)
    return texture[y, x]


def _light(normals: Floats) -> Floats:
    """Ambient, one soft lamp and a faint gleam."""
    unit = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    lamp = _LIGHT / np.linalg.norm(_LIGHT)
    half = lamp + np.array([0, 0, 1])
    gleam = np.clip(unit @ (half / np.linalg.norm(half)), 0, 1) ** 24
    return np.asarray(0.42 + 0.68 * np.clip(unit @ lamp, 0, 1) + 0.12 * gleam)
