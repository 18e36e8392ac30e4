"""`make chaos`: an installation is used while its processes, its database and its broker are killed; then the books are
read. What happens follows from the seed, which is printed: the same seed makes the same plan.

Three workers, beat and web (waitress) on a MariaDB and a Redis of their own, 200 requests over HTTP, each with its four
pictures and its model, 500 kill -9. On SQLite (`--sqlite`) it is the one process that is killed.
"""

import argparse
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.chaos.books import job_of
from tests.chaos.customers import Customer
from tests.chaos.house import House
from tests.chaos.servers import Broker, Database
from tests.run import provide
from tests.services import MissingError, interrupt

PEOPLE = 20
LEASE = 3.0
STOP_SECONDS = 5.0  # a stopped worker is woken well after its lease
GAP = (0.35, 0.75)  # seconds between two faults
REDIS_DOWN_SECONDS = 30.0
DRAIN_SECONDS = 60.0
LATEST = 0.97  # the last request is posted when so much of the plan is done
WORKERS = ("worker-1", "worker-2", "worker-3")
RECOVERY_SECONDS = 20.0


@dataclass(frozen=True)
class Size:
    """How much is broken."""

    requests: int = 200
    kills: int = 500
    stops: int = 50
    database_kills: int = 3
    flushes: int = 3
    redis_downs: int = 2
    redis_down_seconds: float = REDIS_DOWN_SECONDS
    key_lock: float = 60.0  # how long the Idempotency-Key of a call that died is held
    sqlite: bool = False


@dataclass(frozen=True)
class Fault:
    """One line of the plan."""

    what: str  # kill, stop, kill-database, flush, redis-down
    whom: str
    gap: float


@dataclass
class Tally:
    """What was done to the house."""

    done: Counter[str] = field(default_factory=Counter)
    seen: Counter[int] = field(default_factory=Counter)
    strange: list[str] = field(default_factory=list)
    requests: dict[str, str] = field(default_factory=dict)  # by person's key
    last_fault: float = 0.0
    drained: float = -1.0


