"""SIGTERM under load: each process takes nothing new, finishes or gives back what it has, and ends with 0 in time.
Nothing is paid twice, and no outcome is unknown. The processes are new interpreters here, as a service manager starts
them."""

import signal
import time
from collections.abc import Callable

import pytest

from tests.chaos.customers import Customer
from tests.chaos.house import House

pytestmark = pytest.mark.journey

ROUNDS = 3
EXIT_SECONDS = 20.0
DRAIN_SECONDS = 40.0


@pytest.fixture(scope="module")
def house(build: Callable[..., House]) -> House:
    """Submits that take a while: a stop nearly always meets one."""
    with_house = build()
    with_house.tell_vendor(submit_delay=[0.3, 1.0], work=[0.5, 1.5])
    return with_house


def names(house: House) -> tuple[str, ...]:
    """What is restarted in turn."""
    return ("serve",) if house.embedded else ("worker-1", "worker-2", "beat", "web")


def test_a_rolling_restart_under_load(house: House) -> None:
    for name in names(house):
        house.start(name, fresh=True)
    for name in names(house):
        house.wait_until_ready(name)
    customer = Customer(house.url)
    for _ in range(ROUNDS):
        load(customer)
        for name in names(house):
            restart(house, name)
    load(customer)
    house.wait_for_drained(DRAIN_SECONDS)
    judge(house, customer)


def load(customer: Customer) -> None:
    """Four pictures and two models; a moment later they are being submitted."""
    assert customer.ask_for("a cat", optimize=True)
    for _ in range(2):
        request_id = customer.bring_picture()
        assert request_id
        assert customer.choose(request_id) == 201
    time.sleep(0.4)


def restart(house: House, name: str) -> None:
    """As `systemctl restart` does."""
    began = time.monotonic()
    house.signal(name, signal.SIGTERM)
    house.until(lambda: not house.runs(name), EXIT_SECONDS, f"{name} ends")
    assert house.code(name) == 0, house.logs()
    print(f"{name} ended in {time.monotonic() - began:.1f} s")
    house.start(name, fresh=True)
    house.wait_until_ready(name)


def judge(house: House, customer: Customer) -> None:
    """All is done, once."""
    paid, jobs = house.books.charges_by_job(), house.books.jobs()
    assert {(job["status"], paid[job_id]) for job_id, job in jobs.items()} == {("COMPLETED", 1)}
    assert house.books.stale_writes_applied() == []
    assert house.books.orphans() | house.books.lost_files() == set()
    assert customer.strange == []
