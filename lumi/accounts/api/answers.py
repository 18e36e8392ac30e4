"""What several doors of accounts answer."""

from typing import Any

from django.conf import settings
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer


def show(kind: type[Serializer[Any]], request: Request, value: object, **context: Any) -> Any:
    """The value on the wire."""
    return kind(value, context={"request": request, **context}).data


def spoken() -> str:
    """The language of the call."""
    return get_language() or settings.LANGUAGE_CODE


def code_sent() -> Response:
    """The same for every address."""
    return Response({
        "message": _("We have sent you a code. Please look into your mailbox."),
        "expiresIn": int(settings.CODE_LIFETIME.total_seconds()),
        "retryAfter": int(settings.CODE_INTERVAL.total_seconds()),
    })  # fmt: skip
