"""A strict vendor on the loopback, in a process of its own: it charges on arrival, keeps a ledger, and can be told to
misbehave. `python -m tests.chaos.vendor --port P --ledger FILE [--seed N]`. Standard library and Pillow only.

    POST /submit {reference, kind, prompt}   charged and written to the ledger before anything else
         image -> {"job", "state": "DONE", "files": [{"role", "url"}]} after a delay;   model -> {"job"} after a delay
    GET  /jobs/ID                            {"job", "state": RUNNING|DONE|FAILED|CANCELLED, "progress", "files"}
    POST /jobs/ID/cancel    GET /files/ID/NAME    GET /find?reference=R (404: no such job)
    GET  /ledger            every charge: {"reference", "kind", "time", "job"}
    GET  /arrivals          every submit that came, refused ones too: {"reference", "kind", "time", "status", "charged"}
    GET  /polls             [[time, job], ...] since the last time this was asked
    GET  /stats             {"peak": {kind: n}, "submits": n, "polls": n, "charges": n, "now": {kind: n}}
    POST /control           any of: {"submit_delay": [a, b], "work": [a, b],
         "fail_submits": {"count": n, "how": "503"|"500"|"429"|"400"|"reset"|"hang"|"garbage", "retry_after": s,
                          "charged": bool},       charged: by default what `how` leaves open is (reset, hang, garbage)
         "fail_polls": {the same}, "lose_jobs": bool (works fail), "down": bool (503 to all but control, uncharged),
         "refuse": seconds (connections are refused for so long), "poll_delay": [a, b],
         "jobs": {"prefix": "p-", "count": n, "seconds": s} (unpaid; run for so long, or for ever)}
"""

import argparse
import asyncio
import json
import random
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from PIL import Image

KINDS = ("image", "model")
FILES = {
    "image": {"image": "picture.png"},
    "model": {
        "obj": "model.obj", "mtl": "model.mtl", "texture": "texture.png", "glb": "model.glb", "stl": "model.stl",
        "preview": "preview.png",
    },
}  # fmt: skip
FAILURE = frozenset({"count", "how", "retry_after", "charged"})
SILENT = ("reset", "hang", "garbage")  # the client cannot know whether it was taken
STATUSES = ("400", "429", "500", "503")
FOR_EVER = 10.0**9
REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 429: "Too Many Requests", 503: "Service Unavailable"}


