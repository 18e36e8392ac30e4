"""The signed tokens of a session: what they say, and the keys that prove it (docs/adr/0010).

Encoding and decoding are simplejwt's. Added here: several keys at once, so that one can be replaced while the tokens
of the old one live on; and the claims without which a token is none.
"""

import hashlib
from functools import cache
from typing import Any, Self

import jwt
from django.conf import settings
from django.utils.crypto import salted_hmac
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError, TokenError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import Token

from lumi.accounts.models import Session


def keys() -> dict[str, bytes]:
    """By name, from JWT_KEYS; the first one signs."""
    return dict(key_from(secret) for secret in settings.JWT_KEYS)


@cache
def key_from(secret: str) -> tuple[str, bytes]:
    """A key and its name. Derived: 32 bytes whatever was configured, and never the key of Django's own signatures."""
    key = salted_hmac("lumi.accounts.signing", "HS256", secret=secret, algorithm="sha256").digest()
    return hashlib.sha256(key).hexdigest()[:8], key


class RotatingKeys(TokenBackend):
    """simplejwt's backend, with the key that the token's header (`kid`) names."""

    def encode(self, payload: dict[str, Any]) -> str:
        """Sign with the first key."""
        name, key = next(iter(keys().items()))
        claims = {**payload, "iss": self.issuer, "aud": self.audience}
        return jwt.encode(claims, key, self.algorithm, headers={"kid": name})

    def get_verifying_key(self, token: Any) -> bytes:
        """The key to check this token with. Raises TokenBackendError where it names none of ours."""
        try:
            return keys()[jwt.get_unverified_header(token)["kid"]]
        except KeyError as error:
            raise TokenBackendError("no key of ours") from error


class SessionToken(Token):
    """Proves a session: `sub` is the person, `sid` the session, `jti` this very token."""

    _token_backend = RotatingKeys(
        api_settings.ALGORITHM,
        issuer=api_settings.ISSUER,
        audience=api_settings.AUDIENCE,
        leeway=api_settings.LEEWAY,
    )

    @classmethod
    def of(cls, session: Session) -> Self:
        """A new one, good from now on."""
        token = cls()
        token.payload |= {"sub": session.user_id, "sid": session.pk}
        return token

    def verify(self) -> None:
        """What simplejwt does not insist on. Raises TokenError."""
        super().verify()
        if not {"iat", "sub", "sid"} <= set(self.payload):
            raise TokenError("a claim is missing")


class AccessToken(SessionToken):
    """For the `Authorization` header, for some minutes."""

    token_type = "access"  # noqa: S105  not a password
    lifetime = api_settings.ACCESS_TOKEN_LIFETIME


class RefreshToken(SessionToken):
    """For the next pair. A session has one at a time, and knows its `jti`."""

    token_type = "refresh"  # noqa: S105  not a password
    lifetime = api_settings.REFRESH_TOKEN_LIFETIME

    @classmethod
    def of(cls, session: Session) -> Self:
        """The session's present one."""
        token = super().of(session)
        token["jti"] = session.refresh_jti
        return token
