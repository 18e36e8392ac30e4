"""What the operators' commands share: tables for people, JSON for scripts, a question before money, who asks."""

from argparse import ArgumentParser
from collections.abc import Callable, Iterable
from io import StringIO
from typing import Any

from django.core.management.base import CommandError
from rich import box
from rich.console import Console
from rich.table import Table

from generation import operators
from generation.models import GenerationRequest, Job
from generation.queue import JOBS
from lumi.management.console import HouseCommand, plain

WIDE = 250  # columns where there is no terminal: nothing is cut
AGES = ((86_400, "d"), (3600, "h"), (60, "m"))


class OperatorCommand(HouseCommand):
    """A command about jobs."""

    as_json = False

    def print_table(self, table: Table) -> None:
        """For people; beside the JSON it goes to standard error."""
        out = self.stderr if self.as_json else self.stdout
        at_terminal = out.isatty()
        page = StringIO()
        width = None if at_terminal else WIDE
        Console(file=page, width=width, force_terminal=at_terminal, markup=False, highlight=False).print(table)
        out.write(page.getvalue(), style_func=str)

    def print_jobs(self, jobs: Iterable[Job]) -> None:
        """Jobs, a line each."""
        table = table_of(
            "kind", "id", "status", "stage", "provider", "attempt", "retries", "progress", "age", "owner", "error"
        )
        for fact in operators.briefs(jobs):
            words = ("kind", "id", "status", "stage", "provider", "attempt", "retryCount")
            table.add_row(
                *(plain(fact[word]) for word in words), f"{fact['progress']} %", age(fact["ageSeconds"]),
                plain(fact["owner"]), plain(fact["errorCode"]),
            )  # fmt: skip
        self.print_table(table)

    def ask(self, question: str) -> bool:
        """The operator says yes. The question goes to standard error, so that a script's JSON stays JSON."""
        self.stderr.write(f"{question} [y/N] ", style_func=str, ending="")
        self.stderr.flush()
        try:
            return input().strip().lower() in ("y", "yes")
        except EOFError:
            return False

    def one_by_one(self, things: list[Any], done_word: str, action: Callable[[Any], None]) -> None:
        """Do it to each, and say what was done. What was refused is an error, but stops nothing else."""
        refused: dict[str, str] = {}
        for thing in things:
            try:
                action(thing)
            except operators.Refused as error:
                refused[thing.pk] = str(error)
        done = [thing.pk for thing in things if thing.pk not in refused]
        if self.as_json:
            self.print_json({"done": done, "refused": refused})
        elif done or not refused:
            self.stdout.write(self.style.SUCCESS(f"{len(done)} of {len(things)} {nouns(things)} were {done_word}."))
        if refused:
            told = "; ".join(f"{pk}: {why}" for pk, why in refused.items())
            raise CommandError(f"{len(refused)} of {len(things)} {nouns(things)} were not {done_word}. {told}")


class Requeueing(OperatorCommand):
    """What `jobs requeue` and `requeue_jobs` are: find failed jobs, ask, queue them again."""

    def add_requeue_arguments(self, parser: ArgumentParser) -> None:
        """Which jobs."""
        parser.add_argument("ids", nargs="*", metavar="ID", help="ids of jobs")
        parser.add_argument("--kind", choices=[*JOBS], default="", help="only image jobs or only model jobs")
        parser.add_argument("--error", default="", help="only jobs with this error code, such as UNAVAILABLE")
        parser.add_argument("--all", action="store_true", help="all failed jobs")
        parser.add_argument("--yes", action="store_true", help="do not ask")
        parser.add_argument(
            "--accept-double-charge", action="store_true", help="also jobs of unknown outcome: they may be paid twice"
        )
        self.add_by(parser)
        self.add_json(parser)

    def requeue(self, options: dict[str, Any]) -> None:
        """Find, ask, requeue, and say what was done."""
        if not options["ids"] and not options["all"] and not options["error"]:
            raise CommandError("Name job ids, or give --error CODE or --all.")
        wanted = operators.Wanted(ids=tuple(options["ids"]), kind=options["kind"], error=options["error"])
        jobs = operators.failed_ones(wanted)
        if not jobs and not self.as_json:
            self.stdout.write("No failed job matches.")
            return
        self.print_jobs(jobs)
        self.refuse_double_charge(jobs, options)
        if jobs and not options["yes"] and not self.ask(question(jobs)):
            raise CommandError("Nothing was changed.")
        self.one_by_one(jobs, "queued again", operators.requeue)

    def refuse_double_charge(self, jobs: list[Job], options: dict[str, Any]) -> None:
        """Paying twice takes a word of its own."""
        doubtful = [job.pk for job in jobs if operators.may_be_paid_twice(job)]
        if doubtful and not options["accept_double_charge"]:
            raise CommandError(
                f"{len(doubtful)} of {len(jobs)} jobs may have been paid for already (OUTCOME_UNKNOWN) and would be "
                f"paid twice: {', '.join(doubtful)}. Look at the provider's own list first; then give "
                "--accept-double-charge. Nothing was changed."
            )


def question(jobs: list[Job]) -> str:
    """What is asked before money is spent."""
    doubtful = sum(map(operators.may_be_paid_twice, jobs))
    twice = f" {doubtful} of them may be paid for twice (OUTCOME_UNKNOWN)." if doubtful else ""
    return f"Queue {len(jobs)} job(s) again? The providers may charge for them again.{twice}"


def nouns(things: list[Any]) -> str:
    """What they are."""
    return "requests" if things and isinstance(things[0], GenerationRequest) else "jobs"


def table_of(*columns: str) -> Table:
    """An empty table. Ids are never cut."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=column in ("id", "age", "at"), overflow="fold")
    return table


def age(seconds: int | None) -> str:
    """45s, 12m, 3h, 2d."""
    if seconds is None:
        return ""
    return next((f"{seconds // size}{unit}" for size, unit in AGES if seconds >= size), f"{seconds}s")
