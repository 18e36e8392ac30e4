"""One installation for all clients."""

from collections.abc import Iterator

import pytest

from tests.fuzz.apart import stack_apart
from tests.journeys.stack import Stack


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The processes."""
    with stack_apart(tmp_path_factory.mktemp("clients"), name="clients", redis=5) as stack:
        yield stack
