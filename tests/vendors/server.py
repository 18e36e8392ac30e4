"""What all loopback vendors have in common: an HTTP server in threads, dials for what goes wrong, a ledger of what was
paid for, and a place where results lie.

A vendor's own file says how it speaks: `route` answers a request, `said` puts a refusal into its own words. What goes
wrong on the wire itself is the same for all and stands here.

    with AliyunVendor() as vendor:
        vendor.will("submit", "throttled")      # the next submit; `times=None` for all that follow
        ...
        assert len(vendor.charges) == 1
"""

import json
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from tests.vendors import things

HANG_SECONDS = 20.0  # far longer than any client in a test waits
BEFORE = ("hang_before", "reset_before")  # the vendor never got to read the order
AFTER = ("hang_after", "reset_after", "html", "broken_json", "nonsense", "truncated")  # it did, and took it
WIRE = (*BEFORE, *AFTER)
TRUNCATED_BY = 10


@dataclass
class Reply:
    """An answer. `content` is sent as it is where it is bytes, else as JSON."""

    status: int = 200
    content: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        """What goes over the wire."""
        return self.content if isinstance(self.content, bytes) else json.dumps(self.content).encode()


class Refused(Exception):
    """A vendor's "no", in the middle of its work. `how`: what it is about, one of the words that `said` knows."""

    def __init__(self, how: str, why: str = "") -> None:
        super().__init__(f"{how} {why}")
        self.how, self.why = how, why


@dataclass
class Asked:
    """One request, read whole."""

    method: str
    path: str
    query: dict[str, str]
    headers: Any
    body: bytes

    def json(self) -> Any:
        """The body as JSON. Raises Refused."""
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise Refused("invalid", "the body is not JSON") from error


@dataclass
class Dial:
    """What the next so many calls of one operation meet."""

    how: str
    left: int | None
    detail: dict[str, Any]


class Server(ThreadingHTTPServer):
    """For many clients at a time: with the usual queue of 5, the sixth waits a second for its connection."""

    request_queue_size = 128
    daemon_threads = True


class Vendor:
    """A vendor on the loopback. `secret` is the only key that it takes."""

    secret = "sk-loopback-0123456789abcdef"

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.dials: dict[str, list[Dial]] = {}
        self.charges: list[dict[str, Any]] = []  # one for each order that was taken
        self.hits: list[tuple[str, str]] = []  # operation and path of each request
        self.files: dict[str, bytes] = dict(things.FILES)  # results, by name
        self.closing = threading.Event()
        self.server = Server(("127.0.0.1", 0), handler_of(self))
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()
        return self

    def __exit__(self, _type: type[BaseException] | None, _e: BaseException | None, _tb: TracebackType | None) -> None:
        self.closing.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    # --- What a dialect writes ----------------------------------------------------------------------------------------

    def operation(self, asked: Asked) -> str:
        """Which operation a request is: "submit", "poll", "cancel", "list", "check", "complete". Each dialect's own."""
        raise NotImplementedError

    def route(self, operation: str, asked: Asked) -> Reply:
        """The answer to a request that is not told to fail. Raises Refused. Each dialect's own."""
        raise NotImplementedError

    def said(self, how: str, why: str) -> Reply:
        """A refusal in the vendor's words: throttled, busy, refused, bad_key, no_balance, invalid, server_error,
        unknown_job. Each dialect's own."""
        raise NotImplementedError

    # --- Dials --------------------------------------------------------------------------------------------------------

    def will(self, operation: str, how: str, *, times: int | None = 1, **detail: Any) -> None:
        """What the next calls of an operation meet: a word that `said` knows, one of WIRE, or (for "fetch") one of
        `things.BAD_RESULTS`."""
        if how == "zip_bomb":
            things.bomb()  # takes longer to make than a client waits
        self.dials.setdefault(operation, []).append(Dial(how, times, detail))

    def next_dial(self, operation: str) -> Dial | None:
        """What this call meets; None where all goes well."""
        with self.lock:
            waiting = self.dials.get(operation, [])
            if not waiting:
                return None
            dial = waiting[0]
            if dial.left is not None:
                dial.left -= 1
                if not dial.left:
                    waiting.pop(0)
            return dial

    def charge(self, **order: Any) -> None:
        """Take an order: this is what is paid for."""
        with self.lock:
            self.charges.append(order)

    def address_of(self, name: str) -> str:
        """Where a result lies."""
        return f"{self.url}/results/{name}?X-Signature=not-for-anyone-else"

    def count(self, operation: str) -> int:
        """How often an operation was asked for."""
        return sum(1 for known, _ in self.hits if known == operation)

    # --- Serving ------------------------------------------------------------------------------------------------------

    def serve(self, asked: Asked, wire: "Handler") -> None:
        """One request."""
        if asked.path.startswith("/results/"):
            self.hits.append(("fetch", asked.path))
            self.serve_result(asked, wire)
            return
        operation = self.operation(asked)
        self.hits.append((operation, asked.path))
        dial = self.next_dial(operation)
        if dial and dial.how in BEFORE:
            wire.misbehave(dial.how, Reply())
            return
        reply = self.answer(operation, asked, dial)
        if dial and dial.how in AFTER:
            wire.misbehave(dial.how, reply)
        else:
            wire.send(reply)

    def answer(self, operation: str, asked: Asked, dial: Dial | None) -> Reply:
        """What the vendor says."""
        try:
            if dial and dial.how not in WIRE:
                raise Refused(dial.how)
            return self.route(operation, asked)
        except Refused as refused:
            reply = self.said(refused.how, refused.why)
            retry_after = dial.detail.get("retry_after") if dial else None
            return Reply(reply.status, reply.content, {"Retry-After": retry_after} if retry_after else reply.headers)

    def serve_result(self, asked: Asked, wire: "Handler") -> None:
        """One result, or what a told vendor gives instead."""
        name = asked.path.removeprefix("/results/")
        dial = self.next_dial("fetch")
        if dial:
            wire.send_bad_result(dial.how, self.files.get(name, b""), **dial.detail)
        elif name in self.files:
            wire.send(Reply(200, self.files[name], {"Content-Type": things.content_type(name)}))
        else:
            wire.send(Reply(404, b"<Error>NoSuchKey</Error>", {"Content-Type": "application/xml"}))


