"""Real MariaDB (or MySQL) and Redis for the tests: the servers that the environment names, else private ones.

A private server has its own folder, its own socket or port, and is ended by its own process id. Standard library only.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

START_SECONDS = 60
STOP_SECONDS = 20
REDIS_TRIES = 5
EVERYWHERE = [os.environ.get("PATH", ""), "/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/local/mysql/bin"]
DATABASE, REDIS = "LUMI_TEST_DATABASE_URL", "LUMI_TEST_REDIS_URL"  # servers that the environment names
MYSQL_SERVERS = ("mariadbd", "mysqld")
REDIS_SERVERS = ("redis-server", "valkey-server")
BROWSERS = ("chromium", "chromium-browser", "google-chrome")

# What is needed -> the programs of which one is enough, and the Debian packages that bring it.
NEEDED: dict[str, tuple[Callable[[], bool], list[str]]] = {
    "a MariaDB or MySQL server": (lambda: named(DATABASE) or bool(program(*MYSQL_SERVERS)), ["mariadb-server"]),
    "a Redis server": (lambda: named(REDIS) or bool(program(*REDIS_SERVERS)), ["redis-server"]),
    "Chromium": (lambda: not browser_tests() or bool(program(*BROWSERS)), ["chromium"]),
    "Node.js and npm": (lambda: bool(program("node") and program("npm")), ["nodejs", "npm"]),
    "the Python package mysqlclient": (
        lambda: can_import("MySQLdb"),
        ["libmariadb-dev", "pkg-config", "gcc", "libc6-dev", "python3-dev"],
    ),
}


class MissingError(Exception):
    """Something that the tests need is not there and may not be installed."""


@contextmanager
def servers() -> Iterator[dict[str, str]]:
    """The addresses of both servers; private ones are gone afterwards, also after Ctrl-C or SIGTERM."""
    for number in (signal.SIGINT, signal.SIGTERM):  # also where a shell has told a background job to ignore SIGINT
        signal.signal(number, interrupt)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lumi-", ignore_cleanup_errors=True)))
        yield {
            "database": os.environ.get(DATABASE) or stack.enter_context(private_mysql(folder / "mysql")),
            "redis": os.environ.get(REDIS) or stack.enter_context(private_redis(folder / "redis")),
        }


def interrupt(number: int, frame: FrameType | None) -> None:
    """SIGTERM ends things as Ctrl-C does: by way of every `finally`. A second one is not heard, so that all run."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    raise KeyboardInterrupt


# --- What is there --------------------------------------------------------------------------------------------------


def named(variable: str) -> bool:
    """Whether the environment names a server."""
    return bool(os.environ.get(variable))


def program(*names: str) -> str | None:
    """The first of these programs; servers are often outside an ordinary user's PATH."""
    path = os.pathsep.join(EVERYWHERE)
    return next((found for name in names if (found := shutil.which(name, path=path))), None)


def browser_tests() -> bool:
    """Whether any test wants a browser."""
    return any("mark.browser" in path.read_text() for path in Path("tests").rglob("test_*.py"))


def can_import(module: str) -> bool:
    """Whether this Python has the module, asked in a process of its own: it may have been installed just now."""
    import sys  # noqa: PLC0415  the runner's own interpreter

    return subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True, check=False).returncode == 0


def missing() -> list[str]:
    """What is not there."""
    return [what for what, (there, _) in NEEDED.items() if not there()]


def packages(what: list[str]) -> list[str]:
    """The Debian packages that bring these."""
    return [package for each in what for package in NEEDED[each][1]]


# --- Private servers ------------------------------------------------------------------------------------------------


@contextmanager
def private_mysql(folder: Path) -> Iterator[str]:
    """An empty MariaDB or MySQL on a socket of its own, without a network address; its URL for Django."""
    folder.mkdir()
    binary = program(*MYSQL_SERVERS) or ""
    server = Path(binary).resolve()
    own = ["--no-defaults", f"--datadir={folder / 'data'}", f"--tmpdir={folder}", f"--user={user_name()}"]
    log = folder / "log"
    run_logged(create_command(server, own), log)
    sock = folder / "sock"
    options = [f"--socket={sock}", f"--pid-file={folder / 'pid'}", "--skip-networking", "--skip-log-bin", *FAST]
    if not is_mariadb(server):
        options.append("--mysqlx=OFF")
    with running([str(server), *own, *options], log, lambda: answers(sock)):
        yield f"mysql://root@localhost/lumi?unix_socket={sock}"


