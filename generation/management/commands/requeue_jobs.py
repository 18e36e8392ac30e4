"""`manage.py requeue_jobs`: put failed jobs back into the queue."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from generation import pipeline
from generation.models import Job
from generation.queue import JOBS

FAILED = ("FAILED", "TIMEOUT")


class Command(BaseCommand):
    """Operators' first command after an outage."""

    help = "Queues failed jobs again. Each may be paid for again: it asks before, unless --yes is given."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which jobs."""
        parser.add_argument("ids", nargs="*", help="ids of jobs")
        parser.add_argument("--kind", choices=[*JOBS], help="only image jobs or only model jobs")
        parser.add_argument("--error", help="only jobs with this error code, such as OUTCOME_UNKNOWN")
        parser.add_argument("--all", action="store_true", help="all failed jobs")
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, **options: Any) -> None:
        """Find, ask, requeue, and say what was done."""
        if not options["ids"] and not options["all"] and not options["error"]:
            raise CommandError("Name job ids, or give --error CODE or --all.")
        jobs = [job for kind in JOBS if options["kind"] in (None, kind) for job in self.find(kind, options)]
        self.refuse_unknown(options["ids"], jobs)
        for job in jobs:
            self.stdout.write(f"{job.kind:5}  {job.id}  {job.status:9}  {job.error_code}")
        if not jobs:
            self.stdout.write("No failed job matches.")
            return
        if not options["yes"] and not self.confirmed(len(jobs)):
            raise CommandError("Nothing was changed.")
        done = sum(pipeline.requeue(job=job) for job in jobs)
        self.stdout.write(self.style.SUCCESS(f"{done} of {len(jobs)} jobs were queued again."))

    def find(self, kind: str, options: dict[str, Any]) -> list[Job]:
        """The failed jobs of one kind that are meant, the oldest first."""
        jobs = JOBS[kind]._default_manager.filter(status__in=FAILED)
        if options["ids"]:
            jobs = jobs.filter(pk__in=options["ids"])
        if options["error"]:
            jobs = jobs.filter(error_code=options["error"])
        return list(jobs.order_by("created_at", "id"))

    def refuse_unknown(self, ids: list[str], jobs: list[Job]) -> None:
        """A mistyped id is an error, not silence."""
        missing = set(ids) - {job.id for job in jobs}
        if missing:
            raise CommandError(f"Not a failed job: {', '.join(sorted(missing))}")

    def confirmed(self, number: int) -> bool:
        """The operator says yes."""
        question = f"Queue {number} job(s) again? The providers may charge for them again. [y/N] "
        return input(question).strip().lower() in ("y", "yes")
