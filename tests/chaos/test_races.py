"""What people do at the same moment, or at the wrong one, over HTTP against real processes."""

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import pytest

from tests.chaos.books import Books, job_of
from tests.chaos.customers import Customer
from tests.chaos.plant import Plant, running_plant
from tests.chaos.servers import wait_for

pytestmark = pytest.mark.journey
RACES, AT_ONCE, PARALLEL = 50, 10, 20
PICTURES_SECONDS, DUST_SECONDS = 90, 60
ON_ITS_WAY = 1.0  # seconds: a paid call that was begun before the DELETE may arrive after its answer
QUICK = {
    "LUMI_TICK_SECONDS": "0.2", "LUMI_SWEEP_SECONDS": "0.5", "LUMI_MODEL_POLL_SECONDS": "0.3",
    "LUMI_IMAGE_BACKOFF": "0.3", "LUMI_MODEL_BACKOFF": "0.3", "LUMI_IMAGE_PER_MINUTE": "100000",
    "LUMI_MODEL_PER_MINUTE": "100000", "LUMI_IMAGE_AT_ONCE": "8", "LUMI_MODEL_AT_ONCE": "8",
    "LUMI_MOST_UNFINISHED_PER_PERSON": "1000", "LUMI_TRUST_USER_ID_HEADER": "true",
}  # fmt: skip


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    """One worker process (on SQLite: one process for all), and the vendor."""
    plant = Plant(tmp_path_factory.mktemp("races"), **QUICK)
    plant.prepare()
    with running_plant(plant):
        yield plant


@pytest.fixture
def books(plant: Plant) -> Books:
    """What the database, the ledger and the disk say."""
    data = plant.folder / "data"
    return Books(plant.environment["DATABASE_URL"], plant.folder / "ledger", plant.folder / "none", data / "files")


def at_once(calls: list[Callable[[], Any]], threads: int) -> list[Any]:
    """All of them in threads; their answers in order."""
    with ThreadPoolExecutor(threads) as pool:
        return [future.result() for future in [pool.submit(call) for call in calls]]


def post(plant: Plant, person: str, path: str, body: Any, key: str) -> tuple[int, Any]:
    """One POST with a key."""
    return Customer(plant.url, person).send("POST", path, json=body, headers={"Idempotency-Key": key})


# --- One key ----------------------------------------------------------------------------------------------------------


class TestOneKey:
    def test_parallel_posts_make_one_request(self, plant: Plant, books: Books) -> None:
        person, key, body = f"p{uuid4().hex[:8]}", uuid4().hex, {"prompt": "one only"}
        assert Customer(plant.url, person).send("GET", "/api/requests")[0] == 200  # the person exists
        answers = at_once([lambda: post(plant, person, "/api/requests", body, key)] * PARALLEL, PARALLEL)
        statuses = Counter(status for status, _ in answers)
        print(dict(statuses))
        assert set(statuses) <= {201, 409}
        ids = {data["request"]["id"] for status, data in answers if status == 201}
        assert len(ids) == 1
        assert len([row for row in books.requests() if row["prompt"] == "one only"]) == 1
        assert post(plant, person, "/api/requests", body, key)[1]["request"]["id"] in ids
        assert post(plant, person, "/api/requests", {"prompt": "another"}, key)[0] == 422
        Customer(plant.url, person).delete(ids.pop())

    def test_parallel_choices_make_one_model(self, plant: Plant, books: Books) -> None:
        customer, key = Customer(plant.url), uuid4().hex
        request_id = customer.bring_picture()
        body = {"requestId": request_id, "imageIndex": 0}
        answers = at_once([lambda: post(plant, customer.name, "/api/models", body, key)] * PARALLEL, PARALLEL)
        assert {status for status, _ in answers} <= {201, 409}
        assert len({data["model"]["id"] for status, data in answers if status == 201}) == 1
        jobs = f"SELECT id FROM model_generation_jobs WHERE request_id = '{request_id}'"
        wait_for(lambda: len(books.rows(jobs)) == 1, 5, "one job")
        job = books.rows(jobs)[0]["id"]
        wait_for(lambda: books.charges_by_job()[job] >= 1, 30, "the vendor is paid")
        customer.delete(str(request_id))
        assert books.charges_by_job()[job] == 1


# --- Cancel and delete ------------------------------------------------------------------------------------------------


