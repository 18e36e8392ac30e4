"""Who is acting: this process, and the person or operator on whose behalf."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from uuid import uuid4

actor: ContextVar[str] = ContextVar("actor", default="")


def name() -> str:
    """This process: another one after each start and each fork, also when the number comes again."""
    return name_of(os.getpid())


@cache
def name_of(pid: int) -> str:
    """Host, number, and a word that is new each time."""
    return f"{socket.gethostname()[:40]}:{pid}:{uuid4().hex[:8]}"


@contextmanager
def acting_as(person: str) -> Iterator[None]:
    """What is done inside is written down as this person's doing."""
    token = actor.set(person[:120])
    try:
        yield
    finally:
        actor.reset(token)
