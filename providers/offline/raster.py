"""Small image arithmetic on numpy arrays: regions, distances, rounding, blurring.

Masks are 2D boolean arrays, fields 2D float32 arrays; lengths are pixels. Written out here because the only other need
for scipy (142 MB) would be these few functions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Mask = NDArray[np.bool_]
Field = NDArray[np.float32]
Labels = NDArray[np.int32]


def _runs(mask: Mask) -> NDArray[np.int64]:
    """The mask's horizontal runs as rows (y, first x, x after the last), in reading order."""
    padded = np.pad(mask, ((0, 0), (1, 1))).astype(np.int8)
    steps = np.diff(padded, axis=1)
    rows, starts = np.nonzero(steps == 1)
    _, ends = np.nonzero(steps == -1)
    return np.stack([rows, starts, ends], axis=1)


def _root(parents: list[int], node: int) -> int:
    while parents[node] != node:
        parents[node] = parents[parents[node]]
        node = parents[node]
    return node


def _join_rows(runs: list[list[int]], parents: list[int], above: range, below: range) -> None:
    """Unite the runs of two neighbouring rows that share a column."""
    i, j = above.start, below.start
    while i < above.stop and j < below.stop:
        _, a0, a1 = runs[i]
        _, b0, b1 = runs[j]
        if a0 < b1 and b0 < a1:
            parents[_root(parents, j)] = _root(parents, i)
        if a1 < b1:
            i += 1
        else:
            j += 1


def label(mask: Mask) -> tuple[Labels, int]:
    """Number the mask's 4-connected regions 1..n; 0 is outside. Answers the labels and n."""
    table = _runs(mask)
    runs, parents = table.tolist(), list(range(len(table)))
    bounds = np.searchsorted(table[:, 0], np.arange(mask.shape[0] + 1)).tolist()
    for y in range(1, mask.shape[0]):
        _join_rows(runs, parents, range(bounds[y - 1], bounds[y]), range(bounds[y], bounds[y + 1]))
    roots = [_root(parents, node) for node in range(len(runs))]
    names = {root: number for number, root in enumerate(dict.fromkeys(roots), 1)}
    labels = np.zeros(mask.shape, np.int32)
    for (y, start, end), root in zip(runs, roots, strict=True):
        labels[y, start:end] = names[root]
    return labels, len(names)


def outside(blocked: Mask) -> Mask:
    """What can be reached from beyond the picture's border without crossing `blocked`."""
    labels, _ = label(np.pad(~blocked, 1, constant_values=True))
    return (labels == labels[0, 0])[1:-1, 1:-1]


def filled(mask: Mask) -> Mask:
    """The mask with its holes closed."""
    return ~outside(mask)


def large_parts(mask: Mask, share: float) -> Mask:
    """The regions that hold at least `share` of the mask's area; never drops the largest."""
    labels, count = label(mask)
    if count < 2:
        return mask
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    keep = areas >= min(share * areas.sum(), areas.max())
    keep[0] = False
    return np.asarray(keep[labels], dtype=np.bool_)


def _row_distance(mask: Mask, limit: int) -> NDArray[np.int64]:
    """Steps along the row from each pixel to the nearest False, at most `limit`."""
    columns = np.arange(mask.shape[1])
    left = np.maximum.accumulate(np.where(mask, -limit, columns), axis=1)
    right = np.minimum.accumulate(np.where(mask, columns[-1] + limit, columns)[:, ::-1], axis=1)[:, ::-1]
    return np.minimum(np.minimum(columns - left, right - columns), limit)


def depth(mask: Mask, limit: int) -> Field:
    """Each pixel's distance to the nearest pixel outside the mask, exact up to `limit`.

    Beyond the picture counts as neither inside nor outside.
    """
    squares = _row_distance(mask, limit).astype(np.float32) ** 2
    best = squares.copy()
    for step in range(1, min(limit, len(mask) - 1) + 1):
        np.minimum(best[step:], squares[:-step] + step * step, out=best[step:])
        np.minimum(best[:-step], squares[step:] + step * step, out=best[:-step])
    return np.minimum(np.sqrt(best), limit)


def grown(mask: Mask, radius: float) -> Mask:
    """Dilated by a disc."""
    return depth(~mask, int(radius) + 2) <= radius


def shrunk(mask: Mask, radius: float) -> Mask:
    """Eroded by a disc."""
    return depth(mask, int(radius) + 2) > radius


def opened(mask: Mask, radius: float) -> Mask:
    """Without whatever a disc of `radius` does not fit into."""
    return grown(shrunk(mask, radius), radius)


def closed(mask: Mask, radius: float) -> Mask:
    """With gaps filled that a disc of `radius` does not fit into."""
    margin = int(radius) + 3
    return shrunk(grown(np.pad(mask, margin), radius), radius)[margin:-margin, margin:-margin]


def in_one_piece(mask: Mask, first_radius: float) -> Mask:
    """Bridge separate parts: close gaps with a growing disc until one region is left."""
    radius = first_radius
    while label(mask)[1] > 1:
        mask = closed(mask, radius)
        radius *= 1.5
    return mask


def _box(field: Field, radius: int, axis: int) -> Field:
    """Running mean over 2 * radius + 1 pixels; the edge repeats."""
    width = [(0, 0), (0, 0)]
    width[axis] = (radius + 1, radius)
    total = np.cumsum(np.pad(field, width, mode="edge"), axis=axis, dtype=np.float64)
    ahead, behind = [slice(None)] * 2, [slice(None)] * 2
    ahead[axis], behind[axis] = slice(2 * radius + 1, None), slice(None, -2 * radius - 1)
    return ((total[tuple(ahead)] - total[tuple(behind)]) / (2 * radius + 1)).astype(np.float32)


def blurred(field: Field | Mask, sigma: float) -> Field:
    """Gaussian blur, as three box blurs."""
    result = np.asarray(field, np.float32)
    radius = max(1, round((np.sqrt(4 * sigma * sigma + 1) - 1) / 2))
    for _ in range(3):
        result = _box(_box(result, radius, 0), radius, 1)
    return result


def resized(field: Field, shape: tuple[int, int]) -> Field:
    """Resampled to `shape` (rows, columns), smoothly."""
    picture = Image.fromarray(np.ascontiguousarray(field, np.float32))
    return np.asarray(picture.resize((shape[1], shape[0]), Image.Resampling.BICUBIC), np.float32)


def _relaxed(height: Field, inside: Mask, rounds: int) -> Field:
    """Jacobi steps towards laplacian(height) = -1 inside and height = 0 outside."""
    for _ in range(rounds):
        around = height[:-2, 1:-1] + height[2:, 1:-1] + height[1:-1, :-2] + height[1:-1, 2:]
        height[1:-1, 1:-1] = np.where(inside[1:-1, 1:-1], (around + 1) / 4, 0)
    return height


def inflated(mask: Mask) -> Field:
    """The height of a soft cushion over the mask, in pixels: a disc of radius r becomes about r high.

    The square root of a membrane under pressure, which has none of the creases of a distance transform. Coarse to fine,
    so that a few steps a level suffice.
    """
    inside = np.pad(mask, 1)
    if min(mask.shape) > 12:
        half = tuple(-(-length // 2) for length in mask.shape)
        start = inflated(resized(mask.astype(np.float32), (half[0], half[1])) > 0.5)
        height = np.pad(resized(start, (mask.shape[0], mask.shape[1])) ** 2, 1)
    else:
        height = np.zeros(inside.shape, np.float32)
    return 2 * np.sqrt(np.maximum(_relaxed(height, inside, 40), 0))[1:-1, 1:-1]
