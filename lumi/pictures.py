"""Pictures from strangers: decoded, bounded, and made anew without whatever else the file held."""

from io import BytesIO

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext_lazy as _
from PIL import Image, ImageOps

from lumi.errors import Invalid, TooLarge

MOST_PIXELS = 40_000_000
FEWEST_PIXELS = 64  # a side


def cleaned_picture(file: UploadedFile) -> bytes:
    """The picture as PNG. Raises Invalid, TooLarge."""
    return encoded(decoded(file), "PNG")


def square(file: UploadedFile, side: int) -> bytes:
    """The middle of the picture as WebP, at most `side` pixels wide and high. Raises Invalid, TooLarge."""
    picture = decoded(file)
    length = min(side, *picture.size)
    return encoded(ImageOps.fit(picture, (length, length)), "WEBP")


def decoded(file: UploadedFile) -> Image.Image:
    """The pixels, upright, and nothing else: no place, no camera, no colour profile. Raises Invalid, TooLarge."""
    if file.size and file.size > settings.MAX_IMAGE_UPLOAD_BYTES:
        raise TooLarge(_("The picture is too large."))
    try:
        with Image.open(file, formats=["PNG", "JPEG", "WEBP"]) as picture:
            if picture.width * picture.height > MOST_PIXELS or min(picture.size) < FEWEST_PIXELS:
                raise ValueError("dimensions")
            upright = ImageOps.exif_transpose(picture).convert("RGBA" if "A" in picture.getbands() else "RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        message = _("Please send a PNG, JPEG or WebP picture of at least 64 × 64 pixels.")
        raise Invalid(message, details={"file": [str(message)]}) from error
    upright.info = {}
    return upright


def encoded(picture: Image.Image, format: str) -> bytes:
    """The file."""
    out = BytesIO()
    picture.save(out, format)
    return out.getvalue()
