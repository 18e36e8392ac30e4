"""`manage.py moderate`: what staff decide about models, from scripts. `manage.py moderate --help` lists the verbs."""

from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable
from functools import partial
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db.models import QuerySet
from django.utils import translation

from gallery import moderation
from gallery.models import Appeal, Decision, Model, Moderation, Report
from lumi.errors import LumiError
from lumi.management.console import HouseCommand, plain, table_of

Options = dict[str, Any]
LISTED, MOST_LISTED = 50, 1000
QUEUES: dict[str, Callable[[], QuerySet[Model]]] = {
    "new": lambda: Model.objects.filter(review_since__isnull=False).order_by("review_since", "id"),
    "reported": lambda: Model.objects.filter(open_reports__gt=0).order_by("-open_reports", "id"),
    "hidden": lambda: Model.objects.filter(moderation=Moderation.HIDDEN).order_by("-updated_at", "-id"),
    "appeals": lambda: Model.objects.filter(decisions__appeal__state=Appeal.State.OPEN).order_by(
        "decisions__appeal__created_at", "decisions__appeal__id"
    ),
}
# By name: what is done, in a word for people; whether it needs a reason (None: it takes none).
VERBS: dict[str, tuple[Callable[..., None], str, bool | None]] = {
    "approve": (moderation.approve, "approved", None),
    "hide": (moderation.hide, "hidden", True),
    "restore": (moderation.restore, "restored", False),
    "remove": (moderation.remove, "removed", True),
    "warn": (moderation.warn, "warned of", True),
    "suspend-owner": (moderation.suspend_owner, "suspended for", True),
}


class Command(HouseCommand):
    """One verb each; the rules are in `gallery.moderation`."""

    help = "Lists and shows models that wait for staff; approves, hides, restores and removes; warns and suspends."

    def add_arguments(self, parser: CommandParser) -> None:
        """The verbs."""
        self.verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB", title="verbs")
        found = self.add_verb("list", self.list_models, "models that wait, as staff see them")
        found.add_argument("--queue", choices=[*QUEUES], default="new")
        found.add_argument("--limit", type=number, default=LISTED, metavar="N")
        self.add_verb("show", self.show, "how a model stands, and why").add_argument("id", metavar="ID")
        for name, (_, word, reason) in VERBS.items():
            self.add_act(name, f"models are {word}", reason)

    def add_verb(self, name: str, act: Callable[[Options], None], text: str) -> ArgumentParser:
        """One verb; all know `--json` and `--by`."""
        parser: ArgumentParser = self.verbs.add_parser(name, help=text, description=text)
        parser.set_defaults(act=act)
        self.add_by(parser)
        self.add_json(parser)
        return parser

    def add_act(self, name: str, text: str, reason: bool | None) -> None:
        """A verb that changes something."""
        parser = self.add_verb(name, self.decide, text)
        parser.add_argument("ids", nargs="+", metavar="ID")
        if reason is not None:
            parser.add_argument("--reason", required=reason, default="", help="the owner reads it")
        if name == "remove":
            parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do what the verb says, as the operator."""
        with self.as_operator(options), translation.override("en"):
            options["act"](options)

    # --- Look ---

    def list_models(self, options: Options) -> None:
        """A line each."""
        rows = [brief(model) for model in QUEUES[options["queue"]]()[: options["limit"]]]
        if options["json"]:
            self.print_json(rows)
        elif rows:
            self.print_rows(rows)
        else:
            self.stdout.write("Nothing waits there.")

    def show(self, options: Options) -> None:
        """One model, with what was decided and reported."""
        model = Model.objects.with_id(options["id"])
        if model is None:
            raise CommandError("There is no such model.")
        decisions, reports = decisions_of(model), reports_of(model)
        if options["json"]:
            self.print_json({"model": brief(model), "decisions": decisions, "reports": reports})
            return
        for rows in filter(None, ([brief(model)], decisions, reports)):
            self.print_rows(rows)

    def print_rows(self, rows: list[dict[str, Any]]) -> None:
        """For people; the columns are the first row's."""
        table = table_of(*rows[0], whole=("id",))
        for row in rows:
            table.add_row(*map(plain, row.values()))
        self.print_table(table)

    # --- Do ---

    def decide(self, options: Options) -> None:
        """The same for each model; what is refused is an error, but stops nothing else."""
        verb, word, reason = VERBS[options["verb"]]
        if options.get("yes") is False and not self.ask(f"Remove {len(options['ids'])} model(s), with their files?"):
            raise CommandError("Nothing was changed.")
        given = {} if reason is None else {"reason": options["reason"]}
        refused = {model_id: why for model_id in options["ids"] if (why := refusal(partial(verb, **given), model_id))}
        self.report(options, word, refused)

    def report(self, options: Options, word: str, refused: dict[str, str]) -> None:
        """What was done. Raises CommandError when not all was."""
        done = [model_id for model_id in options["ids"] if model_id not in refused]
        told = f"{len(done)} of {len(options['ids'])} model(s): {word}."
        if options["json"]:
            self.print_json({"done": done, "refused": refused})
        elif done:
            self.stdout.write(self.style.SUCCESS(told))
        if refused:
            raise CommandError("; ".join(f"{plain(model_id)}: {why}" for model_id, why in refused.items()))

    def ask(self, question: str) -> bool:
        """The operator says yes. The question goes to standard error, so that a script's JSON stays JSON."""
        self.stderr.write(f"{question} [y/N] ", style_func=str, ending="")
        self.stderr.flush()
        try:
            return input().strip().lower() in ("y", "yes")
        except EOFError:
            return False


def number(text: str) -> int:
    """Of rows."""
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= MOST_LISTED):
        raise ArgumentTypeError(f"{text!r} is not a number from 1 to {MOST_LISTED}")
    return int(text)


def refusal(verb: Callable[..., None], model_id: str) -> str:
    """Do it; why it could not be done, or ""."""
    try:
        verb(model_id=model_id)
    except LumiError as error:
        return str(error.message)
    return ""


def brief(model: Model) -> dict[str, Any]:
    """What a line says of a model."""
    return {
        "id": model.pk,
        "name": model.name,
        "owner": model.owner_id,
        "visibility": model.visibility,
        "moderation": model.moderation,
        "openReports": model.open_reports,
        "reviewSince": model.review_since,
        "publishedAt": model.published_at,
    }


def decisions_of(model: Model) -> list[dict[str, Any]]:
    """Oldest first, each with its appeal."""
    decisions = Decision.objects.filter(model=model).select_related("appeal").order_by("created_at", "id")
    return [
        {
            "verdict": decision.verdict, "reason": decision.reason, "decidedBy": decision.decided_by_id,
            "at": decision.created_at, "appeal": getattr(getattr(decision, "appeal", None), "state", None),
        }
        for decision in decisions
    ]  # fmt: skip


def reports_of(model: Model) -> list[dict[str, Any]]:
    """Oldest first."""
    reports = Report.objects.filter(model=model).order_by("created_at", "id")
    return [
        {
            "reason": report.reason, "text": report.text, "state": report.state, "reporter": report.reporter_id,
            "at": report.created_at,
        }
        for report in reports
    ]  # fmt: skip
