"""The wire: one vendor's HTTP, with bounded times and sizes, and its failures in our words.

Two kinds of call. `ask` is free and may be asked twice: it keeps its connection. `pay` may cost money: it has a
connection of its own and is sent once, because a kept one that died meanwhile would leave an outcome that nobody knows.
"""

from __future__ import annotations

import io
import json
import math
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPResponse
from typing import Any, cast

import requests
from django.conf import settings
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, NewConnectionError

from lumi import logs
from providers.base import Billed, Fault, ProviderError

MOST_BYTES = 4 * 1024 * 1024  # of an answer; results are fetched by `providers.results`
MOST_EVIDENCE = 1000
CHUNK = 65_536
CONNECTIONS = 32  # kept, of each vendor: as many threads may ask at once
SECRETS = re.compile(
    r"(?i)(authorization\W+(?:bearer\s+|basic\s+)?|bearer\s+|sk-|msy_|AKID"
    r"|(?:signature|credential|secret|password|token|key)[\"']?\s*[:=]\s*[\"']?)[^\s\"',;&]+"
)
QUERY = re.compile(r"(https?://)(?:[^\s\"'/@]*@)?([^\s\"'?]+)(?:\?[^\s\"']*)?")


@dataclass(frozen=True)
class Account:
    """Who we are at a vendor, and where it is. `secret` is in no repr."""

    url: str  # without a slash at the end
    secret: str = field(repr=False)
    user: str = ""  # the public half, where a vendor has two

    @property
    def is_complete(self) -> bool:
        """Whether there is anything to sign in with."""
        return bool(self.url and self.secret)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a vendor's error means to us."""

    fault: Fault
    permanent: bool = False
    billed: Billed = Billed.NO


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A whole answer, of whatever status. `paid`: to a call that may have cost money."""

    status: int
    headers: Any
    content: bytes
    paid: bool = False

    def json(self) -> Any:
        """The content as JSON. Raises ProviderError."""
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError) as error:
            raise self.nonsense() from error

    @property
    def object(self) -> dict[str, Any]:
        """The content as a JSON object. Raises ProviderError."""
        found = self.json()
        if not isinstance(found, dict):
            raise self.nonsense()
        return found

    def nonsense(self) -> ProviderError:
        """What to raise where an answer cannot be understood: whoever was paid for it may have done the work."""
        billed = Billed.UNKNOWN if self.paid else Billed.NO
        return ProviderError(Fault.BAD_ANSWER, billed=billed, evidence=self.evidence)

    @property
    def evidence(self) -> str:
        """Status and text for staff."""
        return scrub(f"{self.status} {self.content[:MOST_EVIDENCE].decode(errors='replace')}")

    @property
    def retry_after(self) -> float | None:
        """Seconds that the vendor asks us to wait, or None."""
        return seconds_of(self.headers.get("Retry-After"))


Law = Callable[[Answer], Verdict | None]


class Wire:
    """One vendor's HTTP. `law` says what an answer that is no success means: None where it is one."""

    def __init__(self, url: str, *, headers: dict[str, str], law: Law) -> None:
        self.url = url.rstrip("/")
        self.headers = headers
        self.law = law
        self.session = new_session()

    def ask(self, method: str, path: str, *, seconds: float | None = None, **sent: Any) -> Answer:
        """A free question. One whose kept connection has died is asked again, once. Raises ProviderError."""
        with within(seconds or settings.PROVIDER_SECONDS["ask"]):
            try:
                answer = self.send(self.session, method, path, **sent)
            except Dead:
                answer = self.send(self.session, method, path, last=True, **sent)
        return self.judged(answer)

    def pay(self, path: str, **sent: Any) -> Answer:
        """A call that may cost money, sent once. Raises ProviderError: `billed` UNKNOWN once anything may have left."""
        try:
            with new_session() as session, within(settings.PROVIDER_SECONDS["pay"]):
                answer = self.send(session, "POST", path, last=True, **sent)
        except NotConnected:
            raise
        except ProviderError as error:
            raise ProviderError(error.fault, billed=Billed.UNKNOWN, evidence=error.evidence) from error
        return self.judged(replace(answer, paid=True))

    def send(self, session: requests.Session, method: str, path: str, *, last: bool = False, **sent: Any) -> Answer:
        """One request and the whole answer to it, in time. Raises ProviderError, and Dead unless it is the `last`."""
        headers = sendable(self.headers | said_of_us() | sent.pop("headers", {}))
        try:
            timeout = (settings.PROVIDER_SECONDS["connect"], seconds_left())
            with session.request(
                method, self.url + path, headers=headers, timeout=timeout, stream=True, allow_redirects=False, **sent
            ) as response:
                content = b"".join(chunks(response, MOST_BYTES))
                return Answer(status=response.status_code, headers=response.headers, content=content)
        except requests.ConnectionError as error:
            if is_unconnected(error):
                raise NotConnected(Fault.NETWORK, evidence=f"no connection: {type(error).__name__}") from error
            if last or isinstance(error, requests.Timeout):
                raise broken(error) from error
            raise Dead from error
        except (requests.RequestException, HTTPError, OSError) as error:
            raise broken(error) from error

    def judged(self, answer: Answer) -> Answer:
        """The answer, if it is a success; else what it means is raised."""
        verdict = self.law(answer)
        if verdict is None:
            return answer
        raise refusal(answer, verdict)


