"""Slots that need no generation."""

from typing import Any

import pytest

from tests.gallery import slots


@pytest.fixture(autouse=True)
def empty_slots(settings: Any) -> None:
    """The room above, for this test."""
    slots.install(settings)
