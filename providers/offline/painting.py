"""Paint a subject in one of four treatments: a height map is built, coloured, and lit like a matte object."""

from __future__ import annotations

import colorsys
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from providers.offline.pictograms import SIZE, Drawing, Pose
from providers.offline.raster import Field, Mask, blurred, closed, filled, grown, inflated, resized

Colour = NDArray[np.float32]  # (3,), 0..1
Draw = Callable[[Pose], Drawing]  # the subject, already chosen, in any pose

_HUES = (0.02, 0.07, 0.12, 0.30, 0.45, 0.55, 0.62, 0.76, 0.92)
_COLOUR_WORDS = {
    r"\bred\b|红|赤": 0.0,
    r"\borange\b|橙色|橘色": 0.07,
    r"\byellow\b|\bgold(?:en)?\b|黄|金色": 0.13,
    r"\bgreen\b|绿|翠": 0.33,
    r"\b(?:cyan|teal|turquoise)\b|青色": 0.48,
    r"\bblue\b|蓝": 0.60,
    r"\b(?:purple|violet)\b|紫": 0.77,
    r"\bpink\b|粉": 0.93,
}


@dataclass(frozen=True, kw_only=True)
class Surface:
    """What to light: `height` in pixels above the background, `colour` of each pixel, `mask` where the object is."""

    height: Field
    colour: NDArray[np.float32]
    mask: Mask


def paint(draw: Draw, variant: int, words: str) -> Image.Image:
    """The subject in treatment `variant` (0..3), SIZE x SIZE, on one plain colour; `words` decide the colours."""
    painters = (_toy, _medal, _tile, _facets)
    hue = hue_of(words, variant)
    surface = painters[variant % 4](draw, hue)
    background = _rgb(hue + 0.5, 0.05, (0.97, 0.93, 0.96, 0.90)[variant % 4])
    return _lit(surface, background)


def hue_of(words: str, variant: int) -> float:
    """The hue that the words name; else one that depends on the words alone, and a little on the variant."""
    for pattern, hue in _COLOUR_WORDS.items():
        if re.search(pattern, words.lower()):
            return hue
    return _HUES[hashlib.sha256(words.encode()).digest()[0] % len(_HUES)] + 0.03 * variant


def _toy(draw: Draw, hue: float) -> Surface:
    """A plump clay figure on a low round plinth."""
    drawing = draw(Pose(centre=(512, 465), size=660, weight=500, widen=1.1))
    body = _stout(drawing.body, 15)
    plinth = _rounded_box(_plinth_span(body, 1.0, 200), _foot(body) - 30, _foot(body) + 62, 46)
    mask = filled(body | plinth)
    height = np.maximum(_cushion(body, 120) + 26 * body, 40 * plinth) - 16 * blurred(drawing.ink, 4) * body
    colour = _mixed(_rgb(hue, 0.50, 0.95), _rgb(hue, 0.75, 0.36), _inked(drawing.ink, body))
    colour = np.where((plinth & ~body)[..., None], _rgb(hue + 0.08, 0.34, 0.88), colour)
    colour = np.where((mask & ~plinth & ~body)[..., None], _rgb(hue + 0.08, 0.45, 0.62), colour)
    return Surface(height=np.maximum(height, 20 * mask), colour=colour, mask=mask)


def _medal(draw: Draw, hue: float) -> Surface:
    """A gilded medal: the subject in low relief, a thick rim with beads."""
    drawing = draw(Pose(size=520, weight=400))
    body, radius = _stout(drawing.body, 9), _distance(512, 512)
    disc, rim = radius < 450, (radius < 450) & (radius > 385)
    angle = np.arctan2(*np.ogrid[-512:512, -512:512]) * 48 / (2 * np.pi)
    beads = np.hypot((radius - 417) / 17, (angle - np.round(angle)) * 54.6 / 17) < 1
    height = 26 * disc + 16 * rim + 9 * blurred(beads, 2) + 22 * body + _cushion(body, 40) * 0.6
    height = height - 15 * blurred(drawing.ink, 3) * body
    gold = 0.11 + 0.02 * np.sin(hue * 6.28)
    colour = _mixed(_rgb(gold, 0.62, 0.66), _rgb(gold, 0.55, 0.93), (body | rim).astype(np.float32))
    colour = _mixed(colour, _rgb(gold - 0.03, 0.80, 0.34), _inked(drawing.ink, body))
    return Surface(height=height, colour=colour, mask=disc)


