"""Who is calling: somebody signed in, a script with an API token, or a trusted gateway's word.

Every refusal is a 401 in the envelope; a token that is good, but not for this, a 403. `request.auth` is the row by
which they came: the Session or the ApiToken; None for a gateway.
"""

import logging
import re

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import IntegrityError
from django.utils.translation import gettext_lazy as _
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from lumi.accounts import sessions, tokens
from lumi.accounts.models import ApiToken, Session, User
from lumi.api.permissions import require_scope
from lumi.errors import Unauthorized

logger = logging.getLogger(__name__)
GATEWAY_ID = re.compile(r"[A-Za-z0-9_-]{1,36}")


class SignInRefused(Unauthorized, AuthenticationFailed):
    """An `AuthenticationFailed`, or DRF would not forget the caller; an `Unauthorized`, for the envelope."""

    message = _("Your sign-in is not valid or has expired. Please log in again.")


class TokenRefused(SignInRefused):
    """A script's."""

    message = _("This API token is wrong, expired or revoked. Please use another one.")


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer …`: a session's access token, or an API token."""

    def authenticate(self, request: Request) -> tuple[User, Session | ApiToken] | None:
        """The person and how they came; None without a token. Raises SignInRefused, TokenMayNot."""
        text = bearer_of(request)
        if text is None:
            return None
        came = by_api_token(text, request) if text.startswith(tokens.PREFIX) else by_session(text)
        return came.user, came

    def authenticate_header(self, request: Request) -> str:
        """What to answer a 401 with."""
        return "Bearer"


def bearer_of(request: Request) -> str | None:
    """What stands after “Bearer”; None where the header is missing or of another kind. Raises SignInRefused."""
    words = request.headers.get("authorization", "").split()
    if not words or words[0].lower() != "bearer":
        return None
    if len(words) != 2:
        raise SignInRefused
    return words[1]


def by_session(text: str) -> Session:
    """Raises SignInRefused."""
    session = sessions.find(access_token=text)
    if session is None:
        raise SignInRefused
    return session


def by_api_token(text: str, request: Request) -> ApiToken:
    """Raises TokenRefused; TokenMayNot for what its scopes do not cover, whoever else may do it."""
    token = tokens.find(text=text)
    if token is None:
        raise TokenRefused
    view = (request.parser_context or {}).get("view")
    require_scope(scopes=token.scopes, view=view, method=request.method or "")
    return token


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
