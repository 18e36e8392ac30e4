"""Turn a cut-out into a printable solid: a flat back, an outline without thin bars, a rounded and engraved front.

It lies on the print bed with its face up, so that no supports are needed. Lengths are millimetres unless named cells.
"""

from __future__ import annotations

from dataclasses import dataclass

import manifold3d
import numpy as np
from numpy.typing import NDArray

from providers.base import Fault, ProviderError
from providers.offline.cutout import Cutout, Pixels
from providers.offline.gridmesh import mesh_over
from providers.offline.raster import (
    Field,
    Mask,
    blurred,
    closed,
    filled,
    grown,
    in_one_piece,
    inflated,
    label,
    large_parts,
    opened,
    resized,
)

LARGEST = 60.0  # the solid's largest dimension
THINNEST = 2.0  # no wall or bar is thinner
MOST_FACES = 55_000

_CELL = 0.25
_MARGIN = 10  # empty cells around the object
_OPENING = (THINNEST / 2 + 0.15) / _CELL  # cells; the surplus outlasts smoothing and the final scaling
_EDGE = 3.5  # the outline's height above the bed
_DOME = 6.5  # what the middle of a wide part rises above the edge
_RELIEF = 0.9  # engraving below and relief above the dome
_FINEST = 0.012  # what simplifying may move the surface


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The object on the grid of cells, its longer side LARGEST: `pixels` with the background painted over."""

    body: Mask
    pixels: Pixels
    plain: bool


@dataclass(frozen=True, kw_only=True)
class Solid:
    """`vertices` (n, 3) in mm, Z up, flat bottom at 0; `faces` (m, 3); `uv` (n, 2), origin at the lower left."""

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    uv: NDArray[np.float64]


def lay_out(cutout: Cutout) -> Layout:
    """Crop to the object and bring it to the grid."""
    rows, columns = (np.flatnonzero(cutout.body.any(axis=axis)) for axis in (1, 0))
    window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    scale = LARGEST / _CELL / max(len(range(*window[0].indices(9999))), len(range(*window[1].indices(9999))))
    margin = int(_MARGIN / scale) + 1
    padded = np.pad(cutout.body[window], margin).astype(np.float32)
    shape = round(padded.shape[0] * scale), round(padded.shape[1] * scale)
    pixels = np.pad(cutout.pixels[window], ((margin, margin), (margin, margin), (0, 0)), mode="edge")
    return Layout(body=resized(padded, shape) > 0.5, pixels=_bled(pixels, padded > 0.5), plain=cutout.plain)


def _bled(pixels: Pixels, body: Mask) -> Pixels:
    """The picture with the object's colours drawn out over the background, so that the sides have them too."""
    known = blurred(body, 3) > 0.95
    return _filled_in(pixels, known) if known.any() else pixels


def _filled_in(pixels: Pixels, known: Mask) -> Pixels:
    """Unknown pixels take the mean of the known ones around, from ever coarser copies of the picture."""
    if known.all() or min(known.shape) < 2:
        return np.where(known[..., None], pixels, pixels[known].mean(axis=0))
    to_even = (0, known.shape[0] % 2), (0, known.shape[1] % 2)
    cover = _halved(np.pad(known, to_even, mode="edge").astype(np.float32))
    coarse = _halved(np.pad(pixels * known[..., None], (*to_even, (0, 0)), mode="edge"))
    coarse = np.asarray(coarse / np.maximum(cover, 1e-6)[..., None], np.float32)
    around = _filled_in(coarse, cover > 0)
    finer = np.stack([resized(around[..., channel], known.shape) for channel in range(3)], axis=-1)
    return np.where(known[..., None], pixels, finer)


def _halved(values: Field | Pixels) -> Pixels:
    """The mean of each two by two pixels."""
    return (values[::2, ::2] + values[1::2, ::2] + values[::2, 1::2] + values[1::2, 1::2]) / np.float32(4)


