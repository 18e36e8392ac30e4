"""Tokens that somebody made up, stole, changed or kept for too long."""

import base64
import hashlib
import hmac
import json
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest
from django.conf import settings as django_settings
from pytest_django import Settings
from rest_framework.test import APIClient
from rest_framework_simplejwt.tokens import AccessToken as PlainAccessToken

from lumi.accounts import sessions
from lumi.accounts.models import Session, User
from lumi.accounts.signing import AccessToken, RefreshToken, SessionToken, keys
from tests.accounts.desk import failure
from tests.factories import make_user

pytestmark = pytest.mark.django_db
KINDS = {"access": AccessToken, "refresh": RefreshToken}


def part(value: Any) -> str:
    """A part of a token."""
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(claims: dict[str, Any], key: bytes | None = None, digest: str = "sha256", **header: Any) -> str:
    """A token made by hand: with our key and its name, unless told otherwise."""
    name, ours = next(iter(keys().items()))
    head = part({"alg": "HS256", "typ": "JWT", "kid": name} | header)
    text = f"{head}.{part(claims)}"
    return f"{text}.{part(hmac.new(ours if key is None else key, text.encode(), digest).digest())}"


def without(claims: dict[str, Any], name: str) -> dict[str, Any]:
    """Claims but one."""
    return {key: value for key, value in claims.items() if key != name}


def nested(depth: int) -> str:
    """A header that is deeper than Python's stack."""
    return f"{part(b'[' * depth)}.{part({})}.{part(b'x')}"


def expired(kind: type[SessionToken], session: Session) -> str:
    """A real one, too old by more than the leeway."""
    token = kind.of(session)
    token.set_exp(lifetime=-timedelta(seconds=6))
    return str(token)


Attack = Callable[[dict[str, Any]], str]
ATTACKS: dict[str, Attack] = {
    "alg none": lambda claims: jwt.encode(claims, None, "none"),
    "alg none, our key's name": lambda claims: jwt.encode(claims, None, "none", {"kid": next(iter(keys()))}),
    "alg None, signed": lambda claims: signed(claims, alg="None"),
    "alg missing": lambda claims: signed(claims, alg=None),
    "alg RS256 for an HMAC": lambda claims: signed(claims, alg="RS256"),
    "alg HS512 with our key": lambda claims: signed(claims, digest="sha512", alg="HS512"),
    "no signature": lambda claims: signed(claims).rpartition(".")[0] + ".",
    "cut": lambda claims: signed(claims)[:-4],
    "wrong key": lambda claims: signed(claims, key=b"x" * 32),
    "empty key": lambda claims: signed(claims, key=b""),
    "Django's key": lambda claims: signed(claims, key=django_settings.SECRET_KEY.encode()),
    "a key of its own in the header": lambda claims: signed(
        claims, key=b"x" * 32, jwk={"kty": "oct", "k": part(b"x" * 32)}, jku="http://127.0.0.1:1/keys"
    ),
    "no key named": lambda claims: signed(claims, kid=""),
    "unknown key named": lambda claims: signed(claims, kid="00000000"),
    "file named as key": lambda claims: signed(claims, key=b"", kid="../../../../dev/null"),
    "list named as key": lambda claims: signed(claims, kid=["a"]),
    "critical extension": lambda claims: signed(claims, crit=["exp"], exp=1),
    "payload changed": lambda claims: ".".join(
        [signed(claims).split(".")[0], part(claims | {"sub": "boss"}), signed(claims).split(".")[2]]
    ),
    "other issuer": lambda claims: signed(claims | {"iss": "somebody"}),
    "other audience": lambda claims: signed(claims | {"aud": "other-api"}),
    "from the future": lambda claims: signed(claims | {"iat": claims["iat"] + 60}),
    "not yet": lambda claims: signed(claims | {"nbf": claims["iat"] + 60}),
    "expired": lambda claims: signed(claims | {"exp": claims["iat"] - 6}),
    "never expires": lambda claims: signed(claims | {"exp": "never"}),
    "other kind": lambda claims: signed(claims | {"token_type": "admin"}),
    "other session": lambda claims: signed(claims | {"sid": "nothing"}),
    "other person": lambda claims: signed(claims | {"sub": make_user().id}),
    "not an object": lambda claims: signed([claims]),  # type: ignore[arg-type]
    "deep header": lambda claims: nested(50_000),
    **{f"no {name}": lambda claims, name=name: signed(without(claims, name))  # type: ignore[misc]
       for name in ("exp", "iat", "jti", "token_type", "iss", "aud", "sub", "sid")},
}  # fmt: skip


@pytest.fixture
def session(alice: User) -> Session:
    """Alice's."""
    return sessions.start(user=alice)


def attempt(kind: str, token: str) -> Any:
    """Use it for what it says it is."""
    if kind == "access":
        return APIClient(headers={"authorization": f"Bearer {token}"}).get("/api/auth/sessions")
    return APIClient().post("/api/auth/refresh", {"refreshToken": token[:4096]})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("attack", ATTACKS)
