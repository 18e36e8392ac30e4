"""Marching squares with thickness: the closed surface between z = 0 and a height map, inside a smooth outline."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from providers.offline.raster import Field, Mask

Points = NDArray[np.float64]
Indices = NDArray[np.int64]

_LEVEL = 0.5
_CORNERS = ((0, 0), (0, 1), (1, 1), (1, 0))  # of a cell, (row, column), counter-clockwise when rows go up


def mesh_over(outline: Field, height: Field, edge_height: float) -> tuple[Points, Indices]:
    """Vertices (x: column, y: row, z: height) and counter-clockwise faces of the solid where `outline` exceeds 0.5.

    The grid's border must lie outside. Closed by construction: front and back share one pattern of triangles, joined by
    walls along the outline, on which the front is `edge_height` high.
    """
    inside = outline > _LEVEL
    numbers, front = _vertices(outline, height, inside, edge_height)
    faces, rim = _front(inside, numbers)
    back = front * (1, 1, 0)
    shift = len(front)
    walls = [np.stack([rim[:, 1], rim[:, 0], rim[:, 0] + shift], 1)]
    walls.append(np.stack([rim[:, 1], rim[:, 0] + shift, rim[:, 1] + shift], 1))
    return np.concatenate([front, back]), np.concatenate([faces, faces[:, ::-1] + shift, *walls])


def _vertices(outline: Field, height: Field, inside: Mask, edge_height: float) -> tuple[list[Indices], Points]:
    """Number the inner grid points, then the outline's crossings of row lines and of column lines; and place them."""
    points = [np.stack([*np.nonzero(inside)[::-1], height[inside]], axis=1)]
    numbers = [_numbered(inside, 0)]
    for axis in (1, 0):
        crossed = np.diff(inside, axis=axis)
        numbers.append(_numbered(crossed, sum(map(len, points))))
        points.append(_crossings(outline, crossed, axis, edge_height))
    return numbers, np.concatenate(points).astype(np.float64)


def _numbered(mask: Mask, first: int) -> Indices:
    numbers = np.full(mask.shape, -1, np.int64)
    numbers[mask] = np.arange(first, first + np.count_nonzero(mask))
    return numbers


def _crossings(outline: Field, crossed: Mask, axis: int, edge_height: float) -> Points:
    """Where the outline cuts the lines between neighbours along `axis`; never quite at a grid point."""
    row, column = np.nonzero(crossed)
    here, there = outline[row, column], outline[row + (axis == 0), column + (axis == 1)]
    share = np.clip((_LEVEL - here) / (there - here), 0.04, 0.96)
    x, y = column + share * (axis == 1), row + share * (axis == 0)
    return np.stack([x, y, np.full(len(x), edge_height)], axis=1)


def _front(inside: Mask, numbers: list[Indices]) -> tuple[Indices, Indices]:
    """The front's triangles, and the directed edges (from, to) in which they end at the outline."""
    kind = _patterns(inside)
    faces, rim = [np.empty((0, 3), np.int64)], [np.empty((0, 2), np.int64)]
    for pattern in range(1, 16):
        row, column = np.nonzero(kind == pattern)
        walk = list(_walk(pattern))
        polygon = [_vertex(step, (row, column), numbers) for step in walk]
        faces += [np.stack([polygon[0], polygon[k], polygon[k + 1]], 1) for k in range(1, len(polygon) - 1)]
        for k, (is_crossing, side) in enumerate(walk):
            if is_crossing and pattern >> side & 1:  # leaves the object here, comes back at the next crossing
                rim.append(np.stack([polygon[k], polygon[(k + 1) % len(walk)]], 1))
    return np.concatenate(faces), np.concatenate(rim)


def _patterns(inside: Mask) -> Indices:
    """For each cell, which of its corners lie inside: bit k is corner k."""
    result = np.zeros((inside.shape[0] - 1, inside.shape[1] - 1), np.int64)
    for bit, (row, column) in enumerate(_CORNERS):
        result |= inside[row : row + result.shape[0], column : column + result.shape[1]].astype(np.int64) << bit
    return result


def _walk(pattern: int) -> Iterator[tuple[bool, int]]:
    """Around a cell whose inner corners are the pattern's bits: inner corners (False, k), crossed sides (True, k)."""
    for corner in range(4):
        here, there = pattern >> corner & 1, pattern >> (corner + 1) % 4 & 1
        if here:
            yield False, corner
        if here != there:
            yield True, corner


def _vertex(step: tuple[bool, int], cells: tuple[Indices, Indices], numbers: list[Indices]) -> Indices:
    """The vertex numbers of one step of the walk, for all cells at once."""
    (is_crossing, k), (row, column) = step, cells
    if not is_crossing:
        return numbers[0][row + _CORNERS[k][0], column + _CORNERS[k][1]]
    if k % 2 == 0:  # the lower (0) and upper (2) side run along a row
        return numbers[1][row + k // 2, column]
    return numbers[2][row, column + (k == 1)]
