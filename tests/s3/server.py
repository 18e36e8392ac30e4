"""A strict S3 on the loopback: moto keeps the objects, `sigv4` and `demand` stand before it and refuse what a real
store refuses.

In a thread of the tests (`with Store() as store`), or a process: `python -m tests.s3.server --port 9000`, whose dials
are turned by `POST /-/dials {"slow": 1.5}`.
"""

import argparse
import io
import json
import logging
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Self
from urllib.parse import unquote_to_bytes, urlsplit

from moto.core import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import MotoRequestHandler, create_backend_app
from moto.s3.models import s3_backends
from werkzeug.serving import make_server

from tests.s3.sigv4 import Asked, Refused, check
from tests.services import free_port

Environ = dict[str, Any]
KEY_ID, SECRET = "AKIALOOPBACKLOOPBACK", "loopback/secret+0123456789abcdefghijklmn"
REGION, BUCKET = "us-east-1", "lumi"
# moto does not look at signatures, but at the form of this.
PASSED = f"AWS4-HMAC-SHA256 Credential={KEY_ID}/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
NEWER = ("x-amz-checksum-", "x-amz-sdk-checksum", "x-amz-trailer")
objects = create_backend_app("s3")
logging.getLogger("werkzeug").setLevel(logging.ERROR)


class Store:
    """The store. `public`: anybody may read the bucket's objects, as plain addresses need it.

    Dials, to be turned at any time: `down` breaks every connection off; `busy` is how many requests more are answered
    503 SlowDown; `slow` is how many seconds every answer takes; `ahead` is how far the store's clock has moved on.
    """

    keys = {KEY_ID: SECRET}

    def __init__(self, *, port: int = 0, bucket: str = BUCKET, region: str = REGION, public: bool = False) -> None:
        self.port = port or free_port()
        self.bucket, self.region, self.public = bucket, region, public
        self.url = f"http://127.0.0.1:{self.port}"
        self.down, self.busy, self.slow, self.ahead = False, 0, 0.0, timedelta()
        self.asked: list[Asked] = []
        self.backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]

    def __enter__(self) -> Self:
        self.backend.reset()
        self.backend.create_bucket(self.bucket, "us-east-1")
        self.server = make_server("127.0.0.1", self.port, self, threaded=True, request_handler=Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    @property
    def keys_there(self) -> list[str]:
        """The keys of all objects."""
        return sorted(self.backend.get_bucket(self.bucket).keys)

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """One request (WSGI)."""
        asked = read(environ)
        if asked.path == "/-/dials":
            self.turn(json.loads(asked.body))
            return empty(start_response)
        self.asked.append(asked)
        time.sleep(self.slow)
        if self.down:
            break_off(environ["werkzeug.socket"])
            return empty(start_response)
        try:
            self.judge(asked)
        except Refused as refused:
            return say(refused, start_response)
        return objects(self.for_moto(environ, asked), start_response)

    def turn(self, dials: dict[str, Any]) -> None:
        """Turn dials; `ahead` in seconds."""
        for name, value in dials.items():
            setattr(self, name, timedelta(seconds=value) if name == "ahead" else value)

    def judge(self, asked: Asked) -> None:
        """Whether this may be done. Raises Refused."""
        if self.busy:
            self.busy -= 1
            raise Refused(503, "SlowDown", "Please reduce your request rate.")
        demand(asked)
        if asked.is_signed:
            check(asked, self.keys, self.region, datetime.now(UTC) + self.ahead)
        elif not (self.public and asked.method in ("GET", "HEAD") and self.names_an_object(asked)):
            raise Refused(403, "AccessDenied", "Access Denied")

    def names_an_object(self, asked: Asked) -> bool:
        """Whether an object is asked for, and not a list of them."""
        bucket, _, key = self.path_of(asked).strip("/").partition("/")
        return bool(bucket and key)

    def path_of(self, asked: Asked) -> str:
        """The path with the bucket in it: a virtual host has it in its name."""
        is_virtual = asked.headers["host"].startswith(f"{self.bucket}.")
        return f"/{self.bucket}{asked.path}" if is_virtual else asked.path

    def for_moto(self, environ: Environ, asked: Asked) -> Environ:
        """The request in the style that moto knows, without its signature."""
        path = self.path_of(asked)
        return environ | {
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),  # as WSGI wants it
            "REQUEST_URI": path,
            "RAW_URI": path,
            "HTTP_HOST": f"127.0.0.1:{self.port}",
            "HTTP_AUTHORIZATION": PASSED,
        }


class Handler(MotoRequestHandler):
    """The wire, without a line in the log for each request."""

    protocol_version = "HTTP/1.1"

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Silent."""


def read(environ: Environ) -> Asked:
    """The request, whole; its body can be read again."""
    parts = urlsplit(environ["REQUEST_URI"])  # a proxy is asked for a whole address
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    headers = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name[:5] == "HTTP_"}
    headers |= {name: environ.get(name.upper().replace("-", "_"), "") for name in ("content-type", "content-length")}
    return Asked(environ["REQUEST_METHOD"], parts.path, parts.query, headers, body)


def demand(asked: Asked) -> None:
    """What Aliyun, Tencent, R2 and older MinIO do not take. Raises Refused."""
    encoding = asked.headers.get("content-encoding", "")
    if "aws-chunked" in encoding or any(name.startswith(NEWER) for name in asked.headers):
        raise Refused(501, "NotImplemented", "A header you provided implies functionality that is not implemented.")
    if any(name == "x-amz-acl" or name.startswith("x-amz-grant-") for name in asked.headers):
        raise Refused(400, "AccessControlListNotSupported", "The bucket does not allow ACLs.")
    if asked.method == "POST" and "delete" in asked.parameters and "content-md5" not in asked.headers:
        raise Refused(400, "InvalidRequest", "Missing required header for this request: Content-MD5.")


def say(refused: Refused, start_response: Callable[..., Any]) -> list[bytes]:
    """A refusal in the store's words."""
    error = f"<Error><Code>{refused.code}</Code><Message>{refused.message}</Message><RequestId>42</RequestId></Error>"
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n{error}'.encode()
    headers = [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))]
    start_response(f"{refused.status} {refused.code}", headers)
    return [body]


def empty(start_response: Callable[..., Any]) -> list[bytes]:
    """An answer that says nothing."""
    start_response("200 OK", [("Content-Length", "0")])
    return [b""]


def break_off(connection: socket.socket) -> None:
    """As a machine that has just died."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.shutdown(socket.SHUT_RDWR)


def main() -> None:
    """The store as a process, until it is killed."""
    parser = argparse.ArgumentParser(prog="python -m tests.s3.server")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--bucket", default=BUCKET)
    parser.add_argument("--public", action="store_true")
    options = parser.parse_args()
    with Store(port=options.port, bucket=options.bucket, public=options.public) as store:
        store.thread.join()


if __name__ == "__main__":
    main()
