"""Serializer fields with the wire's manners."""

import unicodedata
from datetime import UTC, datetime
from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from lumi import files


def timestamp(moment: datetime | None) -> str | None:
    """A moment on the wire: UTC with milliseconds, `2026-01-31T08:15:30.123Z`."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class TimestampField(serializers.DateTimeField):
    """A moment, read only."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(read_only=True, **kwargs)

    def to_representation(self, value: Any) -> Any:
        """See `timestamp`."""
        return timestamp(value)


@extend_schema_field(OpenApiTypes.URI)
class FileUrlField(serializers.Field):
    """A storage key, shown as an absolute address that needs no header."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(read_only=True, **kwargs)

    def to_representation(self, value: str) -> str | None:
        """None for no file."""
        return files.url(value, self.context.get("request"))


class StrictTextField(serializers.CharField):
    """Text that must come as text (no numbers), trimmed, without control characters that no person types."""

    default_error_messages = {"control": _("The text contains characters that cannot be used.")}

    def to_internal_value(self, data: Any) -> str:
        """The trimmed text. Raises ValidationError."""
        if not isinstance(data, str):
            self.fail("invalid")
        if any(ord(sign) < 32 and sign not in "\n\r\t" for sign in data) or any(
            0xD800 <= ord(s) <= 0xDFFF for s in data
        ):
            self.fail("control")
        text = super().to_internal_value(data)
        if text and not any(is_visible(sign) for sign in text):
            self.fail("blank")
        return text


def is_visible(sign: str) -> bool:
    """No space, no control sign, nothing that only says how others are to be written."""
    category = unicodedata.category(sign)
    return category[0] != "Z" and category not in ("Cc", "Cf")


class StrictIntegerField(serializers.IntegerField):
    """A whole number that must come as a number: no text, no true, no 1.5. 1.0 is one: JSON has one kind of number."""

    def to_internal_value(self, data: Any) -> int:
        """The number. Raises ValidationError."""
        if isinstance(data, float) and data.is_integer():
            data = int(data)
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return super().to_internal_value(data)


class StrictBooleanField(serializers.BooleanField):
    """true or false, nothing that looks like them."""

    def to_internal_value(self, data: Any) -> bool:
        """The truth value. Raises ValidationError."""
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data
