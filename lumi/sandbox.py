"""Files from strangers are read by a process of its own: bounded in memory, time and open files, without our keys.

`run` starts this very file as a script; it takes on the limits and becomes the module that does the reading.
"""

import os
import resource
import runpy
import signal
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MEMORY = 2 * 1024**3  # bytes of address space
AT_ONCE = 2  # readers of one process: what they take together is bounded, too
KEPT = ("PATH", "TMPDIR", "LD_LIBRARY_PATH")
places = threading.BoundedSemaphore(AT_ONCE)


class Failed(Exception):
    """The reader ended badly: killed, out of memory or time, or with an error of its own. `output`: its last words."""

    def __init__(self, reason: str, output: str = "") -> None:
        super().__init__(reason)
        self.output = output


def run(module: str, *arguments: str, seconds: int, memory: int = MEMORY) -> str:
    """What `python -m module arguments…` prints. Raises Failed."""
    command = [sys.executable, str(Path(__file__).resolve()), str(seconds), str(memory), module, *arguments]
    with places:
        child = subprocess.Popen(  # noqa: S603  our own interpreter and module
            command, cwd=ROOT, env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, errors="replace", start_new_session=True,
        )  # fmt: skip
        try:
            said, complained = child.communicate(timeout=seconds * 2)
        except subprocess.TimeoutExpired:
            raise Failed("it took too long") from None
        finally:
            end(child)
    if child.returncode:
        raise Failed(f"it ended with {child.returncode}", complained[-500:])
    return said


def end(child: subprocess.Popen[str]) -> None:
    """Kill the child and what it started, if it has not ended; by its own id, which is its until it is waited for."""
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
        child.communicate()


def environment() -> dict[str, str]:
    """Nothing of ours: no keys, no settings; one thread, as others work on this machine."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return {**kept, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}


def take_on(seconds: int, memory: int) -> None:
    """The limits, for good."""
    for kind, most in (
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_NOFILE, 64),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (most, most))


def main() -> None:
    """`python sandbox.py SECONDS MEMORY MODULE ARGUMENTS…`"""
    seconds, memory, module = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    sys.argv = sys.argv[3:]
    sys.path[0] = str(ROOT)  # where this script lies is a package, not a place to import from
    take_on(seconds, memory)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
