"""Line drawings to paint from: a pictogram of the Noto Emoji font, or words set in a disc when no pictogram fits.

Both fonts are under the SIL Open Font License 1.1 and come as Python packages.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import manimgx_fonts
import manimgx_fonts_cjk
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from providers.offline.raster import Field, Mask, closed, filled, in_one_piece, large_parts

SIZE = 1024  # pixels, width and height of every drawing and picture
_SUPERSAMPLING = 2
_PICTOGRAM_FONT = Path(manimgx_fonts.__file__).with_name("NotoEmoji[wght].ttf")
_TEXT_FONT = Path(manimgx_fonts_cjk.__file__).with_name("NotoSansCJK-VF.otf.ttc")
_SIMPLIFIED_CHINESE = 2  # the face's place in the collection
_MOST_LETTERS = 48
_LINE_PITCH = 1.25  # of the type size


@dataclass(frozen=True, kw_only=True)
class Pose:
    """How a drawing lies in the picture: centre and largest size in pixels, line weight 300..700, tilt in degrees."""

    centre: tuple[float, float] = (SIZE / 2, SIZE / 2)
    size: float = 700
    weight: int = 400
    widen: float = 1.0
    tilt: float = 0.0
    mirrored: bool = False


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """`ink`: the lines, 0..1; `body`: what they enclose, in one piece."""

    ink: Field
    body: Mask


def draw_pictogram(pictogram: str, pose: Pose) -> Drawing:
    """The pictogram in the pose, as lines and as the silhouette that they enclose."""
    ink = _posed(_rendered(pictogram, pose), pose)
    silhouette = large_parts(filled(closed(ink > 0.4, 3)), 0.004)
    return Drawing(ink=ink, body=in_one_piece(silhouette, 8))


def draw_lettering(text: str, pose: Pose) -> Drawing:
    """The words in bold on a disc, upright in every pose; a long text is cut and ends with an ellipsis."""
    x, y = np.ogrid[:SIZE, :SIZE]
    body = (x - pose.centre[1]) ** 2 + (y - pose.centre[0]) ** 2 <= (pose.size / 2) ** 2
    side = round(pose.size)
    letters = _set_in_disc(text).resize((side, side), Image.Resampling.LANCZOS)
    return Drawing(ink=_laid(letters, pose.centre), body=body)


def _rendered(pictogram: str, pose: Pose) -> Image.Image:
    """The glyph alone, cut to its bounds, large."""
    font = ImageFont.truetype(str(_PICTOGRAM_FONT), round(pose.size * _SUPERSAMPLING))
    font.set_variation_by_axes([pose.weight])
    left, top, right, bottom = font.getbbox(pictogram)
    glyph = Image.new("L", (int(right - left) + 8, int(bottom - top) + 8))
    ImageDraw.Draw(glyph).text((4 - left, 4 - top), pictogram, font=font, fill=255)
    return glyph.crop(glyph.getbbox())


def _posed(glyph: Image.Image, pose: Pose) -> Field:
    """The glyph turned, scaled to the pose's size and laid on an empty picture."""
    if pose.mirrored:
        glyph = glyph.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    glyph = glyph.rotate(pose.tilt, expand=True, resample=Image.Resampling.BICUBIC)
    glyph = glyph.crop(glyph.getbbox())
    width, height = glyph.width * pose.widen, glyph.height
    scale = pose.size / max(width, height)
    glyph = glyph.resize((round(width * scale), round(height * scale)), Image.Resampling.LANCZOS)
    return _laid(glyph, pose.centre)


def _laid(glyph: Image.Image, centre: tuple[float, float]) -> Field:
    """The glyph on an empty picture."""
    picture = Image.new("L", (SIZE, SIZE))
    picture.paste(glyph, (round(centre[0] - glyph.width / 2), round(centre[1] - glyph.height / 2)))
    return np.asarray(picture, np.float32) / np.float32(255)


def _set_in_disc(text: str) -> Image.Image:
    """The words in the middle of a square, in the largest type that fits the disc within it."""
    side = SIZE * _SUPERSAMPLING
    letters = text if len(text) <= _MOST_LETTERS else text[: _MOST_LETTERS - 1].rstrip() + "…"
    square = Image.new("L", (side, side))
    font, lines = _largest_fit(_breakable(letters), side)
    pen, pitch = ImageDraw.Draw(square), font.size * _LINE_PITCH
    for number, line in enumerate(lines):
        y = side / 2 + (number - (len(lines) - 1) / 2) * pitch
        pen.text((side / 2, y), line, font=font, fill=255, anchor="mm")
    return square


def _largest_fit(pieces: list[str], side: int) -> tuple[ImageFont.FreeTypeFont, list[str]]:
    """The largest type, and the lines in it, that fit the disc; the smallest type and one line if none does."""
    font = ImageFont.truetype(str(_TEXT_FONT), side // 3, index=_SIMPLIFIED_CHINESE)
    for size in range(side // 3, side // 32, -side // 64):
        font = ImageFont.truetype(str(_TEXT_FONT), size, index=_SIMPLIFIED_CHINESE)
        font.set_variation_by_axes([800])
        for count in range(1, 9):
            lines = _packed(pieces, font, _chords(count, size * _LINE_PITCH, side * 0.43))
            if lines:
                return font, lines
    return font, ["".join(pieces)]


def _chords(count: int, pitch: float, radius: float) -> list[float]:
    """How wide each of `count` lines may be inside the disc."""
    edges = [(abs(number - (count - 1) / 2) + 0.5) * pitch for number in range(count)]
    return [2 * max(radius**2 - edge**2, 0) ** 0.5 for edge in edges]


def _packed(pieces: list[str], font: ImageFont.FreeTypeFont, widths: list[float]) -> list[str]:
    """The pieces in lines no wider than `widths`, or nothing when they do not fit or leave a line empty."""
    lines = [""]
    for piece in pieces:
        if lines[-1] and font.getlength((lines[-1] + piece).strip()) > widths[len(lines) - 1]:
            lines.append("")
        if len(lines) > len(widths) or font.getlength(piece.strip()) > widths[len(lines) - 1]:
            return []
        lines[-1] += piece
    return [line.strip() for line in lines] if len(lines) == len(widths) else []


def _breakable(text: str) -> list[str]:
    """English words with the blank behind them; each Chinese character alone."""
    pieces = [""]
    for letter in text:
        if letter >= "\u2e80" or pieces[-1].endswith(" ") or pieces[-1][-1:] >= "\u2e80":
            pieces.append("")
        pieces[-1] += letter
    return [piece for piece in pieces if piece]
