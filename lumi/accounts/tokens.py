"""API tokens: how a script comes in as a person, to do some of what the person may (docs/adr/0010).

A token is 256 random bits. So its SHA-256 tells nothing and need not be slow: there is no list of likely ones to try.
It is found by that hash in an index, so that no comparison can be timed towards it.
"""

import hashlib
import re
import secrets
import zlib
from datetime import timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from lumi import clock
from lumi.accounts.models import ApiToken, User
from lumi.errors import InvalidState, NotFound

PREFIX = "lumi_"
FORM = re.compile(rf"{PREFIX}([A-Za-z0-9_-]{{43}})([0-9a-f]{{8}})")
MOST = 20  # of a person, expired ones included until they are revoked
MOST_DAYS = 365
USE_NOTED_EVERY = timedelta(minutes=1)


class TooMany(InvalidState):
    """A person has as many as they may."""

    message = _("You have %(most)s API tokens, which is as many as one person can have. Please revoke one first.")

    def __init__(self) -> None:
        super().__init__(self.message % {"most": MOST})


class NoToken(NotFound):
    """Unknown, another's, or revoked."""

    message = _("We could not find this API token. It may have been revoked.")


def create(*, user: User, name: str, scopes: list[str], days: int) -> tuple[ApiToken, str]:
    """A new token, and the text that is shown this once. Raises TooMany."""
    text = new_text()
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)  # so that two at once are counted one after the other
        if ApiToken.objects.kept().filter(user=user).count() >= MOST:
            raise TooMany
        token = ApiToken.objects.create(
            user=user,
            name=name,
            scopes=scopes,
            token_hash=hash_of(text),
            expires_at=clock.now() + timedelta(days=days),
        )
    return token, text


def new_text() -> str:
    """`lumi_`, 32 random bytes, and their checksum: what secret scanners look for, and can tell from an accident."""
    body = secrets.token_urlsafe(32)
    return f"{PREFIX}{body}{checksum(body)}"


def checksum(body: str) -> str:
    """CRC-32, eight hexadecimal digits."""
    return f"{zlib.crc32(body.encode()):08x}"


def hash_of(text: str) -> str:
    """SHA-256, hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def find(*, text: str) -> ApiToken | None:
    """The token with its person, if it lets anybody in. One that was mistyped is not even looked up."""
    form = FORM.fullmatch(text)
    if form is None or checksum(form[1]) != form[2]:
        return None
    token = ApiToken.objects.admitting().filter(token_hash=hash_of(text)).first()
    if token is not None:
        note_use(token=token)
    return token


def note_use(*, token: ApiToken) -> None:
    """Once a minute, so that a busy script neither writes nor waits for a row at each call."""
    before = timezone.now() - USE_NOTED_EVERY
    if token.last_used_at is None or token.last_used_at < before:
        unnoted = Q(last_used_at=None) | Q(last_used_at__lt=before)
        ApiToken.objects.filter(unnoted, pk=token.pk).update(last_used_at=Now())


def revoke(*, tokens: QuerySet[ApiToken]) -> int:
    """None of these works any more; how many did."""
    return tokens.filter(revoked_at=None).update(revoked_at=Now())


def revoke_own(*, user: User, token_id: str) -> None:
    """One of a person's own. Raises NoToken."""
    if not revoke(tokens=ApiToken.objects.filter(pk=token_id, user=user)):
        raise NoToken
