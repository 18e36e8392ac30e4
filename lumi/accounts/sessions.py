"""Signing in and out. A session is a row; its tokens name it, so that ending it ends them all at once (docs/adr/0010).

A refresh token works once. Who comes with an older one than the session has is somebody else than who has the newer:
one of them is a thief, and the session ends. Except within REFRESH_GRACE of the change, when it is most likely a person
whose answer was lost, or their second tab: they get the same successor.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from django.conf import settings
from django.contrib.auth.models import update_last_login
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework_simplejwt.exceptions import ExpiredTokenError, TokenError

from lumi import clock
from lumi.accounts import codes, tokens
from lumi.accounts.codes import check_code, spend_code
from lumi.accounts.models import ApiToken, EmailVerificationCode, Purpose, Session, User
from lumi.accounts.signing import AccessToken, RefreshToken
from lumi.errors import Conflict, Forbidden, Invalid, NotFound, Unauthorized
from lumi.models import FilterRule
from lumi.wordfilter import only_welcome

logger = logging.getLogger(__name__)

KEPT = timedelta(days=30)  # after they have expired, for staff who look into something


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


class NoSession(NotFound):
    """Unknown, another's, or ended."""

    message = _("We could not find this session. It may have ended.")


@dataclass(frozen=True)
class SignedIn:
    """Who is signed in, and the pair of tokens that proves it."""

    user: User
    token: str
    refresh_token: str


# --- Coming in --------------------------------------------------------------------------------------------------------


@only_welcome(FilterRule.Scope.NAME, "name")
def register(*, email: str, code: str, device: str, name: str | None = None) -> SignedIn:
    """A new person, signed in. Raises WrongCode, AddressTaken (which leaves the code unspent)."""
    row = check_code(email=email, purpose=Purpose.REGISTER, code=code)
    if User.objects.filter(email=email).exists():
        raise AddressTaken
    return sign_in(user=add_person(row=row, name=name or ""), device=device)


def add_person(*, row: EmailVerificationCode, name: str) -> User:
    """The account against the code: both or neither. Raises WrongCode, AddressTaken."""
    try:
        with transaction.atomic():
            spend_code(row=row)
            return User.objects.create_user(row.email, name=name)
    except IntegrityError as error:
        raise AddressTaken from error


def log_in(*, email: str, code: str, device: str) -> SignedIn:
    """Raises WrongCode; NoAccount and AccountClosed only with the right code, which then stays unspent."""
    row = check_code(email=email, purpose=Purpose.LOGIN, code=code)
    user = User.objects.filter(email=email).first()
    if user is None:
        raise NoAccount
    if not user.is_active:
        raise AccountClosed
    spend_code(row=row)
    return sign_in(user=user, device=device)


def sign_in(*, user: User, device: str) -> SignedIn:
    """A person who has just proved who they are."""
    update_last_login(User, user)
    return pair_for(session=start(user=user, device=device))


def start(*, user: User, device: str = "") -> Session:
    """A new session. `device`: the client's User-Agent, by which a person knows their sessions apart; nothing else is
    kept about where they came from."""
    words = "".join(sign for sign in device if sign.isprintable())[:200]
    return Session.objects.create(user=user, device=words, refresh_jti=new_jti(), expires_at=new_expiry())


def new_jti() -> str:
    """An id that no token had before."""
    return uuid4().hex


def new_expiry() -> datetime:
    """When a refresh token of now expires."""
    return timezone.now() + RefreshToken.lifetime


def pair_for(*, session: Session) -> SignedIn:
    """The session's refresh token, and a new access token."""
    return SignedIn(
        user=session.user,
        token=f"Bearer {AccessToken.of(session)}",
        refresh_token=str(RefreshToken.of(session)),
    )


# --- Staying ----------------------------------------------------------------------------------------------------------


def find(*, access_token: str) -> Session | None:
    """The session of a valid token, with its person: one statement. None for a token that lets nobody in."""
    try:
        token = AccessToken(access_token)  # type: ignore[arg-type]  # the library takes text
    except TokenError:
        return None
    return session_of(token=token)


def session_of(*, token: AccessToken | RefreshToken) -> Session | None:
    """The live session that a token names, of a person who may come in."""
    return Session.objects.admitting().filter(pk=token["sid"], user_id=token["sub"]).first()


def refresh(*, refresh_token: str) -> SignedIn:
    """The next pair, for the session's present token. Raises SessionOver; a token that was replaced before ends it."""
    try:
        token = RefreshToken(refresh_token)  # type: ignore[arg-type]  # the library takes text
    except TokenError as error:
        raise SessionOver from error
    rotated = rotate(token=token)
    session = session_of(token=token)
    if session is None:
        raise SessionOver
    if not (rotated or was_just_replaced(token=token, session=session)):
        end(sessions=Session.objects.filter(pk=session.pk))
        logger.warning("session ended: an old refresh token was used", extra={"session": session.pk})
        raise SessionOver
    return pair_for(session=session)


def rotate(*, token: RefreshToken) -> bool:
    """Replace this token by the next one; False if it is not the present one any more. One guarded UPDATE: of many at
    the same moment, one does it."""
    present = Session.objects.live().filter(pk=token["sid"], refresh_jti=token["jti"])
    replaced = present.update(
        previous_jti=token["jti"],
        refresh_jti=new_jti(),
        rotated_at=Now(),
        last_used_at=Now(),
        expires_at=new_expiry(),
    )
    return bool(replaced)


def was_just_replaced(*, token: RefreshToken, session: Session) -> bool:
    """Whether this is the token before the present one, and was the present one a moment ago."""
    if session.rotated_at is None or token["jti"] != session.previous_jti:
        return False
    return clock.now() - session.rotated_at < settings.REFRESH_GRACE


# --- Going ------------------------------------------------------------------------------------------------------------


def log_out(*, refresh_token: str) -> None:
    """End the session of this token. One that is over already stays over: no error. Raises NotARefreshToken."""
    try:
        token = RefreshToken(refresh_token)  # type: ignore[arg-type]  # the library takes text
    except ExpiredTokenError:
        return
    except TokenError as error:
        raise NotARefreshToken from error
    end(sessions=Session.objects.filter(pk=token["sid"]))


def end(*, sessions: QuerySet[Session]) -> int:
    """None of their tokens works any more; how many were live. What they knew of the device is forgotten."""
    return sessions.filter(ended_at=None).update(ended_at=Now(), device="")


def end_own(*, user: User, session_id: str) -> None:
    """One of a person's own. Raises NoSession."""
    if not end(sessions=Session.objects.filter(pk=session_id, user=user)):
        raise NoSession


def end_others(*, user: User, but: Session | None) -> None:
    """All of a person's, except the one that they are in."""
    end(sessions=Session.objects.filter(user=user).exclude(pk=but.pk if but else ""))


def suspend(*, people: QuerySet[User]) -> int:
    """Switch accounts off, how many. Whatever let them in is over, also for when they are switched on again."""
    ids = list(people.values_list("pk", flat=True))
    with transaction.atomic():
        User.objects.filter(pk__in=ids).update(is_active=False)
        end(sessions=Session.objects.filter(user__in=ids))
        tokens.revoke(tokens=ApiToken.objects.filter(user__in=ids))
    return len(ids)


def forget_old() -> None:
    """Remove the rows of sessions, API tokens and codes that expired long ago."""
    codes.forget_old()
    old = clock.now() - KEPT
    Session.objects.filter(expires_at__lt=old).delete()
    ApiToken.objects.filter(expires_at__lt=old).delete()
