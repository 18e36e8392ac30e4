"""A full queue before a vendor that allows little: what arrives there, in any window of time and at any moment.

`python -m tests.chaos.bench_limits --workers 8 --seconds 300` measures on private MariaDB + Redis. With `--here` it
measures the installation that DATABASE_URL and REDIS_URL name, and prints its figures as JSON.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests import services
from tests.chaos.plant import Figures, Plant, measured_by, running_plant, show

LIMITS = {"image": {"per_window": 10, "at_once": 5}, "model": {"per_window": 5, "at_once": 3}}
OWNERS, EACH = 5, 12
MARGIN = 2.0  # seconds for the way to the vendor, as in queue.WINDOW
PAUSE = 8.0  # what the vendor asks for with its 429
ON_ITS_WAY = 1.0  # what had passed the gate before the 429 was heard
ENVIRONMENT = {
    "LUMI_IMAGE_PER_MINUTE": "10", "LUMI_IMAGE_AT_ONCE": "5", "LUMI_MODEL_PER_MINUTE": "5", "LUMI_MODEL_AT_ONCE": "3",
    "LUMI_MODEL_POLL_SECONDS": "2", "LUMI_MOST_UNFINISHED_PER_PERSON": "1000",
}  # fmt: skip

Arrival = dict[str, Any]


def main() -> None:
    """From the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--window", type=float, default=60)
    parser.add_argument("--here", action="store_true")
    arguments = parser.parse_args()
    if arguments.here:
        print(json.dumps(measure(arguments.workers, arguments.seconds, arguments.window)))
        return
    with services.servers() as addresses:
        there = {"DATABASE_URL": addresses["database"], "REDIS_URL": addresses["redis"]}
        figures = measured_by("bench_limits", sys.argv[1:], there)
    show(f"{arguments.workers} worker processes, {arguments.seconds:g} s", figures)
    sys.exit(bool(faults_of(figures)))


def measure(workers: int, seconds: float, window: float) -> Figures:
    """A full queue, a span of time, then a 429."""
    with tempfile.TemporaryDirectory(prefix="lumi-bench-", ignore_cleanup_errors=True) as folder:
        plant = Plant(Path(folder), workers=workers, web=False, CHAOS_WINDOW=str(window + MARGIN), **ENVIRONMENT)
        plant.prepare()
        os.environ.update(plant.environment)
        import django  # noqa: PLC0415  the environment is complete only now

        django.setup()
        fill_the_queue()
        with running_plant(plant):
            plant.vendor.control(work=[1, 2])
            time.sleep(seconds)
            arrivals = plant.vendor.get("arrivals")
            peaks = plant.vendor.get("stats")["peak"]
            return {
                "worker processes": workers,
                **{f"{kind}: {name}": value for kind in LIMITS for name, value in of(kind, arrivals, window).items()},
                **{f"{kind}: most at once": peaks[kind] for kind in LIMITS},
                "arrivals during a 429's pause": after_a_refusal(plant, window),
                "all within limits": within(arrivals, peaks, window),
            }


def fill_the_queue() -> None:
    """More than will be let through, for several people."""
    from tests.factories import make_request, make_user  # noqa: PLC0415

    for _ in range(OWNERS):
        owner = make_user()
        for _ in range(EACH):
            make_request(owner)
            make_request(owner, status="MODEL_PENDING")


def of(kind: str, arrivals: list[Arrival], window: float) -> Figures:
    """What arrived of one kind."""
    times = times_of(kind, arrivals)
    return {"arrivals": len(times), "most in a window": most_within(times, window), "used": used(kind, times, window)}


def times_of(kind: str, arrivals: list[Arrival]) -> list[float]:
    """When orders of a kind arrived."""
    return sorted(arrival["time"] for arrival in arrivals if arrival["kind"] == kind)


def most_within(times: list[float], window: float) -> int:
    """The most in any window: one that begins with an arrival holds the most."""
    return max((sum(start <= moment < start + window for moment in times) for start in times), default=0)


def used(kind: str, times: list[float], window: float) -> float:
    """The share of the allowance that was used, between the first of one window's worth and the first of the last."""
    firsts = times[:: LIMITS[kind]["per_window"]]
    return round((len(firsts) - 1) * window / (firsts[-1] - firsts[0]), 3) if len(firsts) > 1 else 0.0


def within(arrivals: list[Arrival], peaks: dict[str, int], window: float) -> bool:
    """Whether no limit was exceeded, ever."""
    return all(
        most_within(times_of(kind, arrivals), window) <= limit["per_window"] and peaks[kind] <= limit["at_once"]
        for kind, limit in LIMITS.items()
    )


def after_a_refusal(plant: Plant, window: float) -> int:
    """The vendor answers 429 and asks for a pause: how many orders of that kind come nevertheless."""
    before = len(plant.vendor.get("arrivals"))
    plant.vendor.control(fail_submits={"count": 1, "how": "429", "retry_after": PAUSE})
    until = time.monotonic() + window + 10
    while not (refused := refusals(plant, before)):
        assert time.monotonic() < until, "nothing arrived that could be refused"
        time.sleep(0.1)
    time.sleep(PAUSE)
    kind, moment = refused[0]["kind"], refused[0]["time"]
    times = times_of(kind, plant.vendor.get("arrivals"))
    return sum(moment + ON_ITS_WAY < time < moment + PAUSE for time in times)


def refusals(plant: Plant, before: int) -> list[Arrival]:
    """Those answered with 429 since."""
    return [arrival for arrival in plant.vendor.get("arrivals")[before:] if arrival["status"] == "429"]


def faults_of(figures: Figures, *, least: float = 0.9) -> list[str]:
    """What is not as it must be."""
    faults = [f"{kind}: used" for kind in LIMITS if figures[f"{kind}: used"] < least]
    faults += [] if figures["all within limits"] else ["a limit was exceeded"]
    return faults + (["a 429 was not obeyed"] if figures["arrivals during a 429's pause"] else [])


if __name__ == "__main__":
    main()
