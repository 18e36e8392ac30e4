"""The numbers about people come from the tests' own counters: accounts must not need the rooms above."""

import pytest
from pytest_django import Settings


@pytest.fixture(autouse=True)
def statistics(settings: Settings) -> None:
    """Two numbers, one of them from the database."""
    settings.ACCOUNT_STATISTICS = {
        "nothingCount": "tests.accounts.desk.count_nothing",
        "codeCount": "tests.accounts.desk.count_codes",
    }
