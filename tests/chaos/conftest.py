"""Houses for the chaos tests: on the servers of the pass, in a database and a Redis of their own."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest

from tests.chaos.house import House

REDIS_NUMBER = 3


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., House]]:
    """Builds a house; one at a time, gone after the module."""
    with ExitStack() as stack:
        yield lambda **settings: stack.enter_context(House(tmp_path_factory.mktemp("house"), **addresses(), **settings))


def addresses() -> dict[str, Any]:
    """The pass's servers, as a house names them."""
    database, redis = os.environ.get("DATABASE_URL", ""), os.environ.get("REDIS_URL", "")
    if not (database.startswith("mysql") and redis):
        return {}
    parts = urlsplit(database)
    return {
        "database": urlunsplit(parts._replace(path=f"{parts.path}_chaos")),
        "broker": urlunsplit(urlsplit(redis)._replace(path=f"/{REDIS_NUMBER}")),
    }
