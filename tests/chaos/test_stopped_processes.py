"""Row 16 of the crash matrix: a process is stopped (SIGSTOP) at a point of its work, sleeps beyond its lease, and goes
on. By then its jobs are somebody else's: nothing that it still writes is applied, and no paid answer it has is lost.

Where all is one process, the process itself takes its jobs anew when it wakes.
"""

import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.chaos.customers import Customer
from tests.chaos.house import QUICK, House

pytestmark = pytest.mark.journey

POINTS = ("stop-before-submitting", "stop-after-submitting", "stop-answer-read", "stop-journaled", "stop-done-seen")
POINTS += ("stop-kept", "stop-in-poll")
WANTED = {(point, kind) for point in POINTS for kind in ("image", "model")} - {("stop-in-poll", "image")}
SLEEP_SECONDS = float(QUICK["LUMI_LEASE_SECONDS"]) + 1.0
FEED_SECONDS, DRAIN_SECONDS = 120.0, 30.0


@pytest.fixture(scope="module")
def house(build: Callable[..., House]) -> House:
    """A hold time that is longer than the sleep: what comes late is still in time."""
    with_house = build(LUMI_UNKNOWN_HOLD_SECONDS="12")
    with_house.tell_vendor(submit_delay=[0.1, 0.3], work=[0.3, 0.6])
    return with_house


def sleepy(house: House) -> str:
    """The process that will be stopped, again and again; beside it one that is not, where there can be two."""
    if house.embedded:
        house.start("serve", CRASH_AT=",".join(POINTS))
        house.wait_for_web()
        return "serve"
    for name in ("web", "beat", "worker-2"):
        house.start(name)
    house.start("worker-1", CRASH_AT=",".join(POINTS))
    house.wait_for_web()
    return "worker-1"


def test_what_a_sleeper_writes_is_refused_and_what_it_paid_for_is_kept(house: House) -> None:
    name, customer = sleepy(house), Customer(house.url)
    until = time.monotonic() + FEED_SECONDS
    while missing := WANTED - stops(house):
        assert time.monotonic() < until, f"never stopped at {missing}\n{house.logs()}"
        if is_stopped(house, name):
            time.sleep(SLEEP_SECONDS)
            house.signal(name, signal.SIGCONT)
        feed(house, customer, {kind for _, kind in missing})
    house.until(lambda: woken(house, name), 10, "all are awake")
    house.wait_for_drained(DRAIN_SECONDS)
    judge(house)


def stops(house: House) -> set[tuple[str, str]]:
    """At which points, over which kinds."""
    return {(crash["point"], crash["kind"]) for crash in house.books.crashes()}


def is_stopped(house: House, name: str) -> bool:
    """By the kernel's word."""
    pid = house.order(do="state")["alive"][name]
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def woken(house: House, name: str) -> bool:
    """Not stopped, or woken now."""
    if is_stopped(house, name):
        time.sleep(SLEEP_SECONDS)
        house.signal(name, signal.SIGCONT)
        return False
    return True


def feed(house: House, customer: Customer, kinds: set[str]) -> None:
    """A little work, where there is little."""
    if len(house.books.under_way()) < 4:
        if "image" in kinds:
            customer.ask_for("a cat")
        if "model" in kinds and (request_id := customer.bring_picture()):
            customer.choose(request_id)
    time.sleep(0.2)


def judge(house: House) -> None:
    """Every job is complete and paid once, or was never sent; the history of each goes forward only."""
    paid, jobs = house.books.charges_by_job(), house.books.jobs()
    found = {job_id: (job["status"], job["error_code"], paid[job_id]) for job_id, job in jobs.items()}
    good = {("COMPLETED", "", 1), ("FAILED", "OUTCOME_UNKNOWN", 0)}
    assert {job_id: how for job_id, how in found.items() if how not in good} == {}
    assert house.books.stale_writes_applied() == []
    assert house.books.lost_files() == set()
    assert house.books.orphans() == set()
