"""One installation for all clients."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz.apart import stack_apart
from tests.journeys.stack import Stack


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Clients know no database: their tests would say the same twice, and install the same packages twice."""
    if os.environ.get("LUMI_TEST_PASS") == "mariadb":
        ours = [item for item in items if item.path.is_relative_to(Path(__file__).parent)]
        config.hook.pytest_deselected(items=ours)
        items[:] = [item for item in items if item not in ours]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The processes."""
    with stack_apart(tmp_path_factory.mktemp("clients"), name="clients", redis=5) as stack:
        yield stack
