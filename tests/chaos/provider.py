"""Providers that speak to `tests.chaos.vendor`, whose address is CHAOS_VENDOR_URL. Written as a real vendor's would be:
what surely cost nothing says so, and everything after the bytes have left is of unknown outcome."""

import http.client
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from providers.base import (
    Billed,
    Completion,
    Fault,
    FileRole,
    ImageOrder,
    JobState,
    LostSubmit,
    ModelOrder,
    ProviderError,
    RemoteFile,
    Report,
    ResultFile,
)

CONNECT_SECONDS, READ_SECONDS = 2.0, 10.0
FAULTS = {
    400: Fault.INVALID_INPUT, 401: Fault.AUTHENTICATION, 402: Fault.QUOTA_EXHAUSTED, 403: Fault.AUTHENTICATION,
    404: Fault.JOB_LOST, 429: Fault.RATE_LIMITED,
}  # fmt: skip
BROKEN = (OSError, http.client.HTTPException)
mine = threading.local()  # one connection for each thread and address


def address() -> str:
    """Where the vendor is."""
    return urlsplit(os.environ["CHAOS_VENDOR_URL"]).netloc


def connect() -> http.client.HTTPConnection:
    """A new connection. Raises ProviderError: nothing was sent."""
    connection = http.client.HTTPConnection(address(), timeout=CONNECT_SECONDS)
    try:
        connection.connect()
    except OSError as error:
        raise ProviderError(Fault.NETWORK, evidence=repr(error)) from error
    connection.sock.settimeout(READ_SECONDS)
    return connection


def exchange(connection: http.client.HTTPConnection, method: str, path: str, body: Any) -> tuple[int, Any, bytes]:
    """One request: status, headers, content. Raises what the standard library raises."""
    content = None if body is None else json.dumps(body).encode()
    connection.request(method, path, body=content)
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


def ask(method: str, path: str, body: Any = None) -> bytes:
    """A free question, on the thread's connection; a kept one that has died meanwhile is replaced once."""
    kept = getattr(mine, "connection", None)
    try:
        connection = kept or connect()
        mine.connection = connection
        status, headers, content = exchange(connection, method, path, body)
    except BROKEN as error:
        connection.close()
        mine.connection = None
        if kept:
            return ask(method, path, body)
        raise ProviderError(Fault.NETWORK, evidence=repr(error)) from error
    if status != 200:
        raise refusal(status, headers, content)
    return content


def pay(body: dict[str, str]) -> dict[str, Any]:
    """The paid call, on a connection of its own, never repeated."""
    connection = connect()
    try:
        status, headers, content = exchange(connection, "POST", "/submit", body)
    except BROKEN as error:
        raise ProviderError(Fault.NETWORK, billed=Billed.UNKNOWN, evidence=repr(error)) from error
    finally:
        connection.close()
    if status != 200:
        raise refusal(status, headers, content, billed=Billed.UNKNOWN if status >= 500 else Billed.NO)
    return decoded(content, billed=Billed.UNKNOWN)


def refusal(status: int, headers: Any, content: bytes, billed: Billed = Billed.NO) -> ProviderError:
    """What a status that is not 200 means."""
    retry_after = headers.get("Retry-After")
    return ProviderError(
        FAULTS.get(status, Fault.UNAVAILABLE if status >= 500 else Fault.INVALID_INPUT),
        permanent=status < 500 and status != 429,
        retry_after=float(retry_after) if retry_after else None,
        billed=billed,
        evidence=f"{status} {content[:200]!r}",
    )


def decoded(content: bytes, billed: Billed = Billed.NO) -> dict[str, Any]:
    """An answer's JSON object with a job. Raises ProviderError."""
    try:
        said = json.loads(content)
        if isinstance(said["job"], str):
            return dict(said)
    except (ValueError, TypeError, KeyError):
        pass
    raise ProviderError(Fault.BAD_ANSWER, billed=billed, evidence=repr(content[:200]))


def report(said: dict[str, Any]) -> Report:
    """The vendor's words in ours."""
    state = said.get("state", "RUNNING")
    if state in ("FAILED", "CANCELLED"):
        error = ProviderError(Fault.JOB_FAILED, permanent=True, billed=Billed.YES, evidence=state)
        return Report(state=JobState.FAILED, ref=said["job"], error=error)
    files = tuple(RemoteFile(role=file["role"], url=file["url"]) for file in said.get("files", []))
    return Report(state=JobState(state), ref=said["job"], progress=said.get("progress"), files=files)


class ChaosProvider:
    """Images or models, by `kind`."""

    name = "chaos"
    product = "work"
    resubmit_is_free = False
    batch = 1

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def check(self) -> str:
        """There is nothing to sign in to."""
        return "loopback"

    def cannot(self, order: ImageOrder | ModelOrder) -> str:
        """It takes anything."""
        return ""

    def submit(self, order: ImageOrder | ModelOrder) -> Report:
        """Pay."""
        return report(pay({"reference": order.reference, "kind": self.kind, "prompt": order.prompt}))

    def poll(self, ref: str) -> Report:
        """Ask. A job that the vendor does not know is lost."""
        try:
            return report(decoded(ask("GET", f"/jobs/{ref}")))
        except ProviderError as error:
            if error.fault != Fault.JOB_LOST:
                raise
            return Report(state=JobState.FAILED, ref=ref, error=error)

    def fetch(self, files: tuple[RemoteFile, ...], folder: Path) -> list[ResultFile]:
        """Bring the files."""
        return [ResultFile(role=FileRole(file.role), path=self.bring(file.url, folder)) for file in files]

    def bring(self, url: str, folder: Path) -> Path:
        """One file."""
        path = urlsplit(url).path
        target = folder / Path(path).name
        try:
            target.write_bytes(ask("GET", path))
        except ProviderError as error:
            if error.fault != Fault.JOB_LOST:
                raise
            raise ProviderError(Fault.RESULT_GONE, permanent=True, evidence=error.evidence) from error
        return target

    def cancel(self, ref: str) -> None:
        """Stop it."""
        ask("POST", f"/jobs/{ref}/cancel")


class ChaosProviderWithLookup(ChaosProvider):
    """The same vendor, asked by our reference too."""

    name = "chaos-lookup"

    def find(self, lost: LostSubmit) -> Report | None:
        """The job of this reference; None: surely no such job."""
        try:
            return report(decoded(ask("GET", f"/find?reference={quote(lost.reference)}")))
        except ProviderError as error:
            if error.fault == Fault.JOB_LOST:
                return None
            raise


class ChaosLanguageModel:
    """Four designs, at once."""

    name = "chaos"
    product = "words"

    def complete(self, *, system: str, prompt: str) -> Completion:
        """Without a network."""
        designs = [f"{prompt[:400]}, {style}" for style in ("round", "real", "cubic", "flat")]
        return Completion(text=json.dumps({"designs": designs}))


# What settings.PROVIDERS names.
images: Callable[[], ChaosProvider] = lambda: ChaosProvider("image")  # noqa: E731
models: Callable[[], ChaosProvider] = lambda: ChaosProvider("model")  # noqa: E731
images_with_lookup: Callable[[], ChaosProvider] = lambda: ChaosProviderWithLookup("image")  # noqa: E731
models_with_lookup: Callable[[], ChaosProvider] = lambda: ChaosProviderWithLookup("model")  # noqa: E731
llm: Callable[[], ChaosLanguageModel] = ChaosLanguageModel
