"""Uploads whose size is looked at before they are read."""

from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework.parsers import DataAndFiles, MultiPartParser

from lumi.errors import TooLarge

ENVELOPE_BYTES = 65_536  # boundaries, headers and the other fields


class UploadParser(MultiPartParser):
    """Multipart, refused before the first byte is read when it is longer than the file may be (`limit`: a setting)."""

    limit: str

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> DataAndFiles:
        """Raises TooLarge."""
        request = (parser_context or {})["request"]
        if int(request.META.get("CONTENT_LENGTH") or 0) > getattr(settings, self.limit) + ENVELOPE_BYTES:
            raise TooLarge
        return super().parse(stream, media_type, parser_context)


class ImageUploadParser(UploadParser):
    """Pictures."""

    limit = "MAX_IMAGE_UPLOAD_BYTES"


class ModelUploadParser(UploadParser):
    """3D models."""

    limit = "MAX_MODEL_UPLOAD_BYTES"