def _tile(draw: Draw, hue: float) -> Surface:
    """A dark square tile with the subject in thick raised lines, like a woodcut."""
    drawing = draw(Pose(size=570, weight=700, widen=0.97, mirrored=True))
    tile = _rounded_box((92, 932), 92, 932, 90)
    frame = tile & ~_rounded_box((146, 878), 146, 878, 56)
    lines = np.maximum(blurred(drawing.ink > 0.35, 2), blurred(frame, 2))
    height = 34 * tile + 20 * lines + 8 * drawing.body
    colour = _mixed(_rgb(hue, 0.66, 0.30), _rgb(hue, 0.58, 0.52), drawing.body.astype(np.float32))
    colour = _mixed(colour, _rgb(hue + 0.5, 0.10, 0.97), np.clip(blurred(drawing.ink > 0.35, 2) * 1.6 - 0.3, 0, 1))
    colour = np.where(frame[..., None], _rgb(hue + 0.02, 0.52, 0.72), colour)
    return Surface(height=height, colour=colour, mask=tile)


def _facets(draw: Draw, hue: float) -> Surface:
    """Flat facets in contrasting shades, leaning a little, on a straight plinth."""
    drawing = draw(Pose(centre=(512, 450), size=680, weight=300, widen=0.93, tilt=6))
    body = _stout(drawing.body, 11)
    plinth = _trapezoid(_plinth_span(body, 0.85, 180), _foot(body) - 34, _foot(body) + 70)
    mask = filled(body | plinth)
    cushion = np.maximum(_cushion(body, 150), 40 * plinth)
    slope = np.gradient(blurred(cushion, 6))
    facing = np.clip(0.5 - (slope[0] + slope[1]) * 0.55, 0, 1).astype(np.float32)
    facet = _facet_numbers()
    shade = _mean_over(facet, facing, body)
    flicker = (facet * 2654435761 % 97 / 97).astype(np.float32)
    colour = _mixed(
        _rgb(hue - 0.06, 0.62, 0.66), _rgb(hue + 0.03, 0.42, 1.0), np.clip(shade + (flicker - 0.5) * 0.4, 0, 1)
    )
    colour = np.where((flicker > 0.86)[..., None], _rgb(hue + 0.45, 0.40, 0.95), colour)
    colour = np.where((mask & ~body)[..., None], _rgb(hue + 0.5, 0.45, 0.30), colour)
    colour = _mixed(colour, _rgb(hue, 0.75, 0.16), _inked(drawing.ink, body))
    return Surface(height=30 * mask + 10 * shade * body, colour=colour, mask=mask)


def _lit(surface: Surface, background: Colour) -> Image.Image:
    """The surface in soft light from the upper left, its edge smoothed, on the plain background."""
    down, right = np.gradient(blurred(surface.height * surface.mask, 1.5))
    towards_light = (0.45 * right + 0.6 * down + 1.15) / np.sqrt(right**2 + down**2 + 1)
    light = np.clip(0.30 + 0.62 * towards_light, 0.42, 1.22)[..., None]
    lit = np.clip(surface.colour * light, 0, 1)
    cover = np.clip(blurred(surface.mask, 1.2) * 2 - 0.5, 0, 1)[..., None]
    pixels = background + (lit - background) * cover
    return Image.fromarray((pixels * 255 + 0.5).astype(np.uint8))


def _cushion(body: Mask, highest: float) -> Field:
    """The body blown up: round at its edge, level at `highest` in the middle of wide parts."""
    small = inflated(resized(body.astype(np.float32), (256, 256)) > 0.5)
    return np.asarray(highest * np.tanh(blurred(resized(small * 4, body.shape), 4) / highest), np.float32) * body