def plan_of(seed: int, size: Size) -> list[Fault]:
    """All faults in their order: the seed's word."""
    dice = random.Random(seed)
    whats = ["kill"] * size.kills + ["stop"] * size.stops
    dice.shuffle(whats)
    rare = ["kill-database"] * size.database_kills + ["flush"] * size.flushes + ["redis-down"] * size.redis_downs
    dice.shuffle(rare)
    for number, what in enumerate(rare, 1):
        whats.insert(number * len(whats) // (len(rare) + 1), what)
    return [Fault(what, victim(dice, what, size), round(dice.uniform(*GAP), 3)) for what in whats]


def victim(dice: random.Random, what: str, size: Size) -> str:
    """Mostly a worker; now and then beat or web."""
    if size.sqlite:
        return "serve"
    if what == "kill" and dice.random() < 0.08:
        return dice.choice(("beat", "web"))
    return dice.choice(WORKERS) if what in ("kill", "stop") else ""


class Chaos:
    """One run."""

    def __init__(self, house: House, seed: int, size: Size, database: Database | None, broker: Broker | None) -> None:
        self.house, self.seed, self.size = house, seed, size
        self.database, self.broker = database, broker
        self.plan = plan_of(seed, size)
        self.tally = Tally()
        self.number = 0
        self.over = threading.Event()
        self.waking: list[threading.Timer] = []
        self.stopped: dict[str, float] = {}
        self.lock = threading.Lock()

    @property
    def names(self) -> tuple[str, ...]:
        """What an installation consists of."""
        return ("serve",) if self.size.sqlite else ("web", "beat", *WORKERS)

    # --- The faults ---------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Use it and break it, then let it be, until all is done or time is over."""
        for name in self.names:
            self.house.start(name)
        self.house.wait_for_web()
        customers = [threading.Thread(target=self.use, args=(number,), daemon=True) for number in range(PEOPLE)]
        for customer in customers:
            customer.start()
        for fault in self.plan:
            self.commit(fault)
            self.number += 1
            if self.number % 50 == 0:
                print(f"  {self.number}/{len(self.plan)} faults; {self.progress()}", flush=True)
        self.heal()
        self.tally.last_fault = time.monotonic()
        self.drain(customers)

    def commit(self, fault: Fault) -> None:
        """One fault, and everything that has ended by now is started again, as a service manager does."""
        time.sleep(fault.gap)
        acts = {
            "kill": self.kill,
            "stop": self.stop,
            "kill-database": self.kill_database,
            "flush": self.flush,
            "redis-down": self.take_redis_down,
        }
        acts[fault.what](fault.whom)
        self.keep_up()

    def keep_up(self) -> None:
        """Start what has ended."""
        alive = self.house.alive()
        for name in self.names:
            if name not in alive:
                self.house.start(name)

    def kill(self, name: str) -> None:
        """kill -9; a stopped one too."""
        if self.house.signal(name, signal.SIGKILL):
            self.tally.done["kill"] += 1
            self.tally.done[f"kill {name.partition('-')[0]}"] += 1
            while self.house.runs(name):
                time.sleep(0.01)

    def stop(self, name: str) -> None:
        """SIGSTOP, and SIGCONT after its lease; unless it is killed meanwhile."""
        if self.house.signal(name, signal.SIGSTOP):
            self.tally.done["stop"] += 1
            timer = threading.Timer(STOP_SECONDS, self.house.signal, (name, signal.SIGCONT))
            timer.daemon = True
            self.waking.append(timer)
            timer.start()

    def kill_database(self, _: str) -> None:
        """kill -9 of mariadbd; back on the same data a moment later."""
        if self.database:
            self.database.kill()
            time.sleep(1)
            self.database.start()
            self.tally.done["kill-database"] += 1

    def flush(self, _: str) -> None:
        """FLUSHALL."""
        if self.broker:
            self.wait_for_redis()
            self.broker.flush()
            self.tally.done["flush"] += 1

    def take_redis_down(self, _: str) -> None:
        """No Redis for a while; the other faults go on meanwhile."""
        if self.broker:
            self.wait_for_redis()
            self.broker.kill()
            self.tally.done["redis-down"] += 1
            self.redis_back = threading.Timer(self.size.redis_down_seconds, self.broker.start)
            self.redis_back.start()

    redis_back: threading.Timer | None = None

    def wait_for_redis(self) -> None:
        """Until an outage is over."""
        if self.redis_back:
            self.redis_back.join()

    def heal(self) -> None:
        """Wake what is stopped, start what is missing."""
        self.wait_for_redis()
        for timer in self.waking:
            timer.join()
        for name in self.house.alive():
            self.house.signal(name, signal.SIGCONT)
        self.keep_up()

    # --- The people ---------------------------------------------------------------------------------------------------

    def use(self, number: int) -> None:
        """One person's share: a request after the other, each looked after until its model is there."""
        person = Customer(self.house.url, f"person{number}", self.tally.seen)
        person.strange = self.tally.strange
        dice = random.Random(f"{self.seed} {number}")
        followed: list[str] = []
        for index in range(number, self.size.requests, PEOPLE):
            due = (index + dice.uniform(0, PEOPLE)) / (self.size.requests + PEOPLE) * len(self.plan) * LATEST
            while self.number < due and not self.over.is_set():
                self.follow(person, followed)
                time.sleep(0.5)
            followed.append(self.order(person, f"request {index}"))
        while not self.over.is_set():
            self.follow(person, followed)
            time.sleep(0.5)

    def order(self, person: Customer, prompt: str) -> str:
        """Post until it is answered, with one key: a client's way to be sure."""
        key = str(uuid4())
        while not self.over.is_set():
            found = person.ask_for(prompt, key=key, optimize=True)
            if found:
                with self.lock:
                    self.tally.requests[found] = prompt
                return found
            time.sleep(0.3)
        return ""

    def follow(self, person: Customer, followed: list[str]) -> None:
        """Look at what is not at its end; choose a picture where there is one."""
        for request_id in list(followed):
            request = person.look_at(request_id) if request_id else None
            if not request:
                continue
            if request["status"] == "IMAGE_COMPLETED":
                good = [image["index"] for image in request["images"] if image["imageStatus"] == "COMPLETED"]
                person.choose(request_id, good[0])
            elif request["status"] in ("COMPLETED", "MODEL_FAILED", "IMAGE_FAILED", "FAILED", "CANCELLED"):
                followed.remove(request_id)

    # --- The end ------------------------------------------------------------------------------------------------------

    def drain(self, customers: list[threading.Thread]) -> None:
        """Nothing may be under way a minute after the last fault; then the sweep has its turn with the files."""
        until = self.tally.last_fault + DRAIN_SECONDS + 30
        while time.monotonic() < until:
            if self.at_rest():
                self.tally.drained = time.monotonic() - self.tally.last_fault
                break
            time.sleep(0.5)
        self.over.set()
        for customer in customers:
            customer.join(35)
        self.house.books.hasten_doom()
        swept_by = time.monotonic() + RECOVERY_SECONDS
        while self.house.books.doomed() and time.monotonic() < swept_by:
            time.sleep(0.3)

    def at_rest(self) -> bool:
        """All requests are posted, and have come to an end that a person would wait for."""
        requests = self.house.books.requests()
        waiting = [row for row in requests if row["status"] == "IMAGE_COMPLETED"]
        return len(requests) >= self.size.requests and not waiting and not self.house.books.under_way()

    def progress(self) -> str:
        """Where it stands."""
        try:
            return ", ".join(f"{status} {n}" for status, n in statuses(self.house).items())
        except Exception as error:  # noqa: BLE001  the database may be away
            return f"{type(error).__name__}"


def statuses(house: House) -> Counter[str]:
    """Requests by status."""
    return Counter(row["status"] for row in house.books.requests())


# --- The verdict ------------------------------------------------------------------------------------------------------


def verdict(run: Chaos) -> dict[str, tuple[Any, bool]]:
    """Each invariant: the figure, and whether it holds."""
    books, tally, size = run.house.books, run.tally, run.size
    requests = books.requests()
    posted = set(tally.requests)
    lost = sorted(posted - {row["id"] for row in requests})
    unknown, window = books.unknown(), {job_of(reference) for reference in books.in_submit_window()}
    unexplained = [job for job in unknown if job not in window]
    other = [f"{job['id']} {job['error_code']}" for job in books.jobs().values() if is_strange(job)]
    server_errors = {status: n for status, n in tally.seen.items() if status >= 500 and status != 503}
    blows = tally.done["kill"] + tally.done["stop"] + tally.done["kill-database"]
    planned = {"kill": size.kills, "stop": size.stops}
    if not size.sqlite:
        planned |= {"kill-database": size.database_kills, "flush": size.flushes, "redis-down": size.redis_downs}
    missed = {what: (tally.done[what], number) for what, number in planned.items() if tally.done[what] < 0.95 * number}
    return {
        "faults that did not happen": (missed, not missed),
        "requests posted": (len(posted), len(posted) == size.requests == len(requests)),
        "lost requests": (len(lost), not lost),
        "jobs paid twice": (len(books.paid_twice()), not books.paid_twice()),
        "complete but never paid": (len(books.unfounded()), not books.unfounded()),
        "stale writes applied": (len(books.stale_writes_applied()), not books.stale_writes_applied()),
        "stuck": (len(books.under_way()), not books.under_way()),
        "OUTCOME_UNKNOWN": (
            f"{len(unknown)}; {blows} blows cut off {len(window)} submits",
            len(unknown) <= len(window),
        ),
        "unknown though answered": (len(unexplained), not unexplained),
        "failed otherwise": (other[:5], not other),
        "answered and not delivered": (len(undelivered(run)), not undelivered(run)),
        "drained after": (f"{tally.drained:.1f} s", 0 <= tally.drained <= DRAIN_SECONDS),
        "answers 5xx but 503": (server_errors or tally.strange[:3], not server_errors),
        "files lost": (len(books.lost_files()), not books.lost_files()),
        "files nobody owns": (len(unowned(run)), not unowned(run)),
    }


def is_strange(job: dict[str, Any]) -> bool:
    """Neither complete nor of unknown outcome."""
    return job["status"] != "COMPLETED" and job["error_code"] != "OUTCOME_UNKNOWN"


def undelivered(run: Chaos) -> list[str]:
    """Jobs whose paid answer is in the journal, and which are not complete."""
    jobs = run.house.books.jobs()
    accepted = {call["job_id"] for call in run.house.books.calls() if call["outcome"] == "ACCEPTED"}
    return [job_id for job_id in accepted & set(jobs) if jobs[job_id]["status"] != "COMPLETED"]


def unowned(run: Chaos) -> set[str]:
    """Files that no row holds, after the sweep."""
    return run.house.books.on_disk() - run.house.books.owned()


def report(run: Chaos) -> bool:
    """Print everything; True when all holds."""
    found, books = verdict(run), run.house.books
    charges = books.charges()
    print(f"\nseed {run.seed}; {dict(run.tally.done)}; HTTP {dict(sorted(run.tally.seen.items()))} (0: no answer)")
    print(f"requests: {dict(statuses(run.house))}")
    print(f"jobs: {dict(Counter((job['kind'], job['status'], job['error_code']) for job in books.jobs().values()))}")
    kinds = Counter(charge["kind"] for charge in charges)
    references = {charge["reference"] for charge in charges}
    print(f"ledger: {len(charges)} charges {dict(kinds)}, {len(references)} references")
    history = books.rows("SELECT event, COUNT(*) AS n FROM job_events GROUP BY event ORDER BY event")
    print(f"history: { {row['event']: row['n'] for row in history} }")
    for name, (figure, holds) in found.items():
        print(f"  {'ok    ' if holds else 'BROKEN'} {name:<28} {figure}")
    good = all(holds for _, holds in found.values())
    print("all holds" if good else f"BROKEN: replay with SEED={run.seed}")
    return good


# --- The frame --------------------------------------------------------------------------------------------------------


@contextmanager
def chaos_house(folder: Path, size: Size) -> Iterator[tuple[House, Database | None, Broker | None]]:
    """The house, and the servers that will be killed."""
    settings = {"LUMI_LEASE_SECONDS": str(LEASE), "LUMI_TICK_SECONDS": "0.5", "LUMI_SWEEP_SECONDS": "1"}
    settings |= {"LUMI_UNKNOWN_HOLD_SECONDS": "10", "LUMI_LOG_LEVEL": "WARNING"}
    settings["CHAOS_KEY_LOCK"] = str(size.key_lock)
    if size.sqlite:
        with House(folder / "house", **settings) as house:
            yield house, None, None
        return
    with ExitStack() as stack:
        database, broker = Database(folder / "mysql"), Broker(folder / "redis")
        for server in (database, broker):
            stack.callback(server.stop)
            server.start()
        house = House(folder / "house", database=database.url, broker=broker.url, **settings)
        yield stack.enter_context(house), database, broker


def break_it(seed: int, size: Size, folder: Path) -> tuple[bool, Chaos]:
    """One whole run; the books are read before the servers go."""
    with chaos_house(folder, size) as (house, database, broker):
        run = Chaos(house, seed, size, database, broker)
        print(f"seed {seed}: {len(run.plan)} faults, {size}", flush=True)
        run.run()
        return report(run), run


def main() -> int:
    """From the command line."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.chaos")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--stops", type=int)
    parser.add_argument("--sqlite", action="store_true", help="the one process of a small installation")
    given = parser.parse_args()
    stops = given.kills // 10 if given.stops is None else given.stops
    size = Size(requests=given.requests, kills=given.kills, stops=stops, sqlite=given.sqlite)
    try:
        provide()
    except MissingError as error:
        print(error)
        return 1
    folder = Path(tempfile.mkdtemp(prefix="lumi-chaos-"))
    good, _ = break_it(given.seed, size, folder)
    if good:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"everything is kept in {folder}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
