"""Lumi as an installation has it: real processes, started and ended by their own process ids.

On SQLite one process does all; on MySQL or MariaDB with Redis there are three: web, worker, beat. Which one is made
comes from DATABASE_URL and REDIS_URL, as `make test` sets them. Data, database and broker are the stack's own.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit, urlunsplit

import requests

from tests.services import free_port, tail

ROOT = Path(__file__).resolve().parent.parent.parent
START_SECONDS = 90
STOP_SECONDS = 45
SERVE = "serve"
READY = {"worker": b"worker ready", "beat": b"beat: Starting"}
QUICK = {
    "LUMI_MODEL_POLL_SECONDS": "0.5",
    "LUMI_IMAGE_PER_MINUTE": "1000",
    "LUMI_MODEL_PER_MINUTE": "1000",
    "LUMI_IMAGE_BACKOFF": "0.5",
    "LUMI_MODEL_BACKOFF": "0.5",
    "LUMI_LEASE_SECONDS": "20",
    "LUMI_TICK_SECONDS": "0.2",
    "LUMI_SWEEP_SECONDS": "1",
    "LUMI_CODE_INTERVAL_SECONDS": "0",
    "LUMI_LOG_LEVEL": "INFO",
}


class Stack:
    """The processes of one installation."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.mails = folder / "data" / "mail"
        self.environment = environment_of(folder)
        self.embedded = not self.environment["REDIS_URL"]
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def commands(self) -> dict[str, list[str]]:
        """What an installation starts, by name."""
        serve = {SERVE: ["manage.py", "serve", "--port", str(self.port)]}
        if self.embedded:
            return serve
        celery = ["-m", "celery", "-A", "lumi"]
        return serve | {
            "worker": [*celery, "worker", "--pool", "threads", "-c", "8", "-l", "INFO"],
            "beat": [*celery, "beat", "-l", "INFO"],
        }

    def prepare(self) -> None:
        """An empty database, where serving does not make one itself."""
        if self.embedded:
            return
        make_database(self.environment["DATABASE_URL"])
        command = [sys.executable, "manage.py", "migrate", "-v", "0"]
        subprocess.run(command, cwd=ROOT, env=self.environment, check=True, stdin=subprocess.DEVNULL)

    def start(self) -> None:
        """Start what does not run, and wait until HTTP answers and the others are at work: before that, SIGTERM ends
        them as it ends any interpreter, and not with 0."""
        began = {name: self.said(name) for name in self.commands if name not in self.processes}
        for name in began:
            self.processes[name] = self.spawn(name, self.commands[name])
        until = time.monotonic() + START_SECONDS
        while not (self.answers() and all(self.is_at_work(name, said) for name, said in began.items())):
            self.require_alive()
            assert time.monotonic() < until, f"Lumi did not start\n{self.logs()}"
            time.sleep(0.1)

    def said(self, name: str) -> int:
        """How much a process and those before it have written, in bytes."""
        return self.log(name).stat().st_size if self.log(name).exists() else 0

    def is_at_work(self, name: str, said: int) -> bool:
        """Whether it says so, after what was said before it began."""
        return name not in READY or READY[name] in self.log(name).read_bytes()[said:]

    def spawn(self, name: str, arguments: list[str]) -> subprocess.Popen[bytes]:
        """One process in a session of its own, with its log in a file."""
        with self.log(name).open("ab") as log:
            return subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def answers(self) -> bool:
        """Whether HTTP answers."""
        try:
            return requests.get(f"{self.url}/health", timeout=5).ok
        except requests.RequestException:
            return False

    def require_alive(self) -> None:
        """A process that ended by itself is a failure."""
        ended = {name: process.poll() for name, process in self.processes.items() if process.poll() is not None}
        assert not ended, f"ended by themselves: {ended}\n{self.logs()}"

    def stop(self) -> dict[str, int]:
        """Ask each to stop (SIGTERM); their exit codes."""
        return self.end(signal.SIGTERM)

    def kill(self) -> None:
        """kill -9, without a word."""
        self.end(signal.SIGKILL)

    def end(self, number: signal.Signals) -> dict[str, int]:
        """Signal all, wait for all."""
        for process in self.processes.values():
            process.send_signal(number)
        codes = {name: wait(process) for name, process in self.processes.items()}
        self.processes = {}
        return codes

    def log(self, name: str) -> Path:
        """Where a process writes."""
        return self.folder / f"{name}.log"

    def logs(self) -> str:
        """The end of every log."""
        return "\n".join(f"--- {name}\n{tail(self.log(name), 60)}" for name in self.commands if self.log(name).exists())


def wait(process: subprocess.Popen[bytes]) -> int:
    """Its exit code; killed when it does not end."""
    try:
        return process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def environment_of(folder: Path) -> dict[str, str]:
    """The environment of the stack's processes."""
    data = folder / "data"
    own = {
        "LUMI_DATA_DIR": str(data),
        "DATABASE_URL": f"sqlite:///{data}/lumi.sqlite3",
        "REDIS_URL": "",
        "CELERY_BROKER_URL": "memory://localhost",
        "DJANGO_SETTINGS_MODULE": "lumi.settings",
        "PYTHONUNBUFFERED": "1",
    }
    database = os.environ.get("DATABASE_URL", "")
    redis = os.environ.get("REDIS_URL", "")
    if database.startswith("mysql") and redis:
        broker = next_database(redis)
        own |= {"DATABASE_URL": own_database(database), "REDIS_URL": broker, "CELERY_BROKER_URL": broker}
    return os.environ | own | QUICK


def own_database(url: str) -> str:
    """The same server, another database."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path}_journeys"))


def next_database(url: str) -> str:
    """The same Redis, the next of its numbered databases."""
    parts = urlsplit(url)
    number = int(parts.path.strip("/") or 0) + 1
    return urlunsplit(parts._replace(path=f"/{number}"))


def make_database(url: str) -> None:
    """Make the database anew."""
    import MySQLdb  # noqa: PLC0415  not there where only SQLite is used

    parts = urlsplit(url)
    options = {name: values[0] for name, values in parse_qs(parts.query).items()}
    connection = MySQLdb.connect(
        host=parts.hostname or "localhost",
        port=parts.port or 3306,
        user=unquote(parts.username or "root"),
        password=unquote(parts.password or ""),
        **options,
    )
    name = parts.path.strip("/")
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS `{name}`")
        cursor.execute(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4")
    connection.close()


def running(stack: Stack) -> Iterator[Stack]:
    """A stack that is ended whatever happens."""
    stack.prepare()
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()
