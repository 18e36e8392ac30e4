"""`manage.py recount`: proves the kept counters against the rows that they count."""

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError

from lumi import tallies
from lumi.management.console import HouseCommand, meter, plain, table_of

NOTHING_TO_COUNT = f"{' and '.join(tallies.NO_ROWS)} have no rows behind them: nothing to prove them by."


class Command(HouseCommand):
    """The rules are in `lumi.tallies` and in the rooms that keep counters."""

    help = f"Proves kept counters against their rows. Exit code 1 if any are wrong and not mended. {NOTHING_TO_COUNT}"

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Look, or mend."""
        parser.add_argument("--mend", action="store_true", help="write what was counted")
        self.add_by(parser)
        self.add_json(parser)

    def handle(self, *args: Any, mend: bool, **options: Any) -> None:
        """Count, print, and say whether anything is left wrong."""
        with self.as_operator(options), meter() as tell:
            outcome = tallies.recount(mend=mend, tell=tell)
        if options["json"]:
            self.print_json(asdict(outcome) | {"mended": mend})
        else:
            self.print_outcome(outcome, "mended" if mend else "wrong")
        if not (mend or outcome.is_good):
            wrong = sum(outcome.wrong.values())
            raise CommandError(f"{wrong} counter(s) are wrong. `manage.py recount --mend` writes what was counted.")

    def print_outcome(self, outcome: tallies.Outcome, word: str) -> None:
        """For people: each counter, then what differs."""
        table = table_of("counter", "rows", word)
        for name, rows in outcome.rows.items():
            table.add_row(name, str(rows), str(outcome.wrong[name]))
        self.print_table(table)
        if outcome.differences:
            self.print_differences(outcome.differences)
        self.stdout.write(NOTHING_TO_COUNT)

    def print_differences(self, differences: list[tallies.Difference]) -> None:
        """The first of them."""
        table = table_of("id", "counter", "kept", "counted", whole=("id",))
        for one in differences:
            table.add_row(plain(one.row), one.counter, str(one.kept), str(one.counted))
        self.print_table(table)
