"""A MariaDB and a Redis that may be killed and come back: same data, same address. Ended by their own process ids."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import redis

from tests.services import (
    MYSQL_SERVERS,
    REDIS_SERVERS,
    create_command,
    end,
    free_port,
    is_mariadb,
    program,
    run_logged,
    user_name,
    wait_until_ready,
)
from tests.services import answers as listens


class Server:
    """A process that is started, killed, and started again."""

    process: subprocess.Popen[bytes] | None = None

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.log = folder / "log"

    def command(self) -> list[str]:
        """What is started."""
        raise NotImplementedError

    def is_up(self) -> bool:
        """Whether it answers."""
        raise NotImplementedError

    def start(self) -> None:
        """Start, and wait until it answers."""
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
            )
        wait_until_ready(self.process, self.log, self.is_up)

    def kill(self) -> None:
        """kill -9."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self) -> None:
        """As an installation does."""
        if self.process:
            end(self.process)
            self.process = None


class Database(Server):
    """Every commit is on its way to the disk before it is answered, as in an installation: it will be killed."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.server = Path(program(*MYSQL_SERVERS) or "").resolve()
        self.socket = folder / "sock"
        self.url = f"mysql://root@localhost/lumi_chaos?unix_socket={self.socket}"
        run_logged(create_command(self.server, self.own), self.log)

    @property
    def own(self) -> list[str]:
        """Where it lives."""
        return ["--no-defaults", f"--datadir={self.folder / 'data'}", f"--user={user_name()}"]

    def command(self) -> list[str]:
        """Its options."""
        options = [f"--socket={self.socket}", f"--pid-file={self.folder / 'pid'}", "--skip-networking"]
        options += ["--skip-log-bin", "--innodb-flush-log-at-trx-commit=1", "--innodb-buffer-pool-size=64M"]
        options += ["--max-connections=300", "--character-set-server=utf8mb4"]
        options += [] if is_mariadb(self.server) else ["--mysqlx=OFF"]
        return [str(self.server), *self.own, *options]

    def is_up(self) -> bool:
        """Somebody takes connections."""
        return listens(self.socket)


class Broker(Server):
    """A Redis that keeps nothing."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        """Its options."""
        binary = program(*REDIS_SERVERS) or ""
        options = ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(self.folder)]
        return [binary, "--port", str(self.port), *options]

    def is_up(self) -> bool:
        """It answers a ping."""
        return listens(("127.0.0.1", self.port))

    def flush(self) -> None:
        """FLUSHALL; all that was queued is gone."""
        with redis.Redis(port=self.port, socket_timeout=5) as client:
            client.flushall()


def wait_for(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Wait; AssertionError when it does not come."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"not within {seconds} s: {what}"
        time.sleep(0.05)
