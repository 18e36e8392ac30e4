"""Signing in and out. A session is a chain of refresh tokens; only the last one works. Access tokens live briefly."""

from dataclasses import dataclass
from typing import Any

from django.contrib.auth.models import update_last_login
from django.db import IntegrityError, transaction
from django.utils.translation import gettext_lazy as _
from rest_framework_simplejwt.exceptions import ExpiredTokenError, TokenError
from rest_framework_simplejwt.tokens import RefreshToken, UntypedToken

from lumi.accounts.codes import check_code, spend_code
from lumi.accounts.models import EmailVerificationCode, Purpose, User
from lumi.errors import Conflict, Forbidden, Invalid, NotFound, Unauthorized


class NoAccount(NotFound):
    """The address is theirs, but nobody has registered with it."""

    message = _("There is no account for this address yet. Please register first.")


class AddressTaken(Conflict):
    """The address is theirs, and has an account."""

    message = _("There is an account for this address already. Please log in instead.")


class AccountClosed(Forbidden):
    """Staff have switched the account off."""

    message = _("This account has been closed. Please contact us if you think that this is a mistake.")


class SessionOver(Unauthorized):
    """A refresh token that is used, ended, expired, or none at all."""

    message = _("Your session has ended. Please log in again.")


class NotARefreshToken(Invalid):
    """Logging out with the wrong token would leave the session open, so it is not waved through."""

    message = _("This is not a refresh token. Please send the “refreshToken” that you got when you logged in.")

    def __init__(self) -> None:
        super().__init__(details={"refreshToken": [self.message]})


@dataclass(frozen=True)
class Session:
    """Who is signed in, and the pair of tokens that proves it."""

    user: User
    token: str
    refresh_token: str


def register(*, email: str, code: str, name: str | None = None) -> Session:
    """A new person, signed in. Raises WrongCode, AddressTaken (which leaves the code unspent)."""
    row = check_code(email=email, purpose=Purpose.REGISTER, code=code)
    if User.objects.filter(email=email).exists():
        raise AddressTaken
    return open_session(user=add_person(row=row, name=name or ""))


def add_person(*, row: EmailVerificationCode, name: str) -> User:
    """The account against the code: both or neither. Raises WrongCode, AddressTaken."""
    try:
        with transaction.atomic():
            spend_code(row=row)
            return User.objects.create_user(row.email, name=name)
    except IntegrityError as error:
        raise AddressTaken from error


def log_in(*, email: str, code: str) -> Session:
    """Raises WrongCode; NoAccount and AccountClosed only with the right code, which then stays unspent."""
    row = check_code(email=email, purpose=Purpose.LOGIN, code=code)
    user = User.objects.filter(email=email).first()
    if user is None:
        raise NoAccount
    if not user.is_active:
        raise AccountClosed
    spend_code(row=row)
    return open_session(user=user)


def open_session(*, user: User) -> Session:
    """The first pair of tokens of a new session."""
    update_last_login(User, user)
    return pair_for(user=user)


def pair_for(*, user: User) -> Session:
    """A new pair of tokens."""
    refresh = RefreshToken.for_user(user)
    return Session(user=user, token=f"Bearer {refresh.access_token}", refresh_token=str(refresh))


def refresh(*, refresh_token: str) -> Session:
    """A new pair for the old token, which works once: the blacklist's unique row decides a race. Raises SessionOver.

    simplejwt's own serializer lets two at the same moment through, and a deleted person is a 500 there.
    """
    try:
        old = RefreshToken(refresh_token)  # type: ignore[arg-type]  # the library takes text
    except TokenError as error:
        raise SessionOver from error
    user = User.objects.filter(pk=old.get("user_id"), is_active=True).first()
    if user is None:
        raise SessionOver
    with transaction.atomic():
        if not end(token=old):
            raise SessionOver
        return pair_for(user=user)


def log_out(*, refresh_token: str) -> None:
    """End the session of this token. One that is over already stays over: no error. Raises NotARefreshToken."""
    try:
        kind = UntypedToken(refresh_token).get("token_type")  # type: ignore[arg-type]
    except ExpiredTokenError:
        return
    except TokenError as error:
        raise NotARefreshToken from error
    if kind != RefreshToken.token_type:
        raise NotARefreshToken
    end(token=RefreshToken(refresh_token, verify=False))  # type: ignore[arg-type]  # verified above


def end(*, token: RefreshToken) -> bool:
    """Blacklist the token; False when it was blacklisted before."""
    row_and_made: Any = token.blacklist()  # the library's annotation forgets that it is a tuple
    return bool(row_and_made[1])
