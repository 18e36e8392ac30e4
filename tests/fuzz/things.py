"""Files worth uploading, as small as they can be."""

import struct
from io import BytesIO

from PIL import Image

STL = bytes(80) + struct.pack("<I12fH", 1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0)  # one triangle


def picture(format: str = "PNG") -> bytes:
    """64 x 64, one colour."""
    content = BytesIO()
    Image.new("RGB", (64, 64), "teal").save(content, format)
    return content.getvalue()