def test_a_false_token_opens_nothing(session: Session, kind: str, attack: str) -> None:
    claims = jwt.decode(str(KINDS[kind].of(session)), options={"verify_signature": False})
    assert attempt(kind, signed(claims)).status_code == 200  # made by hand, it works
    Session.objects.update(refresh_jti=session.refresh_jti)
    assert failure(attempt(kind, ATTACKS[attack](claims))) == (401, "UNAUTHORIZED")
    assert Session.objects.get().ended_at is None  # nobody can end a session with a false token


def test_a_refresh_token_is_no_access_token_nor_the_other_way_round(session: Session) -> None:
    assert failure(attempt("access", str(RefreshToken.of(session)))) == (401, "UNAUTHORIZED")
    assert failure(attempt("refresh", str(AccessToken.of(session)))) == (401, "UNAUTHORIZED")


def test_a_false_token_does_not_log_out_and_says_so(as_nobody: APIClient, session: Session) -> None:
    claims = jwt.decode(str(RefreshToken.of(session)), options={"verify_signature": False})
    for token in (
        str(AccessToken.of(session)),
        "rubbish",
        signed(claims, key=b"x" * 32),
        jwt.encode(claims, None, "none"),
    ):
        assert failure(as_nobody.post("/api/auth/logout", {"refreshToken": token})) == (400, "VALIDATION_ERROR"), token
    assert Session.objects.get().ended_at is None


def test_an_expired_refresh_token_is_logged_out_already(as_nobody: APIClient, session: Session) -> None:
    answer = as_nobody.post("/api/auth/logout", {"refreshToken": expired(RefreshToken, session)})
    assert (answer.status_code, answer.json()["data"]) == (200, None)


def test_two_machines_clocks_may_differ_by_some_seconds(session: Session) -> None:
    claims = jwt.decode(str(AccessToken.of(session)), options={"verify_signature": False})
    for change in ({"iat": claims["iat"] + 3}, {"exp": claims["iat"] - 3}):
        assert attempt("access", signed(claims | change)).status_code == 200, change


def test_a_token_of_simplejwt_itself_is_none_of_ours(alice: User) -> None:
    assert failure(attempt("access", str(PlainAccessToken.for_user(alice)))) == (401, "UNAUTHORIZED")


@pytest.mark.parametrize("change", ["ended", "closed", "deleted"])
def test_an_access_token_ends_with_its_session_and_its_person(alice: User, session: Session, change: str) -> None:
    token = str(AccessToken.of(session))
    assert attempt("access", token).status_code == 200
    if change == "ended":
        sessions.end(sessions=Session.objects.all())
    elif change == "closed":
        User.objects.update(is_active=False)
    else:
        alice.delete()
    assert failure(attempt("access", token)) == (401, "UNAUTHORIZED")


def test_what_a_token_says(session: Session) -> None:
    """Ids only: whoever reads one on the way learns no address and no name."""
    claims = jwt.decode(str(AccessToken.of(session)), options={"verify_signature": False})
    assert set(claims) == {"token_type", "exp", "iat", "jti", "sub", "sid", "iss", "aud"}
    assert (claims["sub"], claims["sid"]) == (session.user_id, session.pk)
    assert claims["exp"] - claims["iat"] == 900


class TestKeys:
    def test_can_be_replaced_while_old_tokens_live_on(self, session: Session, settings: Settings) -> None:
        settings.JWT_KEYS = ["first"]
        old = str(AccessToken.of(session))
        settings.JWT_KEYS = ["second", "first"]
        new = str(AccessToken.of(session))
        assert jwt.get_unverified_header(old)["kid"] != jwt.get_unverified_header(new)["kid"]
        assert [attempt("access", token).status_code for token in (old, new)] == [200, 200]
        settings.JWT_KEYS = ["second"]
        assert [attempt("access", token).status_code for token in (old, new)] == [401, 200]

    def test_by_default_come_from_the_secret_key_and_are_not_it(self) -> None:
        assert django_settings.JWT_KEYS[0] == django_settings.SECRET_KEY
        (key,) = keys().values()
        assert len(key) == 32
        assert key not in (
            django_settings.SECRET_KEY.encode(),
            hashlib.sha256(django_settings.SECRET_KEY.encode()).digest(),
        )

    def test_have_names_that_do_not_tell_them(self, settings: Settings) -> None:
        settings.JWT_KEYS = ["first", "second"]
        for name, key in keys().items():
            assert len(name) == 8
            assert name not in key.hex()


def test_nothing_secret_is_logged(session: Session, caplog: pytest.LogCaptureFixture) -> None:
    access, refresh = str(AccessToken.of(session)), str(RefreshToken.of(session))
    with caplog.at_level(logging.DEBUG):
        attempt("access", access)
        attempt("access", access[:-4])
        attempt("refresh", refresh)
        attempt("refresh", access)
        attempt("access", "lumi_" + "x" * 51)
    for secret in (access, access[:-4], refresh, session.refresh_jti, "lumi_x"):
        assert secret not in caplog.text
