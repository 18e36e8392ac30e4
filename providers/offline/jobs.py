"""The folder of one build: its order, progress and results on disk, and the lock that its worker process holds.

A build is alive exactly as long as its lock is held: the kernel frees the lock when the process dies, however it dies.
The one who starts a build takes the lock and hands it down to the new process, so that there is no moment at which two
pollers could both find the build dead and start it twice.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from dataclasses import asdict, dataclass
from pathlib import Path

from providers.base import Fault, JobState
from providers.offline.files import is_old, write_whole

MOST_STARTS = 4  # once, and three times again
PICTURE, RESULTS = "picture.bin", "results"
_PROGRESS, _LOCK, _STARTS, _LOG = "progress.json", "lock", "starts", "log.txt"
_PROJECT = Path(__file__).resolve().parents[2]
_WORKER = "providers.offline.build"
_LONGEST_DEATH = 5.0  # seconds to wait for a killed process to be gone


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a build has come: `percent` of its steps are done. `fault` and `evidence` say why it FAILED."""

    state: JobState = JobState.RUNNING
    percent: int = 0
    fault: Fault | None = None
    permanent: bool = False
    evidence: str = ""


@dataclass(frozen=True)
class JobFolder:
    """One build's folder. Every method is safe while other processes use the same folder."""

    path: Path

    def exists(self) -> bool:
        """Whether the build is known."""
        return self.path.is_dir()

    def create(self, picture: bytes) -> None:
        """Put the order down whole; does nothing when the folder is there already."""
        beside = self.path.with_name(f".new-{uuid.uuid4().hex}")
        (beside / RESULTS).mkdir(parents=True)
        write_whole(beside / PICTURE, picture)
        try:
            beside.rename(self.path)
        except OSError:
            shutil.rmtree(beside)
            if not self.exists():
                raise

    def progress(self) -> Progress:
        """The last progress that the build wrote."""
        try:
            values = json.loads((self.path / _PROGRESS).read_text("utf-8"))
        except FileNotFoundError:
            return Progress()
        fault = Fault(values["fault"]) if values["fault"] else None
        return Progress(**{**values, "state": JobState(values["state"]), "fault": fault})

    def write_progress(self, progress: Progress) -> None:
        """Replace the progress; a reader sees the old one or the new one."""
        write_whole(self.path / _PROGRESS, json.dumps(asdict(progress)).encode())

    def keep_running(self) -> bool:
        """Start the build unless it is running or over. False when it has died MOST_STARTS times; then it has FAILED.

        Raises FileNotFoundError when the folder has just been removed.
        """
        lock = self._take_lock()
        if lock is None:
            return True
        try:
            if self.progress().state is not JobState.RUNNING:
                return True
            return self._start(lock)
        finally:
            os.close(lock)

    def remove(self) -> None:
        """Kill the build if it runs, and forget it."""
        grave = self.path.with_name(f".gone-{uuid.uuid4().hex}")
        try:
            self.path.rename(grave)  # from here on no poller finds it and starts it again
        except FileNotFoundError:
            return
        JobFolder(grave)._kill()
        shutil.rmtree(grave, ignore_errors=True)

    def _start(self, lock: int) -> bool:
        """Start the worker under our lock, which it inherits and holds until it dies."""
        starts = self._count_start()
        if starts > MOST_STARTS:
            evidence = f"the build died {MOST_STARTS} times; {self._log()[-500:]}"
            self.write_progress(
                Progress(state=JobState.FAILED, fault=Fault.JOB_FAILED, permanent=True, evidence=evidence)
            )
            return False
        with (self.path / _LOG).open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter and module; the path is ours
                [sys.executable, "-m", _WORKER, str(self.path.resolve())],
                cwd=_PROJECT,
                env=_clean_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                close_fds=True,
                pass_fds=(lock,),
                start_new_session=True,
            )
        os.pwrite(lock, f"{process.pid}\n".encode(), 0)
        threading.Thread(target=process.wait, name="offline-build-reaper", daemon=True).start()
        return True

    def _take_lock(self) -> int | None:
        """The lock as a file descriptor, empty of old process ids, or None when a build holds it."""
        lock = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return None
        os.truncate(lock, 0)
        return lock

    def _kill(self) -> None:
        """Kill whoever holds the lock, until nobody does: a held lock proves that its build is alive."""
        deadline = time.monotonic() + _LONGEST_DEATH
        while time.monotonic() < deadline:
            lock = self._take_lock()
            if lock is not None:
                os.close(lock)
                return
            process = (self.path / _LOCK).read_text().strip()
            if process:
                _kill_group(int(process))
            time.sleep(0.01)

    def _count_start(self) -> int:
        path = self.path / _STARTS
        starts = 1 + (int(path.read_text()) if path.exists() else 0)
        write_whole(path, str(starts).encode())
        return starts

    def _log(self) -> str:
        path = self.path / _LOG
        return path.read_text("utf-8", "replace") if path.exists() else ""


def sweep(root: Path) -> None:
    """Remove builds, and leftovers of builds, that began more than a day ago."""
    for path in root.iterdir():
        if is_old(path):
            JobFolder(path).remove()


def _kill_group(process: int) -> None:
    """Kill the worker and what it started; any other process that has come by this number is left alone."""
    try:
        if _is_worker(process):
            os.killpg(process, signal.SIGKILL)
    except (ProcessLookupError, FileNotFoundError):  # it has just ended
        return


def _is_worker(process: int) -> bool:
    """Whether the process runs our module, as far as this system can tell."""
    facts = Path(f"/proc/{process}")
    if not Path("/proc/self").exists():
        return True
    return facts.exists() and _WORKER.encode() in (facts / "cmdline").read_bytes().split(b"\0")


def _clean_environment() -> dict[str, str]:
    """Nothing of ours: no keys, no settings; one thread, as several builds share the machine."""
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "PYTHONUTF8": "1", "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
