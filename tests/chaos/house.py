"""An installation to be broken: web, beat and workers as processes of a nursery, a vendor that is never killed, and
what the database, the ledger and the disk say of it.

On SQLite one process ("serve") is all; on MariaDB + Redis there are "web", "beat" and "worker-1", "worker-2"...
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis
import requests

from tests.chaos.books import Books
from tests.chaos.servers import wait_for
from tests.journeys.stack import ROOT, make_database
from tests.services import free_port, tail

START_SECONDS = 60
READY = {"beat": "beat: Starting", "worker": "worker ready"}  # what they say when they take SIGTERM for what it is
QUICK = {
    "LUMI_LEASE_SECONDS": "2",
    "LUMI_BELL_SECONDS": "1",
    "LUMI_CALL_DEADLINE_SECONDS": "1",
    "LUMI_PROVIDER_PAY_SECONDS": "10",  # a question to the LLM whose worker was killed is asked again after it
    "LUMI_TICK_SECONDS": "0.2",
    "LUMI_SWEEP_SECONDS": "0.5",
    "LUMI_UNKNOWN_HOLD_SECONDS": "2",
    "LUMI_IMAGE_POLL_SECONDS": "0.3",
    "LUMI_MODEL_POLL_SECONDS": "0.3",
    "LUMI_IMAGE_BACKOFF": "0.3",
    "LUMI_MODEL_BACKOFF": "0.3",
    "LUMI_IMAGE_PER_MINUTE": "100000",
    "LUMI_MODEL_PER_MINUTE": "100000",
    "LUMI_IMAGE_AT_ONCE": "16",
    "LUMI_MODEL_AT_ONCE": "16",
    "LUMI_BREAKER_PAUSE_SECONDS": "1",
    "LUMI_MOST_UNFINISHED_PER_PERSON": "1000",
    "LUMI_MOST_RECOVERIES": "1000",  # here it is not the jobs that kill the workers; `poison` has tests of its own
    "LUMI_TRUST_USER_ID_HEADER": "true",
    "LUMI_WORKER_THREADS": "8",
    "LUMI_LOG_LEVEL": "INFO",
    "LUMI_RATE_LIMITING": "false",  # all customers come from one address
}


class House:
    """The processes of one installation; everything in one folder."""

    def __init__(self, folder: Path, *, database: str = "", broker: str = "", **settings: str) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.ledger = folder / "ledger"
        self.record = folder / "crashes"
        self.vendor_url = f"http://127.0.0.1:{free_port()}"
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.embedded = not database
        self.database, self.broker = database, broker
        self.environment = self.make_environment(settings)
        self.lock = threading.Lock()
        self.began: dict[str, int] = {}  # where in its log each process began
        self.nursery: subprocess.Popen[str] | None = None
        self.vendor: subprocess.Popen[bytes] | None = None

    def make_environment(self, settings: dict[str, str]) -> dict[str, str]:
        """Of all its processes."""
        temporary = self.folder / "tmp"
        for folder in (self.data, temporary):
            folder.mkdir(parents=True, exist_ok=True)
        own = {
            "LUMI_DATA_DIR": str(self.data),
            "TMPDIR": str(temporary),
            "DATABASE_URL": self.database or f"sqlite:///{self.data}/lumi.sqlite3",
            "REDIS_URL": self.broker,
            "CELERY_BROKER_URL": self.broker or "memory://localhost",
            "DJANGO_SETTINGS_MODULE": "tests.chaos.settings",
            "CHAOS_VENDOR_URL": self.vendor_url,
            "CHAOS_LEDGER": str(self.ledger),
            "CRASH_RECORD": str(self.record),
            "PYTHONUNBUFFERED": "1",
        }
        providers = dict.fromkeys(("LUMI_LLM_PROVIDERS", "LUMI_IMAGE_PROVIDERS", "LUMI_MODEL_PROVIDERS"), "chaos")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("LUMI_", "PYTEST_"))}
        return clean | own | providers | QUICK | settings

    # --- Begin and end ------------------------------------------------------------------------------------------------

    def __enter__(self) -> "House":
        """The vendor, an empty database, and a nursery."""
        self.ledger.touch()
        self.record.touch()
        try:
            self.start_vendor()
            self.prepare()
            self.open_nursery()
        except BaseException:
            self.__exit__()
            raise
        self.books = Books(self.environment["DATABASE_URL"], self.ledger, self.record, self.data / "files")
        return self

    def __exit__(self, *_: object) -> None:
        """Everything ends, by its own id."""
        if self.nursery:
            self.nursery.stdin.close()  # type: ignore[union-attr]
            self.nursery.wait(20)
            self.nursery.stdout.close()  # type: ignore[union-attr]
        if self.vendor:
            self.vendor.kill()
            self.vendor.wait()

    def start_vendor(self) -> None:
        """It lives as long as the house."""
        port = self.vendor_url.rpartition(":")[2]
        command = [sys.executable, "-m", "tests.chaos.vendor", "--port", port, "--ledger", str(self.ledger)]
        self.vendor = self.child(command, "vendor")
        wait_for(self.tell_vendor, START_SECONDS, "the vendor answers")

    def tell_vendor(self, **dials: Any) -> bool:
        """Turn its dials."""
        try:
            return requests.post(f"{self.vendor_url}/control", json=dials, timeout=5).ok
        except requests.RequestException:
            return False

    def prepare(self) -> None:
        """An empty database, where serving does not make one itself."""
        if self.embedded:
            return
        make_database(self.database)
        with redis.Redis.from_url(self.broker) as client:
            client.flushdb()
        command = [sys.executable, "manage.py", "migrate", "-v", "0"]
        subprocess.run(command, cwd=ROOT, env=self.environment, check=True, stdin=subprocess.DEVNULL)

    def open_nursery(self) -> None:
        """Ready when everything is imported."""
        with (self.folder / "nursery.log").open("ab") as log:
            self.nursery = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.nursery"],
                cwd=ROOT, env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                text=True, start_new_session=True,
            )  # fmt: skip
        assert self.nursery.stdout.readline() == "ready\n", tail(self.folder / "nursery.log")  # type: ignore[union-attr]

    def child(self, command: list[str], name: str) -> subprocess.Popen[bytes]:
        """A process of our own, with its log in a file."""
        with self.log(name).open("ab") as log:
            return subprocess.Popen(
                command, cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    # --- Processes ----------------------------------------------------------------------------------------------------

    def order(self, **order: Any) -> dict[str, Any]:
        """Tell the nursery."""
        with self.lock:
            self.nursery.stdin.write(json.dumps(order) + "\n")  # type: ignore[union-attr]
            self.nursery.stdin.flush()  # type: ignore[union-attr]
            answer = self.nursery.stdout.readline()  # type: ignore[union-attr]
        assert answer, tail(self.folder / "nursery.log")
        return dict(json.loads(answer))

    def start(self, name: str, *, fresh: bool = False, **environment: str) -> None:
        """Start one: "serve", "web", "beat", "worker-N"."""
        self.began[name] = self.log(name).stat().st_size if self.log(name).exists() else 0
        order = {"do": "start", "name": name, "arguments": self.command(name), "log": str(self.log(name))}
        self.order(**order, environment=environment, fresh=fresh)

    def command(self, name: str) -> list[str]:
        """What it is."""
        if name in ("serve", "web"):
            return ["manage.py", "serve", "--port", str(self.port)]
        celery = ["-m", "celery", "-A", "lumi"]
        if name == "beat":
            return [*celery, "beat", "-l", "WARNING"]
        return [*celery, "worker", "--pool", "threads", "-c", "8", "-n", f"{name}@house", "-l", "INFO"]

    def signal(self, name: str, number: int) -> bool:
        """Send a signal; False when it has ended already."""
        return bool(self.order(do="signal", name=name, number=number)["sent"])

    def kill(self, name: str) -> bool:
        """kill -9, and wait until it is gone."""
        sent = self.signal(name, signal.SIGKILL)
        wait_for(lambda: not self.runs(name), 20, f"{name} ends after SIGKILL")
        return sent

    def runs(self, name: str) -> bool:
        """Whether it has not ended."""
        return name in self.order(do="state")["alive"]

    def alive(self) -> list[str]:
        """All that have not ended."""
        return sorted(self.order(do="state")["alive"])

    def code(self, name: str) -> int | None:
        """With what it ended."""
        code = self.order(do="state")["codes"].get(name)
        return None if code is None else int(code)

    def ensure(self, name: str, **environment: str) -> None:
        """Start it if it does not run."""
        if not self.runs(name):
            self.start(name, **environment)

    def answers(self) -> bool:
        """Whether HTTP answers."""
        try:
            return requests.get(f"{self.url}/health", timeout=5).ok
        except requests.RequestException:
            return False

    def wait_until_ready(self, name: str) -> None:
        """Until a process is at work: before that, SIGTERM ends it as it ends any interpreter, and not with 0."""
        if name in ("serve", "web"):
            self.wait_for_web()
            return
        word = READY[name.partition("-")[0]]
        self.until(lambda: word in self.said(name) or not self.runs(name), START_SECONDS, f"{name} is ready")
        assert self.runs(name), f"{name} ended with {self.code(name)}\n{self.logs()}"

    def said(self, name: str) -> str:
        """What a process has written since it was started."""
        with self.log(name).open(encoding="utf-8", errors="replace") as log:
            log.seek(self.began.get(name, 0))
            return log.read()

    def wait_for_web(self) -> None:
        """Until HTTP answers."""
        name = "serve" if self.embedded else "web"
        self.until(lambda: self.answers() or not self.runs(name), START_SECONDS, "HTTP answers")
        assert self.runs(name), f"{name} ended with {self.code(name)}\n{self.logs()}"

    def wait_for_drained(self, seconds: float) -> float:
        """Until nothing is under way; how long that took."""
        began = time.monotonic()
        until = began + seconds
        while under_way := self.books.under_way():
            assert time.monotonic() < until, f"still under way: {under_way}\n{self.logs()}"
            time.sleep(0.2)
        return time.monotonic() - began

    def log(self, name: str) -> Path:
        """Where a process writes."""
        return self.folder / f"{name}.log"

    def logs(self) -> str:
        """The end of every log."""
        return "\n".join(f"--- {path.stem}\n{tail(path, 40)}" for path in sorted(self.folder.glob("*.log")))

    def until(self, condition: Callable[[], object], seconds: float, what: str) -> None:
        """Wait; with the logs when it does not come."""
        try:
            wait_for(condition, seconds, what)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.logs()}") from None
