"""Sign-in codes: six digits that prove who reads an address.

A code is kept as a keyed hash, lives for CODE_LIFETIME, works once, and bears CODE_ATTEMPTS guesses. Only the newest
of a purpose counts; one that changes or deletes an account is bound to who asked for it. Every moment is the
database's, and every step that a race could spoil is one guarded UPDATE. Nothing here may run inside a transaction that
ends with the request: a counted guess must stay counted after a 400.
"""

import hashlib
import logging
import math
import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from smtplib import SMTPException, SMTPRecipientsRefused

from django.conf import settings
from django.core.mail import get_connection
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext_lazy as _

from lumi import clock
from lumi.accounts.mail import Mail, code_mail
from lumi.accounts.models import EmailVerificationCode, User
from lumi.errors import Invalid, RateLimited, Unavailable

logger = logging.getLogger(__name__)
TURN_SECONDS = 10
DAY = timedelta(days=1)
KEPT = timedelta(days=7)  # after they have expired, for staff who look into something


class WrongCode(Invalid):
    """Wrong, expired, used, guessed too often, never sent: the same words for all, so that a guesser learns nothing."""

    message = _("This code is wrong or no longer valid. Please check it, or ask for a new one.")

    def __init__(self) -> None:
        super().__init__(details={"code": [self.message]})


class TooSoon(RateLimited):
    """One mail a minute for each address."""

    def __init__(self, *, seconds: int) -> None:
        message = _("A code was sent a moment ago. Please wait %(seconds)s seconds, then ask for a new one.")
        super().__init__(message % {"seconds": seconds}, retry_after=seconds)


class TooMany(RateLimited):
    """So many mails a day for each address, whoever asks for them: else all the world could fill one mailbox."""

    message = _("Very many codes were sent to this address today. Please try again later.")


class MailRefused(Invalid):
    """The mail server knows that the address does not work."""

    message = _("Mail to this address is not accepted. Please check the address.")

    def __init__(self) -> None:
        super().__init__(details={"email": [self.message]})


class MailNotSent(Unavailable):
    """The mail server does not answer as it should."""

    message = _("We could not send the mail. Please try again in a moment.")


def send_code(*, email: str, purpose: str, language: str, user: User | None = None) -> None:
    """Mail a new code, whether or not anybody has this address: the same work, the same answer.

    `language`: of who asks; the mail is in the account's own where there is an account that has one. `user`: who alone
    can use the code. Raises TooSoon, TooMany, MailRefused, MailNotSent.
    """
    code = f"{secrets.randbelow(1_000_000):06}"
    with taking_turns(email=email):
        now = clock.now()
        require_room(email=email, now=now)
        row = EmailVerificationCode.objects.create(
            email=email,
            user=user,
            purpose=purpose,
            code_hash=hash_of(email=email, purpose=purpose, code=code),
            expires_at=now + settings.CODE_LIFETIME,
        )
    own = User.objects.filter(email=email).values_list("language", flat=True).first()
    deliver(mail=code_mail(email=email, purpose=purpose, code=code, language=own or language), row=row)


def check_code(*, email: str, purpose: str, code: str, user: User | None = None) -> EmailVerificationCode:
    """Spend one guess; the row if it was right. Raises WrongCode. The code stays usable until `spend_code`."""
    sent = EmailVerificationCode.objects.filter(email=email, purpose=purpose, user=user)
    newest = sent.order_by("-created_at", "-id").first()
    if newest is None or not count_guess(row=newest):
        raise WrongCode
    if not constant_time_compare(newest.code_hash, hash_of(email=email, purpose=purpose, code=code)):
        raise WrongCode
    return newest


def spend_code(*, row: EmailVerificationCode) -> None:
    """Use the code up. Raises WrongCode when somebody else was faster."""
    # The guess that found it was not a wrong one.
    unused = EmailVerificationCode.objects.filter(pk=row.pk, used_at=None)
    if not unused.update(used_at=Now(), attempts=F("attempts") - 1):
        raise WrongCode


def count_guess(*, row: EmailVerificationCode) -> bool:
    """Count before comparing, in one guarded UPDATE: guesses made at the same moment cannot exceed the limit."""
    open_codes = EmailVerificationCode.objects.filter(
        pk=row.pk, used_at=None, expires_at__gt=Now(), attempts__lt=settings.CODE_ATTEMPTS
    )
    return bool(open_codes.update(attempts=F("attempts") + 1))


def hash_of(*, email: str, purpose: str, code: str) -> str:
    """Keyed, so that a stolen table is no list of a million guesses; bound to what the code is for."""
    return salted_hmac("lumi.accounts.codes", f"{purpose}\n{email}\n{code}", algorithm="sha256").hexdigest()


def require_room(*, email: str, now: datetime) -> None:
    """Raises TooSoon when this address got a mail less than CODE_INTERVAL ago, TooMany when it got CODES_PER_DAY within
    a day, for whatever purpose."""
    start = now - DAY + settings.CODE_LIFETIME  # `created_at` is the web machine's clock, `expires_at` the database's
    today = EmailVerificationCode.objects.filter(email=email, expires_at__gt=start).order_by("-expires_at")
    sent = [expiry - settings.CODE_LIFETIME for expiry in today.values_list("expires_at", flat=True)]
    left = (sent[0] + settings.CODE_INTERVAL - now).total_seconds() if sent else 0
    if left > 0:
        raise TooSoon(seconds=math.ceil(left))
    if sent and len(sent) >= settings.CODES_PER_DAY:
        raise TooMany(retry_after=(sent[-1] + DAY - now).total_seconds())


def deliver(*, mail: Mail, row: EmailVerificationCode) -> None:
    """Send; a code that could not be mailed is forgotten, so that the next try need not wait."""
    try:
        send(mail=mail)
    except (MailNotSent, MailRefused):
        row.delete()
        raise


def send(*, mail: Mail) -> None:
    """Raises MailRefused, MailNotSent. No error keeps its cause: an SMTP error quotes the address."""
    try:
        with closing(get_connection()) as server:  # Django leaves one open that did not get as far as sending
            server.send_messages([mail])
    except (OSError, SMTPException) as error:
        logger.error("mail not sent", extra={"reason": type(error).__name__})
        raise (MailRefused if is_refusal(error) else MailNotSent) from None


def is_refusal(error: Exception) -> bool:
    """Whether the server will never take mail for this address; a code below 500 means "not now"."""
    if not isinstance(error, SMTPRecipientsRefused):
        return False
    return all(code >= 500 for code, _ in error.recipients.values())


def forget_old() -> None:
    """Remove the rows of codes that expired long ago: whose address it was is nobody's business any more."""
    EmailVerificationCode.objects.filter(expires_at__lt=clock.now() - KEPT).delete()


@contextmanager
def taking_turns(*, email: str) -> Iterator[None]:
    """One sender at a time for each address: "look, then insert" is one act although there is no row to lock yet."""
    if connection.vendor != "mysql":
        with transaction.atomic():  # SQLite begins IMMEDIATE: the one write lock
            yield
        return
    name = f"lumi-code-{hashlib.sha256(email.encode()).hexdigest()[:40]}"
    with connection.cursor() as cursor:
        cursor.execute("SELECT GET_LOCK(%s, %s)", [name, TURN_SECONDS])
        if cursor.fetchone() != (1,):
            raise TooSoon(seconds=TURN_SECONDS)
        try:
            yield
        finally:
            cursor.execute("SELECT RELEASE_LOCK(%s)", [name])