def _stout(body: Mask, margin: int) -> Mask:
    """With a margin around it; holes, and gaps too narrow to print, are filled."""
    return filled(closed(grown(body, margin), 10))


def _inked(ink: Field, body: Mask) -> Field:
    return ink * blurred(body, 1.5)


def _mixed(first: NDArray[np.float32], second: NDArray[np.float32], share: Field) -> NDArray[np.float32]:
    """`first` where share is 0, `second` where it is 1."""
    return np.asarray(first + (second - first) * share[..., None], np.float32)


def _rgb(hue: float, saturation: float, value: float) -> Colour:
    return np.array(colorsys.hsv_to_rgb(hue % 1, saturation, value), np.float32)


def _distance(x: float, y: float) -> Field:
    rows, columns = np.ogrid[:SIZE, :SIZE]
    return np.hypot(rows - y, columns - x).astype(np.float32)


def _foot(body: Mask) -> int:
    """The body's lowest row."""
    return int(np.flatnonzero(body.any(axis=1))[-1])


def _plinth_span(body: Mask, share: float, least: int) -> tuple[int, int]:
    """Left and right end of a plinth: `share` of the width of the body's lower third, centred under it."""
    lower = body[_foot(body) - 160 :].any(axis=0)
    columns = np.flatnonzero(lower)
    half = max((columns[-1] - columns[0]) * share / 2, least)
    centre = (columns[-1] + columns[0]) / 2
    return round(centre - half), round(centre + half)


def _drawn(paint_on: Callable[[ImageDraw.ImageDraw], None]) -> Mask:
    picture = Image.new("1", (SIZE, SIZE))
    paint_on(ImageDraw.Draw(picture))
    return np.asarray(picture)


def _rounded_box(span: tuple[int, int], top: int, bottom: int, radius: int) -> Mask:
    return _drawn(lambda pen: pen.rounded_rectangle((span[0], top, span[1], bottom), radius, fill=1))


def _trapezoid(span: tuple[int, int], top: int, bottom: int) -> Mask:
    left, right = span
    return _drawn(
        lambda pen: pen.polygon([(left, top), (right, top), (right + 40, bottom), (left - 40, bottom)], fill=1)
    )


def _facet_numbers(pitch: int = 74) -> NDArray[np.int64]:
    """Each pixel's facet in a lattice of uneven triangles; the same lattice every time."""
    shaken = np.random.default_rng(7).uniform(-0.3, 0.3, (SIZE // pitch + 4, SIZE // pitch + 4, 2))
    rows, columns = np.indices(shaken.shape[:2])
    x = (columns - 1 + shaken[..., 0] + rows % 2 / 2) * pitch
    y = (rows - 1 + shaken[..., 1]) * pitch
    points = np.stack([x, y], axis=-1)
    picture = Image.new("I", (SIZE, SIZE))
    pen = ImageDraw.Draw(picture)
    for number, corners in enumerate(_triangles(points)):
        pen.polygon([tuple(corner) for corner in corners], fill=number)
    return np.asarray(picture, np.int64)


def _triangles(points: NDArray[np.float64]) -> list[list[NDArray[np.float64]]]:
    """Two triangles for each cell of the lattice; the diagonal follows the rows' shift."""
    result = []
    for row in range(points.shape[0] - 1):
        for column in range(points.shape[1] - 1):
            a, b = points[row, column], points[row, column + 1]
            c, d = points[row + 1, column], points[row + 1, column + 1]
            result += [[a, b, d], [a, d, c]] if row % 2 else [[a, b, c], [b, d, c]]
    return result


def _mean_over(numbers: NDArray[np.int64], field: Field, mask: Mask) -> Field:
    """The field's mean over each facet's part in the mask, laid out as a picture."""
    weight = np.bincount(numbers.ravel(), mask.ravel())
    total = np.bincount(numbers.ravel(), (field * mask).ravel())
    return np.asarray((total / np.maximum(weight, 1))[numbers], np.float32)
