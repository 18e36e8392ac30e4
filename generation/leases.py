"""Heartbeats: one thread a process renews the leases of all jobs in hand. A renewal that is refused means that somebody
else has the job: the fence will refuse whatever this process still writes of it."""

import logging
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.db import Error, connection

from generation import queue
from generation.models import Job
from lumi import clock, process

logger = logging.getLogger(__name__)


class Heartbeat:
    """The jobs in hand, by kind, and the thread that renews their leases while there are any."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.in_hand: dict[str, Counter[str]] = {}  # how many threads: one that lost the job may still be at it
        self.thread: threading.Thread | None = None

    @contextmanager
    def holding(self, *jobs: Job) -> Iterator[None]:
        """Renew the jobs' leases until the work on them is done."""
        for job in jobs:
            self.add(job.kind, job.pk)
        try:
            yield
        finally:
            for job in jobs:
                self.drop(job.kind, job.pk)

    def add(self, kind: str, job_id: str) -> None:
        """Take a job in hand."""
        with self.lock:
            self.in_hand.setdefault(kind, Counter())[job_id] += 1
            if self.thread is None or not self.thread.is_alive():
                self.thread = threading.Thread(target=self.run, name="lumi-heartbeat", daemon=True)
                self.thread.start()

    def drop(self, kind: str, job_id: str) -> None:
        """Out of hand."""
        with self.lock:
            self.in_hand[kind] -= Counter([job_id])  # drops what is at zero

    def snapshot(self) -> dict[str, list[str]]:
        """What is in hand now."""
        with self.lock:
            return {kind: list(ids) for kind, ids in self.in_hand.items() if ids}

    def run(self) -> None:
        """Beat three times a lease, as long as the process lives."""
        pause = threading.Event()
        while not pause.wait(settings.GENERATION["lease"] / 3):
            self.beat()

    def beat(self) -> None:
        """One UPDATE for each kind that is in hand."""
        try:
            for kind, ids in self.snapshot().items():
                mine = queue.jobs_of(kind).filter(pk__in=ids, holder=process.name())
                mine.update(lease_until=queue.lease_from(clock.now()))
        except Error:
            logger.warning("leases could not be renewed")
        finally:
            connection.close()


heartbeat = Heartbeat()