class Handler(BaseHTTPRequestHandler):
    """The wire."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body go in two writes: each would wait 40 ms for the other's receipt
    vendor: Vendor

    def handle(self) -> None:
        """Requests, until the client goes: also by a reset, while the next one is waited for."""
        with suppress(ConnectionResetError):
            super().handle()

    def handle_any(self) -> None:
        """Read the request whole, and let the vendor answer."""
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length") or 0)
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        asked = Asked(self.command, parts.path, query, self.headers, self.rfile.read(length))
        try:
            self.vendor.serve(asked, self)
        except (BrokenPipeError, ConnectionResetError):  # the client has gone: as told
            self.close_connection = True

    do_GET = do_POST = do_DELETE = do_PUT = do_HEAD = handle_any

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""

    def send(self, reply: Reply) -> None:
        """A proper answer. The content type is bare: an SDK takes "; charset=utf-8" for a success."""
        body = reply.body
        self.send_response(reply.status)
        for name, value in ({"Content-Type": "application/json"} | reply.headers).items():
            self.send_header(name, str(value))
        if "Transfer-Encoding" not in reply.headers and "Content-Length" not in reply.headers:
            self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def misbehave(self, how: str, reply: Reply) -> None:
        """One of WIRE."""
        self.close_connection = True
        if how.startswith("hang"):
            self.vendor.closing.wait(HANG_SECONDS)
        elif how.startswith("reset"):
            self.reset()
        elif how == "html":
            self.send(Reply(200, b"<html><h1>Welcome to nginx</h1></html>", {"Content-Type": "text/html"}))
        elif how == "broken_json":
            self.send(Reply(200, reply.body[: len(reply.body) // 2]))
        elif how == "nonsense":
            self.send(Reply(200, {"weather": "fine"}))
        elif how == "truncated":
            self.send(Reply(200, reply.body[:-TRUNCATED_BY], {"Content-Length": str(len(reply.body))}))

    def reset(self) -> None:
        """Break the connection off, as a cable does."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def send_bad_result(self, how: str, content: bytes, **detail: Any) -> None:
        """One of `things.BAD_RESULTS`."""
        self.close_connection = True
        if how == "huge":
            self.send_endless(declared="Content-Length")
        elif how == "huge_undeclared":
            self.send_endless(declared="")
        elif how == "truncated":
            self.send(Reply(200, content[: len(content) // 2], {"Content-Length": str(len(content))}))
        elif how.startswith("reset"):
            self.reset()
        elif how.startswith("hang"):
            self.vendor.closing.wait(HANG_SECONDS)
        else:
            self.send(Reply(*things.bad_result(how, self.vendor.url, **detail)))

    def send_endless(self, *, declared: str) -> None:
        """Two gigabytes of nothing, until the client has had enough."""
        self.send_response(200)
        if declared:
            self.send_header(declared, str(things.TWO_GIGABYTES))
        else:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        block = bytes(1024 * 1024)
        chunk = block if declared else b"%x\r\n%b\r\n" % (len(block), block)
        for _ in range(things.TWO_GIGABYTES // len(block)):
            if self.vendor.closing.is_set():
                return
            self.wfile.write(chunk)


def handler_of(vendor: Vendor) -> Callable[..., BaseHTTPRequestHandler]:
    """The handler's class for one vendor."""
    return type("OwnHandler", (Handler,), {"vendor": vendor})
