"""One installation for all journeys. Whoever stops it starts it again."""

from collections.abc import Iterator

import pytest

from tests.journeys.people import Person, sign_up
from tests.journeys.stack import Stack, running


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The processes."""
    yield from running(Stack(tmp_path_factory.mktemp("journeys")))


@pytest.fixture
def stack(installation: Stack) -> Stack:
    """The processes, all of them running."""
    installation.start()
    return installation


@pytest.fixture
def maker(stack: Stack) -> Person:
    """Makes things."""
    return sign_up(stack)


@pytest.fixture
def visitor(stack: Stack) -> Person:
    """Is signed in and looks at what others made."""
    return sign_up(stack)


@pytest.fixture
def passer_by(stack: Stack) -> Person:
    """Is not signed in."""
    return Person(stack)
