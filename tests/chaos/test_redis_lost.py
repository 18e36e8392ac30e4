"""Redis loses everything, or is away: the web goes on taking requests, and the work goes on
when it is back. A message is a bell, and bells are rung again."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.conftest import addresses
from tests.chaos.customers import Customer
from tests.chaos.house import House
from tests.chaos.servers import Broker

pytestmark = [
    pytest.mark.journey,
    pytest.mark.skipif(not os.environ.get("REDIS_URL"), reason="an installation without Redis has none to lose"),
]

RECOVERY_SECONDS = 20.0
AWAY_SECONDS = 6.0


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A Redis that may be lost."""
    server = Broker(tmp_path / "redis")
    server.start()
    yield server
    server.stop()


def test_work_goes_on_after_redis_was_flushed_and_after_it_was_away(broker: Broker, tmp_path: Path) -> None:
    with House(tmp_path / "house", **addresses() | {"broker": broker.url}) as house:
        for name in ("web", "beat", "worker-1", "worker-2"):
            house.start(name)
        house.wait_for_web()
        customer = Customer(house.url)
        order(customer, 3)
        broker.flush()
        house.wait_for_drained(RECOVERY_SECONDS)

        order(customer, 2)
        broker.kill()
        order(customer, 2)
        time.sleep(AWAY_SECONDS)
        broker.start()
        supervise(house)
        house.wait_for_drained(RECOVERY_SECONDS)

        assert house.alive() == ["beat", "web", "worker-1", "worker-2"]
        assert set(house.books.charges_by_job().values()) == {1}
        assert {job["status"] for job in house.books.jobs().values()} == {"COMPLETED"}
        assert set(customer.seen) == {201}


def supervise(house: House) -> None:
    """What systemd or Docker does: at an unlucky moment kombu 5.7 ends a worker whose Redis goes (an AttributeError in
    its connection pool). The web and beat must not end."""
    ended = {"beat", "web", "worker-1", "worker-2"} - set(house.alive())
    assert ended <= {"worker-1", "worker-2"}
    for name in ended:
        house.start(name)


def order(customer: Customer, number: int) -> None:
    """Pictures and models."""
    for _ in range(number):
        assert customer.ask_for("a cat", optimize=True)
        request_id = customer.bring_picture()
        assert request_id
        assert customer.choose(request_id) == 201
