"""Separate the object in a picture from its plain background."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageOps

from providers.base import Fault, ProviderError
from providers.offline.raster import Field, Mask, blurred, large_parts, opened, outside

_WORKING_SIDE = 768  # pixels; enough for 60 mm at a quarter of a millimetre
_MOST_PIXELS = 40_000_000
_FORMATS = ("PNG", "JPEG", "WEBP")

Pixels = NDArray[np.float32]  # (rows, columns, 3), 0..1


@dataclass(frozen=True, kw_only=True)
class Cutout:
    """`pixels`: the picture; `body`: where the object is; `plain`: False when nothing stood out (a plaque)."""

    pixels: Pixels
    body: Mask
    plain: bool


def cut_out(content: bytes) -> Cutout:
    """The object in the picture, or the whole picture as a plaque when no object stands out from a plain background.

    Raises ProviderError INVALID_INPUT, permanent, when the bytes are not a PNG, JPEG or WebP picture.
    """
    picture = _opened_picture(content)
    rgba = np.asarray(picture, np.float32) / np.float32(255)
    pixels = rgba[..., :3] * rgba[..., 3:] + (1 - rgba[..., 3:])
    is_transparent = rgba[..., 3].min() < 0.5
    body = rgba[..., 3] >= 0.5 if is_transparent else _standing_out(pixels)
    body = large_parts(opened(_without_holes(body), 1.5), 0.02)
    if not 0.004 < body.mean() < 0.97:
        return Cutout(pixels=pixels, body=_plaque(body.shape), plain=False)
    return Cutout(pixels=pixels, body=body, plain=True)


def _opened_picture(content: bytes) -> Image.Image:
    """Decoded, upright, RGBA, at most _WORKING_SIDE on its longer side."""
    try:
        picture = Image.open(io.BytesIO(content), formats=_FORMATS)
        if picture.width * picture.height > _MOST_PIXELS or min(picture.size) < 16:
            raise ValueError(f"a picture of {picture.width} x {picture.height} pixels")
        upright = ImageOps.exif_transpose(picture).convert("RGBA")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as unreadable:
        evidence = f"unreadable picture: {unreadable}"
        raise ProviderError(Fault.INVALID_INPUT, permanent=True, evidence=evidence) from unreadable
    scale = _WORKING_SIDE / max(upright.size)
    size = max(8, round(upright.width * scale)), max(8, round(upright.height * scale))
    return upright.resize(size, Image.Resampling.LANCZOS)


def _standing_out(pixels: Pixels) -> Mask:
    """What differs from the background, a plane of colour fitted to the picture's border. All True if none fits."""
    background, noise, share = _fitted_background(pixels)
    if share < 0.6:
        return np.ones(pixels.shape[:2], np.bool_)
    return _contrast(pixels, background) > float(np.clip(4 * noise, 0.05, 0.16))


def _fitted_background(pixels: Pixels) -> tuple[Pixels, float, float]:
    """The background everywhere, its noise, and the share of the border that agrees with it.

    Least squares, fitted again three times without what disagrees: an object may touch the border.
    """
    rows, columns = pixels.shape[:2]
    y, x = np.mgrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
    terms = np.stack([np.ones_like(x), x, y], axis=-1)
    border = _border(rows, columns)
    samples, positions = pixels[border], terms[border]
    agreeing = np.linalg.norm(samples - np.median(samples, axis=0), axis=1) < 0.25
    for _ in range(3):
        plane = np.linalg.lstsq(positions[agreeing], samples[agreeing], rcond=None)[0]
        misfit = np.abs(samples - positions @ plane).max(axis=1)
        agreeing = misfit <= max(3 * np.median(misfit[agreeing]), 0.03)
    return (terms @ plane).astype(np.float32), float(misfit[agreeing].std()), float((misfit < 0.08).mean())


def _border(rows: int, columns: int) -> Mask:
    frame = np.ones((rows, columns), np.bool_)
    width = max(2, min(rows, columns) // 60)
    frame[width:-width, width:-width] = False
    return frame


def _contrast(pixels: Pixels, background: Pixels) -> Field:
    """How far each pixel is from the background; a mere change of brightness (a soft shadow) counts for half."""
    difference = pixels - background
    brightness = difference.mean(axis=2)
    hue = np.abs(difference - brightness[..., None]).max(axis=2)
    return blurred(np.maximum(hue, 0.55 * np.abs(brightness)), 0.8)


def _without_holes(body: Mask) -> Mask:
    return ~outside(body)


def _plaque(shape: tuple[int, ...]) -> Mask:
    """Nearly the whole picture, with round corners."""
    rows, columns = shape
    margin, radius = min(shape) // 50, min(shape) // 16
    picture = Image.new("1", (columns, rows))
    box = (margin, margin, columns - 1 - margin, rows - 1 - margin)
    ImageDraw.Draw(picture).rounded_rectangle(box, radius, fill=1)
    return np.asarray(picture)
