"""Thousands of 3D jobs in flight on one worker process: how late they are asked after, and what that costs.

`python -m tests.chaos.bench_polling --jobs 5000 --seconds 60` measures on private MariaDB + Redis and on SQLite.
With `--here` it measures the installation that DATABASE_URL and REDIS_URL name, and prints its figures as JSON.
"""

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from collections import defaultdict
from datetime import timedelta
from pathlib import Path

from tests import services
from tests.chaos.plant import Figures, Plant, at, cpu_seconds, measured_by, resident_megabytes, running_plant, show

POLL_EVERY = 10.0
PREFIX = "bench-"
IDLE_SECONDS = 10.0  # one sweep
SAMPLE_SECONDS = 3.0
PLENTY = {"LUMI_MODEL_AT_ONCE": "100000", "LUMI_MODEL_POLL_SECONDS": str(POLL_EVERY), "LUMI_MODEL_TIMEOUT": "86400"}


def main() -> None:
    """From the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=5000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--answer-ms", type=float, default=0, help="how long the vendor takes to answer a poll")
    parser.add_argument("--moving", action="store_true", help="the vendor's progress moves at every poll")
    parser.add_argument("--here", action="store_true")
    arguments = parser.parse_args()
    if arguments.here:
        print(json.dumps(measure(arguments)))
        return
    with services.servers() as addresses:
        there = {"DATABASE_URL": addresses["database"], "REDIS_URL": addresses["redis"]}
        here = {"DATABASE_URL": "", "REDIS_URL": ""}
        faults = [
            fault
            for name, environment in (("MariaDB + Redis", there), ("SQLite, embedded", here))
            for fault in faults_of(shown(name, measured_by("bench_polling", sys.argv[1:], environment)))
        ]
    sys.exit("\n".join(faults) or 0)


def shown(name: str, figures: Figures) -> Figures:
    """The figures, once they are printed."""
    show(name, figures)
    return figures


def faults_of(figures: Figures) -> list[str]:
    """What is worse than was promised for thousands of jobs on one worker process."""
    most = {"lateness p99 s": 2.0, "worker % of a core": 50.0, "statements/s for polling": 10.0}
    worse = [name for name, limit in most.items() if figures.get(name, 0.0) > limit]
    unpolled = [] if figures["jobs polled"] == figures["jobs in flight"] else ["jobs polled"]
    return [f"{name}: {figures[name]}" for name in (*worse, *unpolled)]


# --- One installation -----------------------------------------------------------------------------------------------


def measure(arguments: argparse.Namespace) -> Figures:
    """Rows, processes, a window of time, figures."""
    with tempfile.TemporaryDirectory(prefix="lumi-bench-", ignore_cleanup_errors=True) as folder:
        plant = Plant(Path(folder), web=False, **PLENTY)
        plant.prepare()
        os.environ.update(plant.environment)
        import django  # noqa: PLC0415  the environment is complete only now

        django.setup()
        with running_plant(plant):
            moves = arguments.seconds * 2 + 60 if arguments.moving else None
            delay = arguments.answer_ms / 1000
            plant.vendor.control(
                poll_delay=[delay, delay], jobs={"prefix": PREFIX, "count": arguments.jobs, "seconds": moves}
            )
            idle = Window(plant, IDLE_SECONDS).run()
            starts = insert(arguments.jobs)
            time.sleep(max(0.0, starts + POLL_EVERY - time.time()))
            plant.vendor.get("polls")
            busy = Window(plant, arguments.seconds, sample=True).run()
            return figures_of(arguments.jobs, busy, idle)


class Window:
    """A span of time, and what the worker used in it."""

    def __init__(self, plant: Plant, seconds: float, *, sample: bool = False) -> None:
        self.plant, self.seconds, self.sample = plant, seconds, sample
        self.due: dict[str, set[float]] = defaultdict(set)
        self.polls: list[tuple[float, str]] = []
        self.own_statements = 0
        self.statements = self.cpu = self.beat_cpu = self.memory = 0.0

    def run(self) -> "Window":
        """Wait, and look now and then at what is due."""
        pid, before = self.plant.worker_pid(), questions()
        beat = self.plant.processes["beat"].pid if "beat" in self.plant.processes else pid
        used, beat_used, began = cpu_seconds(pid), cpu_seconds(beat), time.monotonic()
        if self.sample:
            self.look_now_and_then(began)
        time.sleep(max(0.0, began + self.seconds - time.monotonic()))
        self.seconds = time.monotonic() - began
        self.cpu = (cpu_seconds(pid) - used) / self.seconds
        self.beat_cpu = (cpu_seconds(beat) - beat_used) / self.seconds
        self.statements = (questions() - before - 1 - self.own_statements) / self.seconds
        self.memory = resident_megabytes(pid)
        self.polls = [tuple(poll) for poll in self.plant.vendor.get("polls")]
        return self

    def look_now_and_then(self, began: float) -> None:
        """When each job is due, often enough to see every value."""
        from generation.models import ModelGenerationJob  # noqa: PLC0415

        pause = threading.Event()
        while time.monotonic() - began < self.seconds - SAMPLE_SECONDS:
            for ref, due in ModelGenerationJob.objects.values_list("provider_job_id", "next_at"):
                self.due[ref].add(due.timestamp())
            self.own_statements += 1
            pause.wait(SAMPLE_SECONDS)

    def lateness(self) -> list[float]:
        """Of each poll whose due time was seen: its arrival at the vendor, less when it was due."""
        found = []
        for moment, ref in self.polls:
            passed = [due for due in self.due[ref] if due <= moment]
            if passed and moment - max(passed) < 2 * POLL_EVERY:
                found.append(moment - max(passed))
        return found

    def gaps(self) -> list[float]:
        """Between two polls of one job."""
        last: dict[str, float] = {}
        found = []
        for moment, ref in self.polls:
            if ref in last:
                found.append(moment - last[ref])
            last[ref] = moment
        return found


def questions() -> int:
    """Statements that clients have sent to MariaDB so far; 0 where there is no such counter."""
    from django.db import connection  # noqa: PLC0415

    if connection.vendor != "mysql":
        return 0
    with connection.cursor() as cursor:
        cursor.execute("SHOW GLOBAL STATUS LIKE 'Questions'")
        return int(cursor.fetchone()[1])


def figures_of(jobs: int, busy: Window, idle: Window) -> Figures:
    """What was measured."""
    lateness, gaps = busy.lateness(), busy.gaps()
    return {
        "jobs in flight": jobs,
        "seconds": round(busy.seconds, 1),
        "polls": len(busy.polls),
        "polls wanted": round(jobs * busy.seconds / POLL_EVERY),
        "jobs polled": len({ref for _, ref in busy.polls}),
        "polls whose lateness is known": len(lateness),
        "lateness p50 s": round(at(lateness, 0.5), 3),
        "lateness p99 s": round(at(lateness, 0.99), 3),
        "lateness max s": round(max(lateness, default=float("nan")), 3),
        "gap p50 s": round(at(gaps, 0.5), 2),
        "gap max s": round(max(gaps, default=float("nan")), 2),
        "worker % of a core": round(busy.cpu * 100, 1),
        "worker % of a core, idle": round(idle.cpu * 100, 1),
        "beat % of a core": round(busy.beat_cpu * 100, 1),
        "worker MB": round(busy.memory),
        **statements_of(busy, idle),
    }


def statements_of(busy: Window, idle: Window) -> Figures:
    """Where the database counts them."""
    if busy.statements <= 0:
        return {}
    return {
        "statements/s": round(busy.statements, 1),
        "statements/s, idle": round(idle.statements, 1),
        "statements/s for polling": round(busy.statements - idle.statements, 1),
    }


def insert(count: int) -> float:
    """Jobs that are being worked on at the vendor, due one after the other within one interval; when the first is."""
    from gallery.models import Model  # noqa: PLC0415
    from generation.models import GeneratedImage, GenerationRequest, ModelGenerationJob  # noqa: PLC0415
    from lumi import clock  # noqa: PLC0415
    from lumi.accounts.models import User  # noqa: PLC0415

    owner = User.objects.create_user("bench@example.com", name="Bench")
    deadline = clock.now() + timedelta(days=1)
    requests = GenerationRequest.objects.bulk_create(
        GenerationRequest(owner=owner, prompt="a cat", status="MODEL_GENERATING", deadline_at=deadline)
        for _ in range(count)
    )
    images = GeneratedImage.objects.bulk_create(
        GeneratedImage(request=request, index=0, prompt="a cat", key="none", status="COMPLETED") for request in requests
    )
    models = Model.objects.bulk_create(Model(owner=owner, name=f"Cat {number}") for number in range(count))
    first = clock.now() + timedelta(seconds=3 + count / 1000)
    ModelGenerationJob.objects.bulk_create(
        ModelGenerationJob(
            owner=owner, model=models[number], request=requests[number], source_image=images[number],
            stage="POLLING", status="RUNNING", provider="chaos", provider_job_id=f"{PREFIX}{number}",
            next_at=first + timedelta(seconds=POLL_EVERY * number / count), timeout_at=deadline,
        )
        for number in range(count)
    )  # fmt: skip
    return first.timestamp()


if __name__ == "__main__":
    main()
