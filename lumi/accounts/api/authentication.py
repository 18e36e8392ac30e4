"""Who is calling: a JWT, or a trusted gateway's word. Every refusal is a 401 in the envelope."""

import logging
import re
from typing import Any

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import IntegrityError
from django.utils.translation import gettext_lazy as _
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication

from lumi.accounts.models import User
from lumi.errors import Unauthorized

logger = logging.getLogger(__name__)
GATEWAY_ID = re.compile(r"[A-Za-z0-9_-]{1,36}")


class SignInRefused(Unauthorized, AuthenticationFailed):
    """An `AuthenticationFailed`, or DRF would not forget the caller; an `Unauthorized`, for the envelope."""

    message = _("Your sign-in is not valid or has expired. Please log in again.")


class TokenAuthentication(JWTAuthentication):
    """`Authorization: Bearer <jwt>`."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        """The person and the token; None without one. Raises SignInRefused."""
        try:
            return super().authenticate(request)
        except AuthenticationFailed as error:
            raise SignInRefused from error


class GatewayAuthentication(BaseAuthentication):
    """`x-user-id`, honoured only where a setting says that a trusted gateway sets it."""

    def authenticate(self, request: Request) -> tuple[User, None] | None:
        """The person named, made on first sight; None without a name. Raises SignInRefused."""
        named = request.headers.get("x-user-id", "")
        if not (settings.TRUST_USER_ID_HEADER and named):
            return None
        if not GATEWAY_ID.fullmatch(named):
            raise SignInRefused
        user = person_named(named)
        if not user.is_active:
            raise SignInRefused
        return user, None

    def authenticate_header(self, request: Request) -> str:
        """What to answer a 401 with: there is one way in for the public."""
        return "Bearer"


def person_named(user_id: str) -> User:
    """The gateway's person; made on first sight, which may happen twice at once. Raises SignInRefused.

    MariaDB takes "A1" for "a1". They may be two people at the gateway, so the second is refused on every database,
    rather than given the first one's things.
    """
    address = f"{user_id}@gateway.invalid".lower()
    try:
        user, _made = User.objects.get_or_create(
            id=user_id, defaults={"email": address, "password": make_password(None)}
        )
    except IntegrityError as error:
        raise SignInRefused from error
    if user.id != user_id:
        logger.warning("two gateway ids differ only in case")
        raise SignInRefused
    return user
