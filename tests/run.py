"""`make test`: the whole suite on SQLite and on real MariaDB + Redis, and once what knows neither. All must pass.

What is missing is installed where that is allowed (root, apt); else it is named and the run fails. Arguments go to
pytest.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from tests import services

ROOT = Path(__file__).resolve().parent.parent
FAILED, NOTHING_COLLECTED = 1, 5  # pytest's codes: tests were red; a -k matches nothing
STOP_SECONDS = 30


@dataclass
class Pass:
    """One run of pytest: its name, its environment, its process and its output."""

    name: str
    environment: dict[str, str]
    folder: Path
    only: str = ""  # a part of the tests; all of them when empty
    process: subprocess.Popen[bytes] | None = None
    began: float = 0.0
    seconds: float = 0.0

    @property
    def output(self) -> Path:
        """What pytest said."""
        return self.folder / f"{self.name}.log"

    @property
    def code(self) -> int:
        """pytest's exit code; a pass that never ran has failed."""
        return 1 if self.process is None or self.process.returncode is None else self.process.returncode

    def start(self, arguments: list[str]) -> None:
        """Start pytest, in a session of its own: Ctrl-C reaches it from here, once."""
        command = [sys.executable, "-m", "pytest", "-o", f"cache_dir={self.folder / self.name}-cache", *arguments]
        command += [self.only] if self.only else []
        data = {"LUMI_DATA_DIR": str(self.folder / f"{self.name}-data"), "PYTHONUNBUFFERED": "1"}
        environment = clean_environment() | data | self.environment
        with self.output.open("ab") as out:
            silent = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": out}
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True, **silent)
        self.began, self.seconds = time.monotonic(), 0.0

    def ended(self) -> bool:
        """Whether it is over; notes how long it took."""
        if self.process is None or self.process.poll() is None:
            return False
        self.seconds = self.seconds or time.monotonic() - self.began
        return True


def main() -> int:
    """Prepare, run both, sum up; the exit code tells the truth."""
    try:
        provide()
        folders = tempfile.TemporaryDirectory(prefix="lumi-tests-")
        with services.servers() as addresses, services.servers() as apart, folders as folder:
            passes = all_of(addresses, apart, Path(folder))
            run(passes, sys.argv[1:])
            if os.environ.get("LUMI_TEST_AGAIN"):
                run_red_ones_again(passes)
            return sum_up(passes, sys.argv[1:])
    except services.MissingError as error:
        say(str(error))
    except KeyboardInterrupt:
        say("stopped")
    return 1


def say(line: str) -> None:
    """One line of the runner's own."""
    print(f"[test] {line}", flush=True)


# --- What the tests need --------------------------------------------------------------------------------------------


def provide() -> None:
    """Everything that the passes need, or MissingError: none is ever left out."""
    if may_install() and (lacking := services.missing()):
        apt_install(services.packages(lacking))
    if not services.can_import("MySQLdb"):
        install_mysqlclient()
    if lacking := services.missing():
        raise services.MissingError(complaint(lacking))


def may_install() -> bool:
    """As root on a machine with apt."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def apt_install(names: list[str]) -> None:
    """Install Debian packages. Their servers are not started: the tests start their own."""
    say(f"installing with apt-get: {' '.join(names)}")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *names]):
        done = subprocess.run(["apt-get", *command], env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            say(f"apt-get {command[0]} failed: {done.stderr.strip()[-500:]}")


def install_mysqlclient() -> None:
    """Compile the pinned mysqlclient into this virtual environment."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    pin = next(line.split("#")[0].strip() for line in lines if line.startswith("mysqlclient"))
    say(f"compiling {pin}")
    command = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", pin]
    subprocess.run(command, capture_output=True, check=False)


def complaint(lacking: list[str]) -> str:
    """Exactly what is missing and what brings it."""
    names = " ".join(services.packages(lacking))
    return (
        f"missing: {', '.join(lacking)}.\nAll passes must run, so nothing was tested. On Debian and Ubuntu, as root: "
        f"apt-get install {names}\nOr name running servers: LUMI_TEST_DATABASE_URL=mysql://user:password@host/name "
        "LUMI_TEST_REDIS_URL=redis://host:6379/0"
    )


# --- The passes -----------------------------------------------------------------------------------------------------


