"""What every view does first: who calls, and what they sent."""

from typing import Any, cast

from rest_framework.request import Request
from rest_framework.serializers import Serializer

from lumi.accounts.models import User
from lumi.errors import Invalid


def caller(request: Request) -> User:
    """The person who calls, where a permission has let nobody else through."""
    return cast("User", request.user)


def checked(kind: type[Serializer[Any]], request: Request) -> dict[str, Any]:
    """What the body says. Raises Invalid, ValidationError."""
    if request.data is None:
        raise Invalid
    serializer = kind(data=request.data)
    serializer.is_valid(raise_exception=True)
    data: dict[str, Any] = serializer.validated_data
    return data