def make_sound(body: Mask) -> Mask:
    """One piece without holes, in which bars thinner than THINNEST have been thickened and specks dropped."""
    body = large_parts(filled(closed(body, 0.6 / _CELL)), 0.01)
    for _ in range(5):
        body = in_one_piece(filled(_thickened(body)), 1 / _CELL)
        if label(opened(body, _OPENING))[1] == 1:
            break
    return large_parts(opened(body, _OPENING), 1.0)


def _thickened(body: Mask) -> Mask:
    """Add a disc's width along every part that the disc does not fit into; mere corners are left alone."""
    thin = body & ~opened(body, _OPENING)
    labels, _ = label(thin)
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    return body | grown((areas > 1.0 / _CELL**2)[labels], _OPENING)


def heights(layout: Layout, body: Mask) -> Field:
    """How high the front stands above the bed, in mm, for every cell."""
    dome = _DOME if layout.plain else 0.8
    cushion = blurred(inflated(body), 1.2) * _CELL
    rise = dome * np.tanh(cushion / dome)
    inner = np.clip(blurred(body, 3) * 2 - 1, 0, 1)
    return np.asarray(_EDGE + (rise + _relief(layout, body)) * inner, np.float32)


def _relief(layout: Layout, body: Mask) -> Field:
    """The picture's light and dark as height: dark lines are engraved, light parts stand out, wide shades level off."""
    brightness = resized(layout.pixels.mean(axis=2), body.shape)
    wide = 5.0 if layout.plain else 20.0
    around = blurred(brightness * body, wide / _CELL) / np.maximum(blurred(body, wide / _CELL), 1e-3)
    return np.asarray(_RELIEF * np.tanh(2.4 * (blurred(brightness, 0.9) - around)), np.float32)


def build_mesh(body: Mask, height: Field) -> manifold3d.Manifold:
    """The fine mesh between the bed and the heights; scaled so that its largest dimension is LARGEST."""
    outline = blurred(body, 2)
    vertices, faces = mesh_over(np.flipud(outline), np.flipud(height), _EDGE)
    vertices[:, :2] *= _CELL
    mesh = manifold3d.Mesh(vertices.astype(np.float32), faces.astype(np.uint32))
    return _checked(manifold3d.Manifold(mesh))


def simplify(fine: manifold3d.Manifold) -> manifold3d.Manifold:
    """With fewer than MOST_FACES faces, moved as little as that takes; stays closed."""
    tolerance, solid = _FINEST, fine.simplify(_FINEST)
    while solid.num_tri() > MOST_FACES:
        tolerance *= 1.5
        solid = fine.simplify(tolerance)
    return _checked(solid)


def finish(solid: manifold3d.Manifold, shape: tuple[int, ...]) -> Solid:
    """Vertices and faces at the final size, standing on the bed around the middle; `shape`: the grid's, for the UVs."""
    mesh = solid.to_mesh64()
    vertices = np.array(mesh.vert_properties[:, :3])
    uv = (vertices[:, :2] / _CELL + 0.5) / (shape[1], shape[0])
    lower, upper = vertices.min(axis=0), vertices.max(axis=0)
    vertices -= [(lower[0] + upper[0]) / 2, (lower[1] + upper[1]) / 2, lower[2]]
    vertices[:, :2] *= LARGEST / (upper - lower)[:2].max()
    return Solid(vertices=vertices, faces=np.array(mesh.tri_verts, np.int64), uv=np.clip(uv, 0, 1))


def _checked(solid: manifold3d.Manifold) -> manifold3d.Manifold:
    """Raises JOB_FAILED unless it is one closed body with a volume."""
    status, parts = solid.status(), len(solid.decompose())
    if status != manifold3d.Error.NoError or parts != 1 or solid.volume() <= 0:
        evidence = f"mesh: {status.name}, {parts} parts, {solid.volume():.1f} mm3"
        raise ProviderError(Fault.JOB_FAILED, permanent=True, evidence=evidence)
    return solid
