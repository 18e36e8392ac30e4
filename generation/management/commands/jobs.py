"""`manage.py jobs`: what operators do about jobs and queues. `manage.py jobs --help` lists the verbs."""

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandParser

from generation import operators
from generation.management.console import Requeueing, age, table_of
from generation.models import GenerationRequest
from generation.queue import JOBS
from generation.states import JobStatus, Stage
from lumi import process
from lumi.management.console import plain

Options = dict[str, Any]


def span(text: str) -> timedelta:
    """A span of time on the command line."""
    try:
        return operators.span(text)
    except operators.Refused as error:
        raise ArgumentTypeError(str(error)) from error


def positive(text: str) -> int:
    """A number of rows."""
    if not (text.isascii() and text.isdigit() and int(text)):
        raise ArgumentTypeError(f"{text!r} is not a number above 0")
    return int(text)


class Command(Requeueing):
    """One verb each; the rules are in `generation.operators`."""

    help = "Lists, shows, requeues, cancels, fails and adopts jobs; sweeps; pauses and resumes queues."

    def add_arguments(self, parser: CommandParser) -> None:
        """The verbs."""
        self.verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB", title="verbs")
        self.add_list()
        self.add_verb("show", self.show, "everything about one job, with its history").add_argument("id", metavar="ID")
        self.add_requeue()
        cancel = self.add_verb("cancel", self.cancel, "cancel the whole requests of jobs, as their owners would")
        cancel.add_argument("ids", nargs="+", metavar="ID")
        fail = self.add_verb("fail", self.fail, "end jobs by hand, as FAILED")
        fail.add_argument("ids", nargs="+", metavar="ID")
        fail.add_argument("--reason", default="", help="for other operators; people never see it")
        adopt = self.add_verb("adopt", self.adopt, "go on with a job of unknown outcome that the provider has")
        adopt.add_argument("id", metavar="ID")
        adopt.add_argument("provider_job_id", metavar="PROVIDER_JOB_ID", help="as the provider's own list has it")
        self.add_verb("sweep", self.sweep, "one round of the sweeps, now")
        pause = self.add_verb("pause", self.pause, "start nothing new of a queue; what runs goes on")
        pause.add_argument("kind", choices=operators.QUEUES)
        self.add_verb("resume", self.resume, "end a pause").add_argument("kind", choices=operators.QUEUES)
        self.add_verb("queues", self.queues, "how each queue stands, and who paused it", aliases=["pauses"])

    def add_verb(self, name: str, act: Callable[[Options], None], text: str, **more: Any) -> ArgumentParser:
        """One verb; all know `--json` and `--by`."""
        parser: ArgumentParser = self.verbs.add_parser(name, help=text, description=text, **more)
        parser.set_defaults(act=act)
        self.add_by(parser)
        self.add_json(parser)
        return parser

    def add_list(self) -> None:
        """`list` and what narrows it."""
        parser = self.add_verb("list", self.list_jobs, "jobs, the newest first")
        parser.add_argument("--kind", choices=[*JOBS], default="")
        parser.add_argument("--status", nargs="+", choices=[*JobStatus], default=[], metavar="STATUS", type=str.upper)
        parser.add_argument("--stage", nargs="+", choices=[*Stage], default=[], metavar="STAGE", type=str.upper)
        parser.add_argument("--older-than", type=span, metavar="AGE", help="created longer ago: 10m, 2h, 3d")
        parser.add_argument("--owner", default="", metavar="WHO", help="e-mail or id")
        parser.add_argument("--provider", default="", metavar="NAME")
        parser.add_argument("--error", default="", metavar="CODE")
        parser.add_argument("--limit", type=positive, default=50, metavar="N")
        parser.add_argument("--oldest", action="store_true", help="the oldest first")

    def add_requeue(self) -> None:
        """`requeue`, as `manage.py requeue_jobs` has it."""
        parser = self.verbs.add_parser("requeue", help="queue failed jobs again; asks before paying again")
        parser.set_defaults(act=self.requeue)
        self.add_requeue_arguments(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what the verb says, as the operator."""
        self.as_json = options["json"]
        with self.as_operator(options):
            options["act"](options)

    # --- Look ---

    def list_jobs(self, options: Options) -> None:
        """Jobs, a line each."""
        wanted = operators.Wanted(
            kind=options["kind"],
            statuses=tuple(options["status"]),
            stages=tuple(options["stage"]),
            older_than=options["older_than"],
            owner=options["owner"],
            provider=options["provider"],
            error=options["error"],
        )
        jobs = operators.find(wanted, newest_first=not options["oldest"], most=options["limit"])
        if self.as_json:
            self.print_json(operators.briefs(jobs))
        elif jobs:
            self.print_jobs(jobs)
        else:
            self.stdout.write("No job matches.")

    def show(self, options: Options) -> None:
        """One job with its request, the calls that were paid for, and its history."""
        (job,) = operators.named([options["id"]])
        facts = operators.full(job)
        if self.as_json:
            self.print_json(facts)
            return
        self.print_facts("job", facts["job"])
        self.print_facts("request", facts["request"])
        self.print_rows("call", facts["calls"])
        self.print_rows("history", facts["history"])

    def queues(self, options: Options) -> None:
        """How each queue stands."""
        found = operators.queues()
        if self.as_json:
            self.print_json(found)
            return
        table = table_of(
            "queue",
            "waiting",
            "running",
            "unknown",
            "oldest wait",
            "paused by",
            "breakers open",
            "budgets near or over",
        )
        for row in found:
            numbers = (str(row[word]) for word in ("waiting", "running", "unknown"))
            table.add_row(
                row["queue"], *numbers, age(row["oldestSeconds"]), plain(row["pausedBy"]),
                ", ".join(row["breakers"]), ", ".join(row["budgets"]),
            )  # fmt: skip
        self.print_table(table)

    def print_facts(self, title: str, facts: dict[str, Any]) -> None:
        """A name and a value a line; what is empty is left out."""
        table = table_of(title, "")
        for name, value in facts.items():
            if value not in ("", None, []):
                table.add_row(name, plain(value))
        self.print_table(table)

    def print_rows(self, title: str, rows: list[dict[str, Any]]) -> None:
        """One row each, in order."""
        if not rows:
            self.stdout.write(f"{title}: nothing")
            return
        table = table_of(*rows[0])
        table.title = title
        for row in rows:
            table.add_row(*map(plain, row.values()))
        self.print_table(table)

    # --- Do ---

    def cancel(self, options: Options) -> None:
        """The requests of these jobs, once each."""
        requests: dict[str, GenerationRequest] = {}
        for job in operators.named(options["ids"]):
            requests[job.request_id] = operators.request_of(job)
        self.one_by_one([*requests.values()], "cancelled", operators.cancel)

    def fail(self, options: Options) -> None:
        """These jobs, each in a transaction of its own."""
        reason = options["reason"] or f"ended by {process.actor.get()}"
        self.one_by_one(operators.named(options["ids"]), "ended", lambda job: operators.fail(job, reason))

    def adopt(self, options: Options) -> None:
        """This job, from where the provider is with it."""
        jobs = operators.named([options["id"]])
        self.one_by_one(jobs, "adopted", lambda job: operators.adopt(job, options["provider_job_id"]))

    def sweep(self, options: Options) -> None:
        """One round, and what it wrote into the histories of jobs."""
        done = operators.sweep()
        told = ", ".join(f"{event} {number}" for event, number in done.items()) or "no job had to be moved"
        self.report({"swept": done}, f"Swept: {told}.")

    def pause(self, options: Options) -> None:
        """Stop a queue; doubled, it changes nothing."""
        pause, is_new = operators.pause(options["kind"])
        text = f"{pause.kind} is paused" if is_new else f"{pause.kind} was already paused"
        facts = {"queue": pause.kind, "paused": True, "changed": is_new, "pausedBy": pause.paused_by}
        self.report(facts, f"{text} by {plain(pause.paused_by)}.")

    def resume(self, options: Options) -> None:
        """Let a queue go on; doubled, it changes nothing."""
        kind, was_paused = options["kind"], operators.resume(options["kind"])
        text = f"{kind} goes on." if was_paused else f"{kind} was not paused."
        self.report({"queue": kind, "paused": False, "changed": was_paused}, text)

    def report(self, facts: dict[str, Any], text: str) -> None:
        """What was done, for scripts or for people."""
        if self.as_json:
            self.print_json(facts)
        else:
            self.stdout.write(self.style.SUCCESS(text))
