"""Installations beside the one of the journeys: each in a database and a Redis of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.journeys.stack import Stack


@contextmanager
def stack_apart(folder: Path, *, name: str, redis: int, **environment: str) -> Iterator[Stack]:
    """A running installation, killed afterwards. `name` of its database, number of its Redis."""
    stack = Stack(folder)
    stack.environment |= environment
    if not stack.embedded:
        stack.environment |= addresses(stack.environment, name, redis)
    stack.prepare()
    stack.start()
    try:
        yield stack
    finally:
        stack.kill()


def addresses(environment: dict[str, str], name: str, redis: int) -> dict[str, str]:
    """The same servers, other databases on them."""
    database = urlsplit(environment["DATABASE_URL"])
    broker = urlsplit(environment["REDIS_URL"])._replace(path=f"/{redis}").geturl()
    own = database._replace(path=f"{database.path}_{name}").geturl()
    return {"DATABASE_URL": own, "REDIS_URL": broker, "CELERY_BROKER_URL": broker}