class Dead(Exception):
    """A kept connection that the vendor had closed."""


class NotConnected(ProviderError):
    """There was no connection: nothing has left."""


def said_of_us() -> dict[str, str]:
    """The id by which this call stands in our log, for the vendor's support to find in theirs."""
    return {"X-Request-Id": logs.current()} if logs.current() else {}


def sendable(headers: dict[str, str]) -> dict[str, str]:
    """The headers, if they can be sent: a key that is missing, or has a line break or worse in it, is named in full by
    the error of whoever tries. Raises NotConnected."""
    for value in headers.values():
        if not value.isascii() or not value.isprintable() or value != value.strip():
            raise NotConnected(Fault.AUTHENTICATION, permanent=True, evidence="no key, or one that cannot be sent")
    return headers


def new_session() -> requests.Session:
    """Without the machine's proxies and password files: who is asked is said in the settings alone."""
    session = requests.Session()
    session.trust_env = False
    session.mount("https://", HTTPAdapter(pool_maxsize=CONNECTIONS))
    session.mount("http://", HTTPAdapter(pool_maxsize=CONNECTIONS))
    keep_time(session)
    return session


def chunks(response: requests.Response, most: int) -> Iterator[bytes]:
    """An answer's content as it comes, unpacked, bounded in size. Raises ProviderError."""
    size = 0
    while chunk := response.raw.read1(CHUNK, decode_content=True):
        size += len(chunk)
        if size > most:
            raise ProviderError(Fault.BAD_ANSWER, permanent=True, evidence=f"more than {most} bytes")
        yield chunk
    missing = response.raw.length_remaining
    if missing:
        raise ProviderError(Fault.NETWORK, evidence=f"broken off: {missing} bytes are missing")


def broken(error: Exception) -> ProviderError:
    """A connection that broke, or said nothing, after something had left."""
    return ProviderError(Fault.NETWORK, evidence=f"broken off: {type(error).__name__}")


def is_unconnected(error: requests.ConnectionError) -> bool:
    """Whether there was no connection at all. requests wraps urllib3, which wraps the reason."""
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(error, requests.ConnectTimeout) or isinstance(reason, NewConnectionError)


def refusal(answer: Answer, verdict: Verdict) -> ProviderError:
    """An answer that is no success, in our words. A free question never costs anything."""
    return ProviderError(
        verdict.fault,
        permanent=verdict.permanent,
        retry_after=answer.retry_after,
        billed=verdict.billed if answer.paid else Billed.NO,
        evidence=answer.evidence,
    )


def by_status(answer: Answer) -> Verdict | None:
    """What a status means where the vendor says nothing more: the last line of every vendor's law.

    500, 502 and 504 on a paid call leave open whether it was accepted; 503 says that it was not.
    """
    if answer.status < 300:
        return None
    if answer.status >= 500:
        return Verdict(fault=Fault.UNAVAILABLE, billed=Billed.NO if answer.status == 503 else Billed.UNKNOWN)
    return STATUSES.get(answer.status, INVALID)


