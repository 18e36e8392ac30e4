"""The WSGI application, for any server. Each call has an id, which the client, the log and the workers are told."""

import logging
import os
import time
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

import django
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest

from lumi.logs import follow

logger = logging.getLogger("lumi.http")


class Utf8Request(WSGIRequest):
    """Text comes as UTF-8, whatever a client calls it. Django would read addresses and forms with any codec that a
    `charset` names and Python knows: also with “hex” or “zip”, which are none for text, and end in a 500 that no
    handler sees."""

    @property
    def encoding(self) -> str:
        """For Django and DRF."""
        return "utf-8"

    @encoding.setter
    def encoding(self, charset: str) -> None:
        """There is no other."""


class Application(WSGIHandler):
    """Django's, with requests of ours, and one line of the log for each."""

    request_class = Utf8Request

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        """A proxy of ours may have given the call its id already."""
        began = time.monotonic()
        request_id = follow(environ.get("HTTP_X_REQUEST_ID", "") if settings.TRUSTED_PROXIES else "")

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            note(environ, int(status[:3]), time.monotonic() - began)
            return start_response(status, [*headers, ("X-Request-Id", request_id)], *rest)

        return super().__call__(environ, start)


def note(environ: dict[str, Any], status: int, seconds: float) -> None:
    """Method, path, status, time. No query string, no key of a file, no address: they may be secrets, or personal."""
    path, milliseconds = shown_path(environ.get("PATH_INFO", "")), round(seconds * 1000)
    facts = {"method": environ["REQUEST_METHOD"], "path": path, "status": status, "ms": milliseconds}
    logger.info("%s %s %s %d ms", *facts.values(), extra=facts)


def shown_path(path: str) -> str:
    """The path as it may stand in a log. Whoever has the whole address of a file may read it."""
    if path.startswith(settings.MEDIA_URL):
        path = f"{settings.MEDIA_URL}.../{PurePosixPath(path).name}"
    return path.encode("unicode_escape").decode()


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lumi.settings")
django.setup(set_prefix=False)
application = Application()
