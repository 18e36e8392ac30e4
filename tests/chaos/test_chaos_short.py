"""`make chaos` in short: a few dozen faults, the same books. The seed is fixed here; `make chaos` throws the dice."""

import os
from pathlib import Path

import pytest

from tests.chaos.chaos import Size, break_it, plan_of

pytestmark = pytest.mark.journey

SEED = 7
NO_SERVERS = {"database_kills": 0, "flushes": 0, "redis_downs": 0}
ON_SQLITE = Size(requests=10, kills=12, stops=2, sqlite=True, key_lock=3, **NO_SERVERS)
ON_SERVERS = Size(
    requests=12, kills=20, stops=3, database_kills=1, flushes=1, redis_downs=1, redis_down_seconds=3.0, key_lock=3
)


def test_nothing_is_lost_and_nothing_is_paid_twice(tmp_path: Path) -> None:
    size = ON_SERVERS if os.environ.get("DATABASE_URL", "").startswith("mysql") else ON_SQLITE
    good, _ = break_it(SEED, size, tmp_path)
    assert good


def test_a_seed_replays() -> None:
    assert plan_of(3, ON_SERVERS) == plan_of(3, ON_SERVERS) != plan_of(4, ON_SERVERS)
