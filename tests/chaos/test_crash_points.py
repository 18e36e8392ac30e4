"""The crash matrix (reliability.md C5): a real worker process dies at each point, and afterwards the row holds. Judged
by the vendor's ledger, the database and the files.

Each worker in a row dies at the next point; what the one before left behind is recovered while the next one runs. So a
job may die more than once: what it may come to follows from all the points at which it died.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.chaos.books import Row, job_of
from tests.chaos.crashing import KILLED
from tests.chaos.customers import Customer
from tests.chaos.house import House

pytestmark = pytest.mark.journey

# Nobody can know whether the vendor took it: never submitted again by itself.
UNKNOWN = frozenset({"after-submitting", "accepted", "answer-read"})
FREE = frozenset({"after-submitting"})  # nothing had left
BEFORE = ["after-claim", "before-work", "before-submitting", "in-submitting"]
SUBMIT = ["after-submitting", "sweeping", "swept", "ending-unknown", "accepted", "answer-read", "journaled"]
POLLS = ["before-poll", "after-poll"]
RESULTS = ["done-seen", "storing", "fetched", "half-kept", "kept", "completing", "completed"]
CHAINS = {"image": [*SUBMIT, *BEFORE, *RESULTS], "model": [*SUBMIT, *BEFORE, *POLLS, *RESULTS]}
LEFT_BEHIND = frozenset({"sweeping", "swept", "ending-unknown"})  # these live on what the point before has left
LOOKED_UP = ["after-submitting", "accepted", "answer-read", "sweeping"]
DEATH_SECONDS, DRAIN_SECONDS = 25.0, 40.0
Build = Callable[..., House]


@pytest.fixture(scope="module")
def house(build: Build) -> Iterator[House]:
    """Up, but for what works."""
    with_house = build(LUMI_IMAGE_AT_ONCE="1", LUMI_MODEL_AT_ONCE="1")  # a death hits one submit, and no bystander
    with_house.tell_vendor(submit_delay=[0.05, 0.15], work=[0.3, 0.6])
    if not with_house.embedded:
        with_house.start("web")
        with_house.start("beat")
        with_house.wait_for_web()
    return with_house


@pytest.fixture(autouse=True)
def told_apart(house: House) -> Iterator[None]:
    """Each test judges its own crashes, and leaves nothing under way."""
    house.record.write_text("")
    yield
    for name in house.alive():
        if name.startswith(("serve", "worker")):
            house.kill(name)


def worker_of(house: House) -> str:
    """The process that works."""
    return "serve" if house.embedded else "worker-1"


def feed(customer: Customer, kind: str) -> None:
    """Work of one kind: four pictures, or a model."""
    if kind == "image":
        customer.ask_for("a cat")
    elif request_id := customer.bring_picture():
        customer.choose(request_id)  # where all is one process, it may die before it answers


def die_at(house: House, point: str, kind: str, customer: Customer, **environment: str) -> None:
    """A worker that dies at the point, over a job of this kind."""
    name = worker_of(house)
    house.start(name, CRASH_AT=point, CRASH_KIND=kind, **environment)
    if house.embedded:
        house.until(lambda: house.answers() or not house.runs(name), DEATH_SECONDS, f"{name} is up")
    if point not in LEFT_BEHIND and house.runs(name):
        feed(customer, kind)
    house.until(lambda: not house.runs(name), DEATH_SECONDS, f"{name} dies at {point}")
    assert house.code(name) == KILLED, house.logs()
    assert point in {crash["point"] for crash in house.books.crashes() if crash["kind"] == kind}


def die_in_turn(house: House, kind: str, points: list[str], **environment: str) -> None:
    """One after the other."""
    customer = Customer(house.url)
    for point in points:
        die_at(house, point, kind, customer, **environment)


def recover(house: House, **environment: str) -> None:
    """A worker that does not die ends everything."""
    house.start(worker_of(house), **environment)
    house.wait_for_web()
    house.wait_for_drained(DRAIN_SECONDS)


def deaths(house: House) -> dict[str, set[str]]:
    """At which points each job died."""
    found: dict[str, set[str]] = {}
    for crash in house.books.crashes():
        if crash["job"]:
            found.setdefault(crash["job"], set()).add(crash["point"])
    return found


def judge(house: House, *, can_ask: bool = False) -> None:
    """Every job that died, and every other one."""
    jobs, died, paid = house.books.jobs(), deaths(house), house.books.charges_by_job()
    beside = set() if can_ask else {job_of(reference) for reference in house.books.in_submit_window()}
    for job_id, points in died.items():
        judge_dead(jobs[job_id], points, paid[job_id], can_ask=can_ask, was_beside=job_id in beside)
    judge_bystanders(house, [job for job_id, job in jobs.items() if job_id not in died], paid)
    assert house.books.paid_twice() == []
    assert house.books.unfounded() == []
    assert house.books.lost_files() == set()
    assert house.books.orphans() == set()


def judge_dead(job: Row, points: set[str], times: int, *, can_ask: bool, was_beside: bool) -> None:
    """The row of the matrix. `was_beside`: its answer was lost; a job that died before it was handed over may later be
    on its way when the worker dies over another one."""
    if points & UNKNOWN and not can_ask:
        assert (job["status"], job["error_code"]) == ("FAILED", "OUTCOME_UNKNOWN"), (job, points)
        assert times == (0 if points & FREE else 1), (job, points)
    elif was_beside and points <= set(BEFORE):
        assert (job["status"], job["error_code"], times <= 1) == ("FAILED", "OUTCOME_UNKNOWN", True), (job, points)
    else:
        assert (job["status"], times) == ("COMPLETED", 1), (job, points)


def judge_bystanders(house: House, jobs: list[Row], paid: Any) -> None:
    """Jobs that the same process had in hand: finished, or unknown because their answer was lost with it."""
    unanswered = {job_of(reference) for reference in house.books.in_submit_window()}
    for job in jobs:
        if job["error_code"] == "OUTCOME_UNKNOWN":
            assert job["id"] in unanswered, job
        else:
            assert (job["status"], paid[job["id"]]) in (("COMPLETED", 1), ("CANCELLED", 0), ("CANCELLED", 1)), job


def test_a_worker_dies_at_every_point(house: House) -> None:
    """Rows 3 to 12 and 15, for images and for models."""
    for kind, points in CHAINS.items():
        die_in_turn(house, kind, points)
    recover(house)
    judge(house)
    doom_covers_the_rest(house)


def doom_covers_the_rest(house: House) -> None:
    """What dead workers left in the storage goes with the sweep, and nothing else."""
    house.books.hasten_doom()
    house.until(lambda: not house.books.doomed(), 10, "the doomed files are swept")
    assert house.books.on_disk() == house.books.owned()


def test_a_vendor_that_can_be_asked(house: House) -> None:
    """Rows 5 to 7 where the vendor knows our reference: everything is adopted or submitted once."""
    for kind in CHAINS:
        die_in_turn(house, kind, LOOKED_UP, CHAOS_PROVIDER="chaos-lookup")
    recover(house, CHAOS_PROVIDER="chaos-lookup")
    judge(house, can_ask=True)


def web_of(house: House) -> str:
    """The process that answers HTTP."""
    return "serve" if house.embedded else "web"


def die_in_web(house: House, point: str, action: Callable[[], Any]) -> None:
    """The web dies under a call; then it is back."""
    name = web_of(house)
    if house.runs(name):
        house.kill(name)
    house.start(name, CRASH_AT=point)
    house.wait_for_web()
    action()
    house.until(lambda: not house.runs(name), DEATH_SECONDS, f"{name} dies at {point}")
    assert house.code(name) == KILLED, house.logs()
    house.start(name)
    house.wait_for_web()


def test_the_web_dies_under_a_post(house: House) -> None:
    """Rows 1 and 2."""
    if not house.embedded:
        house.ensure("worker-1")
    customer = Customer(house.url, "poster")
    for prompt, point in (("never", "before-commit"), ("surely", "after-commit")):
        die_in_web(house, point, lambda prompt=prompt: customer.ask_for(prompt))
    house.wait_for_drained(DRAIN_SECONDS)
    found = {row["prompt"]: row["status"] for row in house.books.requests() if row["owner_id"] == "poster"}
    assert found == {"surely": "IMAGE_COMPLETED"}
    for point, wanted in (("before-commit", "IMAGE_COMPLETED"), ("after-commit", "COMPLETED")):
        request_id = customer.bring_picture()
        assert request_id
        die_in_web(house, point, lambda chosen=request_id: customer.choose(chosen))
        house.wait_for_drained(DRAIN_SECONDS)
        assert customer.look_at(request_id)["status"] == wanted
    judge(house)


@pytest.mark.parametrize("kind", ["image", "model"])
def test_the_web_dies_under_a_cancel_or_a_delete(house: House, kind: str) -> None:
    """Row 14: what was committed is obeyed, what was not has not happened; no further paid call, no file."""
    if not house.embedded:
        house.ensure("worker-1")
    customer = Customer(house.url, f"canceller-{kind}")
    ids = {point: stopped_under_way(house, kind, customer, point) for point in STOPS}
    statuses = {row["id"]: row["status"] for row in house.books.requests()}
    finished = "IMAGE_COMPLETED" if kind == "image" else "COMPLETED"
    assert statuses[ids["cancelling"]] == finished
    assert statuses[ids["cancelled"]] == "CANCELLED"
    assert statuses[ids["discarding"]] == finished
    assert ids["discarded"] not in statuses
    assert house.books.paid_twice() == []
    doom_covers_the_rest(house)


STOPS = ("cancelling", "cancelled", "discarding", "discarded")


def stopped_under_way(house: House, kind: str, customer: Customer, point: str) -> str:
    """A request that is cancelled or deleted while it is worked on, by a web that dies of it."""
    name = web_of(house)
    if house.runs(name):
        house.kill(name)
    house.start(name, CRASH_AT=point)
    house.wait_for_web()
    charged = len(house.books.charges())
    request_id = customer.ask_for("a cat") if kind == "image" else customer.bring_picture()
    assert request_id
    if kind == "model":
        assert customer.choose(request_id) == 201
        house.until(lambda: is_polled(house), DEATH_SECONDS, "it is asked after")
    else:
        house.until(lambda: len(house.books.charges()) > charged, DEATH_SECONDS, "it is paid for")
    stop = customer.cancel if point.startswith("cancel") else customer.delete
    stop(request_id)
    house.until(lambda: not house.runs(name), DEATH_SECONDS, f"{name} dies at {point}")
    assert house.code(name) == KILLED, house.logs()
    house.start(name)
    house.wait_for_web()
    house.wait_for_drained(DRAIN_SECONDS)  # where all is one process, each death costs one submit: not all four
    return request_id


def is_polled(house: House) -> bool:
    """A job is at the vendor."""
    return any(job["stage"] == "POLLING" for job in house.books.jobs().values())
