"""`manage.py requeue_jobs`: put failed jobs back into the queue; the same as `manage.py jobs requeue`."""

from argparse import ArgumentParser
from typing import Any

from generation.management.console import Requeueing


class Command(Requeueing):
    """Operators' first command after an outage."""

    help = "Queues failed jobs again. Each may be paid for again: it asks before, unless --yes is given."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which jobs."""
        self.add_requeue_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Find, ask, requeue, and say what was done."""
        self.as_json = options["json"]
        with self.as_operator(options):
            self.requeue(options)
