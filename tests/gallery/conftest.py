"""Slots that need no generation."""

from typing import Any

import pytest

from tests.gallery import slots


@pytest.fixture(autouse=True)
def empty_slots(settings: Any) -> None:
    """The room above, for this test."""
    slots.install(settings)


@pytest.fixture
def settled(django_capture_on_commit_callbacks: Any) -> Any:
    """Do something, and what follows its transaction."""

    def do(verb: Any, **given: Any) -> Any:
        with django_capture_on_commit_callbacks(execute=True):
            return verb(**given)

    return do
