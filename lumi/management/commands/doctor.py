"""`manage.py doctor`: looks at everything that an installation needs."""

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError
from rich.table import Table
from rich.text import Text

from lumi.doctor.findings import Examination, Finding, Result, counted, examine
from lumi.doctor.rounds import all_examinations
from lumi.management.console import HouseCommand, meter, plain

COLOURS = {Result.OK: "green", Result.WARN: "yellow", Result.BAD: "bold red", Result.SKIPPED: "dim"}


class Command(HouseCommand):
    """The rules are in `lumi.doctor`."""

    help = (
        "Looks at everything that an installation needs, and says how to mend what is wrong. Exit code 1 when anything "
        "is bad. Each look ends in a bounded time; the longest waits for three rounds of the sweep."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """For whom it is printed, and whether a mail is sent."""
        parser.add_argument("--mail-to", default="", metavar="ADDRESS", help="send one mail there (default: none)")
        self.add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Look, print, and say whether anything is bad."""
        with meter() as tell:
            done = examine(all_examinations(mail_to=options["mail_to"]), tell)
        if options["json"]:
            self.print_json([{"check": one.name} | asdict(found) for one in done for found in one.found])
        else:
            self.print_findings(done)
        bad = dict(counted(done))[Result.BAD]
        if bad:
            raise CommandError(f"{bad} thing(s) must be mended.")

    def print_findings(self, done: list[Examination]) -> None:
        """For people: a line each, and below it what to do."""
        table = Table.grid(padding=(0, 2))
        for column in ("result", "name"):
            table.add_column(column, no_wrap=True)
        table.add_column("says", overflow="fold")
        for one in done:
            for number, found in enumerate(one.found):
                name = "" if number else one.name
                table.add_row(Text(found.result, COLOURS[found.result]), name, sentences(found))
        self.print_table(table)
        self.stdout.write(", ".join(f"{number} {result}" for result, number in counted(done) if number))


def sentences(found: Finding) -> Text:
    """What is so, and how to mend it."""
    text = Text(plain(found.says))
    if found.mend:
        text.append(f"\n→ {plain(found.mend)}", "italic")
    return text