# Data that is thrown away needs no care for power cuts.
FAST = [
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=0",
    "--innodb-buffer-pool-size=64M",
    "--innodb-log-file-size=48M",
    "--max-connections=200",
    "--character-set-server=utf8mb4",
]


def is_mariadb(server: Path) -> bool:
    """On some systems MariaDB's server is called mysqld."""
    version = subprocess.run([str(server), "--no-defaults", "--version"], capture_output=True, text=True, check=False)
    return "MariaDB" in version.stdout


def create_command(server: Path, own: list[str]) -> list[str]:
    """What makes an empty data folder where root needs no password."""
    if not is_mariadb(server):
        return [str(server), *own, "--initialize-insecure"]
    installer = program("mariadb-install-db", "mysql_install_db")
    if not installer:
        raise MissingError("mariadb-install-db is missing beside mariadbd")
    return [installer, *own, "--auth-root-authentication-method=normal", "--skip-test-db"]


def user_name() -> str:
    """Who runs this. MariaDB refuses to run as root unless told that root is meant."""
    import pwd  # noqa: PLC0415  Unix only, as is everything private here

    return pwd.getpwuid(os.geteuid()).pw_name


@contextmanager
def private_redis(folder: Path) -> Iterator[str]:
    """An empty Redis that keeps nothing, on a free port of the loopback; its URL."""
    folder.mkdir()
    binary = program(*REDIS_SERVERS) or ""
    with ExitStack() as stack:
        port = stack.enter_context(redis_on_a_free_port(binary, folder))
        yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def redis_on_a_free_port(binary: str, folder: Path) -> Iterator[int]:
    """Somebody may take the port between the look and the start: then another one."""
    for attempt in range(1, REDIS_TRIES + 1):
        port = free_port()
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(folder)]
        server = running([binary, *options], folder / "log", lambda port=port: answers(("127.0.0.1", port)))
        try:
            server.__enter__()
        except MissingError:
            if attempt == REDIS_TRIES:
                raise
            continue
        try:
            yield port
        finally:
            server.__exit__(None, None, None)
        return


def free_port() -> int:
    """A port of the loopback that nobody uses at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(address: Path | tuple[str, int]) -> bool:
    """Whether somebody takes connections there."""
    family = socket.AF_UNIX if isinstance(address, Path) else socket.AF_INET
    with socket.socket(family) as client:
        client.settimeout(2)
        return client.connect_ex(str(address) if isinstance(address, Path) else address) == 0


def run_logged(command: list[str], log: Path) -> None:
    """Run to the end; MissingError with the log's tail when it fails."""
    with log.open("ab") as out:
        code = subprocess.run(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, check=False).returncode
    if code != 0:
        raise MissingError(f"{command[0]} failed (exit code {code}):\n{tail(log)}")


@contextmanager
def running(command: list[str], log: Path, ready: Callable[[], bool]) -> Iterator[None]:
    """A server as a child in a session of its own (Ctrl-C is for us), up while the block lasts."""
    with log.open("ab") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        wait_until_ready(process, log, ready)
        yield
    finally:
        end(process)


def wait_until_ready(process: subprocess.Popen[bytes], log: Path, ready: Callable[[], bool]) -> None:
    """Return when it answers; MissingError when it ends or takes too long."""
    until = time.monotonic() + START_SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > until:
            raise MissingError(f"{process.args[0]} did not start:\n{tail(log)}")  # type: ignore[index]
        time.sleep(0.1)
    if process.poll() is not None:
        raise MissingError(f"{process.args[0]} did not start; another one answers:\n{tail(log)}")  # type: ignore[index]


def end(process: subprocess.Popen[bytes]) -> None:
    """End it by its own process id."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def tail(log: Path, lines: int = 20) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
