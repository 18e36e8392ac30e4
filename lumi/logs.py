"""Logs: a line for people or a JSON object for machines, each with the id of the HTTP request that it belongs to."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from pythonjsonlogger.json import JsonFormatter

from lumi.ids import new_id

WELL_FORMED = re.compile(r"[A-Za-z0-9._-]{8,64}")
request_id: ContextVar[str] = ContextVar("request_id", default="")


def follow(given: str = "") -> str:
    """What this thread logs from now on belongs to this HTTP request; to a new one where `given` is no id."""
    found = given if WELL_FORMED.fullmatch(given) else new_id()
    request_id.set(found)
    return found


def current() -> str:
    """The HTTP request that this thread works for, or ""."""
    return request_id.get()


@contextmanager
def on_behalf_of(given: str) -> Iterator[None]:
    """What is logged inside belongs to that HTTP request."""
    token = request_id.set(given)
    try:
        yield
    finally:
        request_id.reset(token)


class WithRequestId(logging.Filter):
    """Puts the id on each record: `request_id`, "-" outside of any."""

    def filter(self, record: logging.LogRecord) -> bool:
        """All pass."""
        record.request_id = request_id.get() or "-"
        return True


class Json(JsonFormatter):
    """One object a line: `at`, `level`, `logger`, `message`, `request_id`, and what the call gives as `extra`."""

    def __init__(self) -> None:
        super().__init__(
            "{levelname}{name}{message}{request_id}",
            style="{",
            rename_fields={"levelname": "level", "name": "logger"},
            timestamp="at",
            json_ensure_ascii=False,
        )