INVALID = Verdict(fault=Fault.INVALID_INPUT, permanent=True)
KEY = Verdict(fault=Fault.AUTHENTICATION, permanent=True)
MONEY = Verdict(fault=Fault.QUOTA_EXHAUSTED, permanent=True)
REFUSED = Verdict(fault=Fault.CONTENT_REFUSED, permanent=True)
THROTTLED = Verdict(fault=Fault.RATE_LIMITED)
BUSY = Verdict(fault=Fault.BUSY)
DOWN = Verdict(fault=Fault.UNAVAILABLE)
UNCLEAR = Verdict(fault=Fault.UNAVAILABLE, billed=Billed.UNKNOWN)
NONSENSE = Verdict(fault=Fault.BAD_ANSWER, billed=Billed.UNKNOWN)
STATUSES = {
    401: KEY, 402: MONEY, 403: KEY, 404: INVALID, 408: UNCLEAR, 409: BUSY, 425: BUSY, 429: THROTTLED, 451: REFUSED,
}  # fmt: skip
for redirect in (300, 301, 302, 303, 307, 308):
    STATUSES[redirect] = NONSENSE


def seconds_of(value: str | None) -> float | None:
    """A Retry-After header: seconds, or a date. None where it is neither; at most a day."""
    if not value:
        return None
    try:
        wait = float(value)
    except ValueError:
        try:
            wait = (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds()
        except (TypeError, ValueError, OverflowError):
            return None
    return min(max(wait, 0.0), 86_400.0) if math.isfinite(wait) else None


def scrub(text: str) -> str:
    """Evidence without keys, and without the signatures in addresses."""
    return SECRETS.sub(lambda match: match[1] + "…", QUERY.sub(r"\1\2", text))[:MOST_EVIDENCE]


# --- Time -----------------------------------------------------------------------------------------------------------
# A socket's time-out begins anew with every byte: an answer that drips would hold a thread for as long as it likes.

ends: ContextVar[float] = ContextVar("ends", default=math.inf)  # by the monotonic clock


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """What is sent and read in here is over after so many seconds, or raises TimeoutError."""
    token = ends.set(time.monotonic() + seconds)
    try:
        yield
    finally:
        ends.reset(token)


def seconds_left() -> float:
    """Of the time that `within` gave. Raises TimeoutError when there are none."""
    left = ends.get() - time.monotonic()
    if left <= 0:
        raise TimeoutError("it took too long")
    return left


class Incoming(io.RawIOBase):
    """What comes through a socket, in time."""

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.silence = connection.gettimeout() or math.inf
        self.bytes = connection.makefile("rb", buffering=0)

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Some bytes. Raises TimeoutError."""
        self.connection.settimeout(min(self.silence, seconds_left()))
        return self.bytes.readinto(buffer)

    def close(self) -> None:
        """Give the socket back."""
        self.bytes.close()
        super().close()


class TimelyResponse(HTTPResponse):
    """Read in time, headers too."""

    def __init__(self, sock: socket.socket, *args: Any, **options: Any) -> None:
        super().__init__(sock, *args, **options)
        self.fp.close()
        self.fp = io.BufferedReader(Incoming(sock))


class TimelyHTTP(HTTPConnection):
    """Sends and reads in time."""

    response_class = TimelyResponse

    def send(self, data: Any) -> None:
        """Raises TimeoutError."""
        for start in range(0, len(data), CHUNK):
            seconds_left()
            super().send(data[start : start + CHUNK])


class TimelyHTTPS(TimelyHTTP, HTTPSConnection):
    """The same over TLS."""

    def connect(self) -> None:
        """Without TLS, or with a certificate that is not to be trusted, there is no connection: nothing has left."""
        try:
            super().connect()
        except OSError as error:
            raise NewConnectionError(self, f"no TLS: {type(error).__name__}") from error


class TimelyHTTPPool(HTTPConnectionPool):
    """Plain."""

    ConnectionCls = TimelyHTTP


class TimelyHTTPSPool(HTTPSConnectionPool):
    """Over TLS."""

    ConnectionCls = TimelyHTTPS


def keep_time(session: requests.Session) -> None:
    """Let a session's connections know `within`."""
    for adapter in session.adapters.values():
        cast("HTTPAdapter", adapter).poolmanager.pool_classes_by_scheme = {
            "http": TimelyHTTPPool,
            "https": TimelyHTTPSPool,
        }
