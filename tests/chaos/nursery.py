"""Where processes are born fast: all is imported once, and each process is a fork of this one, with its own id.

Reads orders from stdin, one JSON object a line, and answers each with one line. When stdin ends, all are killed. An
order marked `fresh` becomes a new interpreter (exec) instead: slower, and the very thing an installation runs.
"""

import json
import os
import select
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

import django


class Nursery:
    """The processes by name; a name is free again when its process has ended."""

    def __init__(self) -> None:
        self.alive: dict[str, int] = {}
        self.codes: dict[str, int] = {}

    def reap(self) -> None:
        """Note who has ended."""
        for name, pid in list(self.alive.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                del self.alive[name]
                self.codes[name] = os.waitstatus_to_exitcode(status)

    def obey(self, order: dict[str, Any]) -> dict[str, Any]:
        """One order, one answer."""
        self.reap()
        name = order.get("name", "")
        if order["do"] == "start":
            return {"pid": self.start(name, order)}
        if order["do"] == "signal":
            return {"sent": self.signal(name, order["number"])}
        return {"alive": self.alive, "codes": self.codes}

    def start(self, name: str, order: dict[str, Any]) -> int:
        """Fork."""
        if name in self.alive:
            raise ValueError(f"{name} is running")
        self.codes.pop(name, None)
        pid = os.fork()
        if pid == 0:
            become(order)
        self.alive[name] = pid
        return pid

    def signal(self, name: str, number: int) -> bool:
        """Send a signal; False when it has ended already. Not reaped means that the id is still its own."""
        if name not in self.alive:
            return False
        os.kill(self.alive[name], number)
        return True

    def kill_all(self) -> None:
        """The end."""
        for pid in self.alive.values():
            os.kill(pid, signal.SIGKILL)
        for pid in self.alive.values():
            os.waitpid(pid, 0)


def become(order: dict[str, Any]) -> None:
    """In the child: never returns."""
    code = 1
    try:
        os.setsid()
        redirect(order["log"])
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        os.environ.update(order["environment"])
        if order.get("fresh"):
            os.execv(sys.executable, [sys.executable, *order["arguments"]])
        code = run(order["arguments"])
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:  # noqa: BLE001  the child must not go on as the nursery
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def redirect(log: str) -> None:
    """Nothing in; everything out goes to the log."""
    out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(out, 1)
    os.dup2(out, 2)
    sys.stdin, sys.stdout, sys.stderr = open(0), open(1, "w", buffering=1), open(2, "w", buffering=1)  # noqa: SIM115


def run(arguments: list[str]) -> int:
    """What `python ARGUMENTS` does, for `manage.py ...` and `-m celery -A lumi ...`."""
    from tests.chaos import apps, crashing  # noqa: PLC0415

    apps.choose_provider()
    crashing.arm()
    sys.argv = list(arguments)
    if arguments[0] == "manage.py":
        from django.core.management import execute_from_command_line  # noqa: PLC0415

        execute_from_command_line(arguments)
        return 0
    from lumi.celery import app  # noqa: PLC0415

    app.start(arguments[arguments.index("lumi") + 1 :])
    return 0


def learn() -> None:
    """Import what every child needs; no thread, no connection."""
    django.setup()
    import celery.apps.beat  # noqa: PLC0415
    import celery.apps.worker  # noqa: PLC0415
    import celery.bin.celery  # noqa: PLC0415
    import celery.concurrency.thread  # noqa: F401, PLC0415
    import kombu.transport.memory  # noqa: PLC0415
    import kombu.transport.redis  # noqa: F401, PLC0415

    import lumi.urls  # noqa: PLC0415
    import lumi.wsgi  # noqa: F401, PLC0415
    from lumi.celery import app  # noqa: PLC0415

    app.loader.import_default_modules()
    app.finalize()


def main() -> None:
    """Obey until nobody is there any more."""
    os.environ.pop("CRASH_AT", None)
    sys.path.insert(0, str(Path.cwd()))
    learn()
    nursery = Nursery()
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    out.write("ready\n")
    try:
        while True:
            readable, _, _ = select.select([sys.stdin], [], [], 0.1)
            nursery.reap()
            if not readable:
                continue
            line = sys.stdin.readline()
            if not line:
                break
            out.write(json.dumps(nursery.obey(json.loads(line))) + "\n")
    finally:
        nursery.kill_all()


if __name__ == "__main__":
    main()
