"""An installation beside a vendor: real processes with production's defaults, and figures from /proc and the database.

Which installation comes from DATABASE_URL and REDIS_URL, as for the journeys; database and broker are its own.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import requests

from tests.journeys.stack import ROOT, SERVE, Stack, environment_of, wait
from tests.services import free_port

CLOCK_TICKS = os.sysconf("SC_CLK_TCK")
REDIS_NUMBER = 7
START_SECONDS = 30
MOST_SECONDS = 900
Figures = dict[str, Any]
CHAOS = {
    "DJANGO_SETTINGS_MODULE": "tests.chaos.settings",
    "LUMI_LLM_PROVIDERS": "chaos",
    "LUMI_IMAGE_PROVIDERS": "chaos",
    "LUMI_MODEL_PROVIDERS": "chaos",
    "LUMI_CODE_INTERVAL_SECONDS": "0",
    "LUMI_LOG_LEVEL": "INFO",
}


class VendorProcess:
    """The vendor in a process of its own."""

    def __init__(self, folder: Path, seed: int | None = None) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.seed = [] if seed is None else ["--seed", str(seed)]
        self.folder = folder
        self.process: subprocess.Popen[bytes] | None = None
        self.http = requests.Session()

    def start(self) -> None:
        """Start, and wait until it answers."""
        command = ["-m", "tests.chaos.vendor", "--port", str(self.port), "--ledger", str(self.folder / "ledger")]
        with (self.folder / "vendor.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *command, *self.seed], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip
        until = time.monotonic() + START_SECONDS
        while not self.is_up():
            assert self.process.poll() is None, (self.folder / "vendor.log").read_text()
            assert time.monotonic() < until, "the vendor did not start"
            time.sleep(0.05)

    def is_up(self) -> bool:
        """Whether it answers."""
        try:
            return requests.get(f"{self.url}/stats", timeout=2).ok
        except requests.RequestException:
            return False

    def stop(self) -> None:
        """End it by its own process id."""
        self.http.close()
        if self.process:
            self.process.terminate()
            wait(self.process)

    def get(self, path: str) -> Any:
        """What it says of itself: ledger, arrivals, polls, stats."""
        return self.http.get(f"{self.url}/{path}", timeout=30).json()

    def control(self, **dials: Any) -> None:
        """Turn its dials."""
        answer = self.http.post(f"{self.url}/control", json=dials, timeout=30)
        assert answer.ok, answer.text


class Plant(Stack):
    """The stack of the journeys, with a vendor and as many workers as wanted."""

    def __init__(self, folder: Path, *, workers: int = 1, web: bool = True, **environment: str) -> None:
        super().__init__(folder)
        self.workers, self.web = workers, web
        self.vendor = VendorProcess(folder)
        self.environment = self.environment_with({"CHAOS_VENDOR_URL": self.vendor.url, **environment})
        (folder / "data").mkdir(exist_ok=True)

    def environment_with(self, wanted: dict[str, str]) -> dict[str, str]:
        """The stack's, without its haste, and with servers' names of its own."""
        found = {name: value for name, value in environment_of(self.folder).items() if not name.startswith("LUMI_")}
        for name in ("REDIS_URL", "CELERY_BROKER_URL") if found["REDIS_URL"] else ():
            found[name] = urlunsplit(urlsplit(found[name])._replace(path=f"/{REDIS_NUMBER}"))
        found["DATABASE_URL"] = found["DATABASE_URL"].replace("_journeys", "_plant")
        return found | {"LUMI_DATA_DIR": str(self.folder / "data")} | CHAOS | wanted

    @property
    def commands(self) -> dict[str, list[str]]:
        """As many workers as wanted; the web where it is wanted, or where it is the worker too."""
        whole = super().commands
        if self.embedded:
            return whole
        several = {f"worker-{number}": whole["worker"] for number in range(self.workers)}
        return ({SERVE: whole[SERVE]} if self.web else {}) | several | {"beat": whole["beat"]}

    def prepare(self) -> None:
        """An empty database, migrated."""
        super().prepare()
        if self.embedded:
            command = [sys.executable, "manage.py", "migrate", "-v", "0"]
            subprocess.run(command, cwd=ROOT, env=self.environment, check=True, stdin=subprocess.DEVNULL)
        else:
            import redis  # noqa: PLC0415

            with redis.Redis.from_url(self.environment["CELERY_BROKER_URL"]) as client:
                client.flushdb()

    def start(self) -> None:
        """Start what does not run; without the web, wait until every worker says that it is ready."""
        if self.web or self.embedded:
            super().start()
        for name, arguments in self.commands.items():
            if name not in self.processes:
                self.processes[name] = self.spawn(name, arguments)
        until = time.monotonic() + START_SECONDS + 5 * self.workers
        while not all(self.is_ready(name) for name in self.commands if name.startswith("worker")):
            self.require_alive()
            assert time.monotonic() < until, f"the workers did not start\n{self.logs()}"
            time.sleep(0.1)

    def is_ready(self, name: str) -> bool:
        """A worker says so in its log."""
        return b" ready." in self.log(name).read_bytes()

    def worker_pid(self) -> int:
        """The process that works: the first worker, or the one process that does all."""
        return self.processes[SERVE if self.embedded else "worker-0"].pid


@contextmanager
def running_plant(plant: Plant) -> Iterator[Plant]:
    """The plant is ended whatever happens."""
    try:
        plant.vendor.start()
        plant.start()
        yield plant
    finally:
        plant.end(signal.SIGTERM)
        plant.vendor.stop()


def cpu_seconds(pid: int) -> float:
    """What a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


def resident_megabytes(pid: int) -> float:
    """What a process holds in memory."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def at(values: list[float], share: float) -> float:
    """A percentile."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")


def measured_by(module: str, arguments: list[str], environment: dict[str, str]) -> Figures:
    """The figures of one installation, measured by a process of its own: Django is set up for one database only."""
    command = [sys.executable, "-m", f"tests.chaos.{module}", *arguments, "--here"]
    with tempfile.TemporaryDirectory(prefix="lumi-bench-") as folder:
        data = {"LUMI_DATA_DIR": folder}
        done = subprocess.run(
            command, cwd=ROOT, env=os.environ | environment | data, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, check=False, timeout=MOST_SECONDS,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def show(title: str, figures: Figures) -> None:
    """For people."""
    print(f"--- {title}")
    for name, value in figures.items():
        print(f"  {name:<36} {value}", flush=True)
