"""A Celery worker and its beat inside this process: what makes one command enough on a new machine.

Used with the `memory://` transport only, where there is no other process that could take part.
"""

import logging
import threading

from celery.beat import Scheduler, Service
from celery.worker import WorkController
from celery.worker import state as worker_state
from django.conf import settings
from django.db import connections

from lumi.celery import app

logger = logging.getLogger(__name__)

RECOVERY = "generation.recover"  # by name: imports look down
START_SECONDS = 30
BEAT_STOP_SECONDS = 5


def recover() -> None:
    """Release what an earlier process had in hand. Called directly and before anything else runs: a lease that is
    released while its work goes on would be work done twice."""
    app.loader.import_default_modules()
    app.tasks[RECOVERY]()
    connections.close_all()


class EmbeddedWorker:
    """One worker with a pool of threads, and one beat; both are threads of this process."""

    def __init__(self) -> None:
        self.ready = threading.Event()
        self.worker = WorkController(
            app=app,
            pool="threads",
            concurrency=settings.WORKER_THREADS,
            ready_callback=self._on_ready,
            # Nobody else is there to be talked to.
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
        )
        self.thread = threading.Thread(target=self.worker.start, name="lumi-worker", daemon=True)
        self.beat = Service(app, scheduler_cls=Scheduler)
        self.beat_thread = threading.Thread(target=self.beat.start, name="lumi-beat", daemon=True)

    def _on_ready(self, consumer: object) -> None:
        self.ready.set()

    def start(self) -> None:
        """Start both; returns when the worker takes messages."""
        worker_state.should_stop = None
        self.thread.start()
        if not self.ready.wait(START_SECONDS):
            raise RuntimeError("the embedded worker did not start")
        self.beat_thread.start()

    def alive(self) -> bool:
        """Whether both still run."""
        return self.thread.is_alive() and self.beat_thread.is_alive()

    def stop(self, seconds: float) -> bool:
        """Take nothing new, finish what is in flight; False when that takes longer than this."""
        self.beat.stop()
        worker_state.should_stop = 0  # type: ignore[assignment]  # Celery's word for: finish, then exit with 0
        self.beat_thread.join(BEAT_STOP_SECONDS)
        self.thread.join(seconds)
        return not self.thread.is_alive()