@dataclass
class Race:
    """One request that somebody stops at a moment that the dice choose."""

    number: int
    customer: Customer
    dice: random.Random
    request_id: str = ""
    jobs: list[str] = field(default_factory=list)
    stopped_at: float = 0.0
    action: str = ""
    seen: Any = None

    def run(self, books: Books) -> "Race":
        """Ask, wait, stop."""
        self.request_id = str(self.customer.ask_for(f"race {self.number}"))
        if self.dice.random() < 0.6:
            self.build()
        time.sleep(self.dice.uniform(0, 2.5))
        self.jobs = jobs_of(books, self.request_id)
        self.stop()
        return self

    def build(self) -> None:
        """Wait for the pictures, and choose one."""
        until = time.monotonic() + PICTURES_SECONDS
        while (shown := self.look())["status"] != "IMAGE_COMPLETED":
            assert time.monotonic() < until, f"no pictures in time: {shown}"
            time.sleep(0.3)
        assert self.customer.choose(self.request_id) == 201

    def look(self) -> Any:
        """The request as a person sees it; {} when it is gone."""
        shown = self.customer.look_at(self.request_id)
        return shown if shown and "status" in shown else {}

    def words(self) -> Any:
        """What may not change any more when a request was stopped."""
        shown = self.look()
        return shown and (shown["status"], [image["imageStatus"] for image in shown["images"]])

    def stop(self) -> None:
        """Cancel the request, delete it, or delete the model that is being built."""
        self.action = self.dice.choice(["cancel", "delete", "delete", "delete model"])
        model = self.look().get("model")
        if self.action == "delete model" and model:
            assert self.customer.send("DELETE", f"/api/models/{model['id']}")[0] in (200, 204)
        elif self.action == "cancel":
            assert self.customer.cancel(self.request_id) in (200, 409)
        else:
            assert self.customer.delete(self.request_id) in (200, 204)
        self.stopped_at = time.time()
        self.seen = self.words()


def jobs_of(books: Books, request_id: str) -> list[str]:
    """The ids of a request's jobs."""
    images = f"""SELECT job.id FROM image_generation_jobs job JOIN generated_images image ON image.id = job.image_id
                 WHERE image.request_id = '{request_id}'"""
    models = f"SELECT id FROM model_generation_jobs WHERE request_id = '{request_id}'"
    return [row["id"] for sql in (images, models) for row in books.rows(sql)]


def paid_too_late(books: Books, races: list[Race]) -> list[str]:
    """Charges after the stop was answered, but for calls that were begun before it and arrive at once."""
    stopped = {job: race.stopped_at for race in races for job in race.jobs}
    begun = {row["reference"]: row["sent_at"] for row in books.rows("SELECT reference, sent_at FROM provider_calls")}
    late = []
    for charge in books.charges():
        end = stopped.get(job_of(charge["reference"]))
        if end and charge["time"] > end:
            print(f"charged {charge['time'] - end:.3f} s after the answer; begun {begun[charge['reference']]}")
            late += [charge["reference"]] if charge["time"] > end + ON_ITS_WAY else []
    return late


def test_stopped_at_any_moment(plant: Plant, books: Books) -> None:
    seed = random.randrange(10**6)
    print(f"seed {seed}")
    races = [Race(number, Customer(plant.url), random.Random(f"{seed}-{number}")) for number in range(RACES)]
    at_once([lambda race=race: race.run(books) for race in races], AT_ONCE)
    print(dict(Counter(race.action for race in races)))
    kept = [race for race in races if race.seen]
    wait_for(lambda: not unsettled(books, races), DUST_SECONDS, "nothing is under way")
    time.sleep(5)  # longer than any work at the vendor takes
    assert [race.words() for race in kept] == [race.seen for race in kept]  # no late result
    assert paid_too_late(books, races) == []
    assert books.paid_twice() == []
    for race in kept:
        race.customer.delete(race.request_id)
    wait_for(lambda: not books.on_disk(), DUST_SECONDS, f"no file is left: {sorted(books.on_disk())[:3]}")
    assert all(not jobs_of(books, race.request_id) for race in races)
    assert books.rows("SELECT id FROM models") == []
    assert [answer for race in races for answer in race.customer.strange] == []
    assert books.doomed() == set()


def unsettled(books: Books, races: list[Race]) -> list[str]:
    """Jobs of races that have not ended."""
    ours = {job for race in races for job in race.jobs}
    return [job for job, row in books.jobs().items() if job in ours and row["stage"] != "ENDED"]