class Refused(Exception):
    """An answer that is not 200."""

    def __init__(self, status: int, text: str, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.status, self.text, self.retry_after = status, text, retry_after


class Silence(Exception):
    """No proper answer at all: "reset", "hang" or "garbage"."""


@dataclass
class Job:
    """One paid order."""

    id: str
    reference: str
    kind: str
    began: float
    ends: float
    fails: bool = False
    cancelled: bool = False

    def seen(self, base: str) -> dict[str, Any]:
        """How it stands."""
        now = time.time()
        share = (now - self.began) / max(self.ends - self.began, 0.001)
        if self.cancelled:
            return {"job": self.id, "state": "CANCELLED", "progress": 0, "files": []}
        if now < self.ends:
            return {"job": self.id, "state": "RUNNING", "progress": min(99, int(share * 100)), "files": []}
        if self.fails:
            return {"job": self.id, "state": "FAILED", "progress": 0, "files": []}
        files = [{"role": role, "url": f"{base}/files/{self.id}/{name}"} for role, name in FILES[self.kind].items()]
        return {"job": self.id, "state": "DONE", "progress": 100, "files": files}


@dataclass
class Failure:
    """How the next calls fail."""

    count: int = 0
    how: str = "503"
    retry_after: float | None = None
    charged: bool | None = None

    def next(self) -> "Failure | None":
        """Itself, as long as there are calls to fail."""
        if self.count <= 0:
            return None
        self.count -= 1
        return self

    @property
    def charges(self) -> bool:
        """Whether the order is taken nevertheless."""
        return self.how in SILENT if self.charged is None else self.charged

    def happen(self) -> None:
        """Fail."""
        if self.how in SILENT:
            raise Silence(self.how)
        raise Refused(int(self.how), f"told to answer {self.how}", self.retry_after)


@dataclass
class Vendor:
    """What the vendor knows."""

    base: str
    ledger: Any
    random: random.Random
    submit_delay: tuple[float, float] = (0.2, 0.8)
    work: tuple[float, float] = (1.0, 3.0)
    poll_delay: tuple[float, float] = (0.0, 0.0)
    fail_submits: Failure = field(default_factory=Failure)
    fail_polls: Failure = field(default_factory=Failure)
    lose_jobs: bool = False
    down: bool = False
    jobs: dict[str, Job] = field(default_factory=dict)
    by_reference: dict[str, Job] = field(default_factory=dict)
    charges: list[dict[str, Any]] = field(default_factory=list)
    arrivals: list[dict[str, Any]] = field(default_factory=list)
    polls: list[tuple[float, str]] = field(default_factory=list)
    active: dict[str, list[Job]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    peak: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    poll_count: int = 0
    refuse: Callable[[float], None] = lambda seconds: None

    # --- Orders -----------------------------------------------------------------------------------------------------

    def submit(self, body: dict[str, Any]) -> tuple[float, Callable[[], dict[str, Any]]]:
        """Charge; then how long the answer takes, and the answer."""
        check_order(body)
        arrival = {"reference": body["reference"], "kind": body["kind"], "time": time.time(), "charged": False}
        self.arrivals.append(arrival)
        failure = self.fail_submits.next()
        arrival["status"] = failure.how if failure else "200"
        if failure and not failure.charges:
            failure.happen()
        arrival["charged"] = True
        delay = self.random.uniform(*self.submit_delay)
        job = self.charge(body, arrival["time"], delay)
        if failure:
            failure.happen()
        return delay, lambda: self.accepted(job)

    def charge(self, body: dict[str, Any], now: float, delay: float) -> Job:
        """Write it down for sure, before anything else; then take the order."""
        number = f"{body['kind']}-{len(self.charges) + 1}"
        line = {"reference": body["reference"], "kind": body["kind"], "time": now, "job": number}
        self.ledger.write(json.dumps(line) + "\n")
        self.ledger.flush()
        self.charges.append(line)
        work = self.random.uniform(*self.work) if body["kind"] == "model" else 0.0
        job = Job(number, body["reference"], body["kind"], now, now + delay + work, fails=self.lose_jobs)
        self.jobs[number] = self.by_reference[job.reference] = job
        self.count_active(job)
        return job

    def count_active(self, job: Job) -> None:
        """How many of a kind there are at once."""
        still = [other for other in self.active[job.kind] if other.ends > job.began and not other.cancelled]
        self.active[job.kind] = [*still, job]
        self.peak[job.kind] = max(self.peak[job.kind], len(self.active[job.kind]))

    def accepted(self, job: Job) -> dict[str, Any]:
        """The answer to a submit: the pictures at once, a model later."""
        return job.seen(self.base) if job.kind == "image" else {"job": job.id}

    def known(self, number: str) -> Job:
        """A job by its id."""
        if number not in self.jobs:
            raise Refused(404, "no such job")
        return self.jobs[number]

    def poll(self, number: str) -> dict[str, Any]:
        """How a job stands."""
        self.polls.append((time.time(), number))
        self.poll_count += 1
        failure = self.fail_polls.next()
        if failure:
            failure.happen()
        return self.known(number).seen(self.base)

    def cancel(self, number: str) -> dict[str, Any]:
        """Stop it; what was paid stays paid."""
        job = self.known(number)
        job.cancelled = time.time() < job.ends
        return job.seen(self.base)

    def find(self, query: str) -> dict[str, Any]:
        """By the client's reference."""
        reference = parse_qs(query).get("reference", [""])[0]
        if reference not in self.by_reference:
            raise Refused(404, "no such reference")
        return self.by_reference[reference].seen(self.base)

    # --- Control ----------------------------------------------------------------------------------------------------

    def control(self, body: dict[str, Any]) -> dict[str, Any]:
        """Turn the dials."""
        only(body, frozenset({*SETTERS, "refuse", "jobs"}))
        for name, value in body.items():
            if name in SETTERS:
                setattr(self, name, SETTERS[name](value))
        if "jobs" in body:
            self.make_jobs(**body["jobs"])
        if body.get("refuse"):
            self.refuse(float(body["refuse"]))
        return {}

    def make_jobs(self, prefix: str, count: int, seconds: float | None = None) -> None:
        """Unpaid jobs: for what is about polls only."""
        now = time.time()
        for number in range(count):
            name = f"{prefix}{number}"
            self.jobs[name] = Job(name, name, "model", now, now + (seconds or FOR_EVER))

    def stats(self) -> dict[str, Any]:
        """Figures."""
        now = time.time()
        active = {kind: sum(job.ends > now and not job.cancelled for job in jobs) for kind, jobs in self.active.items()}
        counts = {"submits": len(self.arrivals), "polls": self.poll_count, "charges": len(self.charges)}
        return {"peak": self.peak, "now": active, **counts}

    def take_polls(self) -> list[tuple[float, str]]:
        """The polls since the last time."""
        taken, self.polls = self.polls, []
        return taken


def only(body: dict[str, Any], known: frozenset[str]) -> None:
    """Strict: what is not known is refused."""
    if not isinstance(body, dict) or set(body) - known:
        raise Refused(400, f"unknown fields: {sorted(set(body) - known) if isinstance(body, dict) else 'no object'}")


def check_order(body: dict[str, Any]) -> None:
    """Exactly the fields of an order."""
    only(body, frozenset({"reference", "kind", "prompt"}))
    texts = all(isinstance(body.get(name), str) and body[name] for name in ("reference", "kind", "prompt"))
    if not texts or body["kind"] not in KINDS or len(body["prompt"]) > 500 or len(body["reference"]) > 60:
        raise Refused(400, "not an order")


def failure_from(body: dict[str, Any]) -> Failure:
    """How to fail."""
    only(body, FAILURE)
    failure = Failure(**{**body, "how": str(body.get("how", "503"))})
    if failure.how not in SILENT + STATUSES:
        raise Refused(400, f"how: one of {SILENT + STATUSES}")
    return failure


def span_from(both: list[float]) -> tuple[float, float]:
    """From and to, in seconds."""
    low, high = both
    return float(low), float(high)


SETTERS: dict[str, Callable[[Any], Any]] = {
    "submit_delay": span_from,
    "work": span_from,
    "poll_delay": span_from,
    "fail_submits": failure_from,
    "fail_polls": failure_from,
    "down": bool,
    "lose_jobs": bool,
}


# --- Files ----------------------------------------------------------------------------------------------------------

CORNERS = [(0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)]
FACES = [(0, 2, 1), (0, 1, 3), (0, 3, 2), (1, 2, 3)]


def contents() -> dict[str, bytes]:
    """A picture, and a tetrahedron in every format."""
    picture = png("tomato")
    lines = ["mtllib model.mtl", *(f"v {x} {y} {z}" for x, y, z in CORNERS), "usemtl skin"]
    lines += [f"f {a + 1} {b + 1} {c + 1}" for a, b, c in FACES]
    return {
        "picture.png": picture,
        "preview.png": picture,
        "texture.png": picture,
        "model.obj": "\n".join(lines).encode() + b"\n",
        "model.mtl": b"newmtl skin\nKd 1 1 1\nmap_Kd texture.png\n",
        "model.stl": stl(),
        "model.glb": glb(),
    }


def png(color: str) -> bytes:
    """A small picture."""
    out = BytesIO()
    Image.new("RGB", (64, 64), color).save(out, "PNG")
    return out.getvalue()


def stl() -> bytes:
    """Binary STL."""
    facets = b"".join(
        struct.pack("<3f", 0, 0, 0) + b"".join(struct.pack("<3f", *CORNERS[index]) for index in face) + b"\0\0"
        for face in FACES
    )
    return b"\0" * 80 + struct.pack("<I", len(FACES)) + facets


def glb() -> bytes:
    """Binary glTF."""
    points = b"".join(struct.pack("<3f", *corner) for corner in CORNERS)
    indices = b"".join(struct.pack("<3H", *face) for face in FACES)
    accessors = [
        {"bufferView": 0, "componentType": 5126, "count": 4, "type": "VEC3", "min": [0, 0, 0], "max": [1, 1, 1]},
        {"bufferView": 1, "componentType": 5123, "count": 12, "type": "SCALAR"},
    ]
    views = [
        {"buffer": 0, "byteOffset": 0, "byteLength": len(points)},
        {"buffer": 0, "byteOffset": len(points), "byteLength": len(indices)},
    ]
    scene = {
        "asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "accessors": accessors, "bufferViews": views, "buffers": [{"byteLength": len(points + indices)}],
    }  # fmt: skip
    text = json.dumps(scene).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text
    chunks += struct.pack("<I4s", len(points + indices), b"BIN\0") + points + indices
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


# --- HTTP -----------------------------------------------------------------------------------------------------------


class Connection(asyncio.Protocol):
    """One client. It may go away at any moment."""

    def __init__(self, vendor: Vendor, files: dict[str, bytes], connections: set["Connection"]) -> None:
        self.vendor, self.files, self.connections = vendor, files, connections
        self.buffer = b""
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody came."""
        self.transport = transport
        self.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Somebody left."""
        self.connections.discard(self)

    def data_received(self, data: bytes) -> None:
        """Whole requests are answered, the rest is kept."""
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end].decode("latin-1")
            size = content_length(head)
            if len(self.buffer) < end + 4 + size:
                return
            body, self.buffer = self.buffer[end + 4 : end + 4 + size], self.buffer[end + 4 + size :]
            method, target, _ = head.split("\r\n", 1)[0].split(" ", 2)
            self.serve(method, target, body)

    def serve(self, method: str, target: str, body: bytes) -> None:
        """One request."""
        try:
            self.route(method, target, body)
        except Refused as no:
            self.write(no.status, {"error": no.text}, no.retry_after)
        except Silence as how:
            self.misbehave(str(how))
        except (ValueError, TypeError, KeyError) as error:
            self.write(400, {"error": repr(error)})

    def route(self, method: str, target: str, body: bytes) -> None:
        """Find who answers."""
        vendor, parts = self.vendor, target.split("/")
        if parts[1] == "jobs" and method == "GET":
            self.require_up()
            self.write_after(vendor.random.uniform(*vendor.poll_delay), vendor.poll(parts[2]))
        elif target == "/submit":
            self.require_up()
            delay, answer = vendor.submit(json.loads(body))
            asyncio.get_running_loop().call_later(delay, lambda: self.write(200, answer()))
        elif parts[1] == "files":
            self.require_up()
            vendor.known(parts[2])
            self.write_bytes(200, self.files[parts[3]], "application/octet-stream")
        else:
            self.write(200, self.rarely(method, target, body))

    def rarely(self, method: str, target: str, body: bytes) -> Any:
        """What is asked now and then."""
        vendor, url = self.vendor, urlsplit(target)
        reads: dict[str, Callable[[], Any]] = {
            "/ledger": lambda: vendor.charges,
            "/arrivals": lambda: vendor.arrivals,
            "/polls": vendor.take_polls,
            "/stats": vendor.stats,
        }
        if method == "GET" and url.path in reads:
            return reads[url.path]()
        if method == "POST" and url.path == "/control":
            return vendor.control(json.loads(body))
        self.require_up()
        if method == "GET" and url.path == "/find":
            return vendor.find(url.query)
        if method == "POST" and url.path.startswith("/jobs/") and url.path.endswith("/cancel"):
            return vendor.cancel(url.path.split("/")[2])
        raise Refused(404, "no such address")

    def require_up(self) -> None:
        """Everything but control is down at times."""
        if self.vendor.down:
            raise Refused(503, "down")

    def misbehave(self, how: str) -> None:
        """Reset, nonsense, or nothing for ever."""
        if how == "reset":
            self.transport.abort()
        elif how == "garbage":
            self.write_bytes(200, b"<html>oops", "text/html")

    def write_after(self, seconds: float, body: Any) -> None:
        """An answer that takes its time, or none."""
        if seconds:
            asyncio.get_running_loop().call_later(seconds, self.write, 200, body)
        else:
            self.write(200, body)

    def write(self, status: int, body: Any, retry_after: float | None = None) -> None:
        """An answer in JSON."""
        extra = f"Retry-After: {retry_after:g}\r\n" if retry_after is not None else ""
        self.write_bytes(status, json.dumps(body).encode(), "application/json", extra)

    def write_bytes(self, status: int, body: bytes, kind: str, extra: str = "") -> None:
        """An answer, unless nobody is there any more."""
        if self.transport.is_closing():
            return
        reason = REASONS.get(status, "Error")
        head = f"HTTP/1.1 {status} {reason}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
        self.transport.write(head.encode() + body)


def content_length(head: str) -> int:
    """From the headers."""
    for line in head.split("\r\n")[1:]:
        name, _, value = line.partition(":")
        if name.lower() == "content-length":
            return int(value)
    return 0


async def serve(port: int, ledger: Path, seed: int | None) -> None:
    """Serve until ended; SIGTERM is enough."""
    loop = asyncio.get_running_loop()
    connections: set[Connection] = set()
    files = contents()
    with ledger.open("a", encoding="utf-8") as file:
        vendor = Vendor(f"http://127.0.0.1:{port}", file, random.Random(seed))

        async def listen() -> asyncio.Server:
            return await loop.create_server(
                lambda: Connection(vendor, files, connections), "127.0.0.1", port, backlog=1000, reuse_address=True
            )

        server = await listen()
        pauses: asyncio.Queue[float] = asyncio.Queue()
        vendor.refuse = pauses.put_nowait
        while True:
            seconds = await pauses.get()
            await asyncio.sleep(0.05)  # let the answer to who asked for this leave
            server.close()
            for connection in list(connections):
                connection.transport.abort()
            await asyncio.sleep(seconds)
            server = await listen()


def main() -> None:
    """From the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--seed", type=int)
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.port, arguments.ledger, arguments.seed))


if __name__ == "__main__":
    main()