def all_of(addresses: dict[str, str], apart: dict[str, str], folder: Path) -> list[Pass]:
    """The passes. LUMI_TEST_PASS tells the tests what servers to insist on, LUMI_TEST_PART which part of them they are:
    those that start processes mostly wait, so they run beside the rest, on servers of their own (`apart`): some count
    what a server has to do."""
    file, server, redis = f"sqlite:///{folder}/lumi.sqlite3", addresses["database"], addresses["redis"]
    on_sqlite = where("sqlite", database=file, cache="", broker="memory://localhost")
    on_mariadb = where("mariadb", database=server, cache=redis, broker=redis)
    beside, broker = renamed(apart["database"], "_processes"), apart["redis"].rpartition("/")[0] + "/10"
    processes_on_mariadb = where("mariadb", database=beside, cache=broker, broker=broker)
    rows, processes = {"LUMI_TEST_PART": "rows"}, {"LUMI_TEST_PART": "processes"}
    return [
        Pass("sqlite", on_sqlite | rows, folder),
        Pass("sqlite-processes", on_sqlite | processes, folder),
        Pass("mariadb", on_mariadb | rows, folder),
        Pass("mariadb-processes", processes_on_mariadb | processes, folder),
        Pass("providers", on_sqlite | {"LUMI_TEST_PASS": "providers"}, folder, only="tests/providers"),
    ]


def where(name: str, *, database: str, cache: str, broker: str) -> dict[str, str]:
    """The environment of a pass."""
    return {"LUMI_TEST_PASS": name, "DATABASE_URL": database, "REDIS_URL": cache, "CELERY_BROKER_URL": broker}


def renamed(url: str, ending: str) -> str:
    """The same server, another database."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path}{ending}"))


def clean_environment() -> dict[str, str]:
    """The environment without Lumi's own variables: a developer's settings are not under test."""
    ours = ("LUMI_", "DATABASE_URL", "REDIS_URL", "CELERY_", "EMAIL_URL", "DJANGO_", "PYTEST_")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def run(passes: list[Pass], arguments: list[str]) -> None:
    """All at once; each one's output in one piece when it is over."""
    say(f"at once: {' and '.join(each.name for each in passes)}")
    try:
        for each in passes:
            each.start(arguments)
        show_as_they_end(list(passes))
    finally:
        for each in passes:
            stop(each)


def run_red_ones_again(passes: list[Pass]) -> None:
    """The tests that failed, once more, a pass at a time. Dozens of real processes share the machine in the first
    round: a test that a stall ended passes now, and says so in the log; a broken one fails again."""
    for each in [each for each in passes if each.code == FAILED]:
        say(f"{each.name}: what was red is run again, alone")
        run([each], ["--last-failed", "--last-failed-no-failures", "none"])


def show_as_they_end(left: list[Pass]) -> None:
    """Print what each pass said when it is over; a line every half minute in between."""
    told = time.monotonic()
    while left:
        time.sleep(0.2)
        for each in [each for each in left if each.ended()]:
            left.remove(each)
            print(f"\n=== {each.name} ===\n{each.output.read_text(errors='replace')}", flush=True)
        if left and time.monotonic() - told > 30:
            told = time.monotonic()
            say("; ".join(f"{each.name} {progress(each)}" for each in left))


def progress(each: Pass) -> str:
    """How far pytest is, in its own words."""
    lines = each.output.read_text(errors="replace").split()
    return next((word for word in reversed(lines) if word.endswith("%]")), "begins").strip("[]")


def stop(each: Pass) -> None:
    """End a pass that still runs, as Ctrl-C would, so that it ends what it started."""
    if each.process is None or each.process.poll() is not None:
        return
    each.process.send_signal(2)
    try:
        each.process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        each.process.kill()
        each.process.wait()


def sum_up(passes: list[Pass], arguments: list[str]) -> int:
    """One line a pass, and the exit code. A selection of tests may match nothing in one pass, but not in both."""
    ran = [each for each in passes if not (arguments and each.code == NOTHING_COLLECTED)]
    good = bool(ran) and all(each.code == 0 for each in ran)
    print()
    for each in passes:
        lines = each.output.read_text(errors="replace").strip().splitlines() or ["no output"]
        say(f"{each.name:<17} {each.seconds:4.0f} s  exit code {each.code}  {lines[-1]}")
    say("all passes are green" if good else "FAILED")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
