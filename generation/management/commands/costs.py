"""`manage.py costs`: what a month has cost, by provider, product, person or day."""

from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from generation import operators, spending
from generation.management.console import OperatorCommand, table_of
from lumi.management.console import plain

NAMES = {"usedPercent": "used"}  # of columns


def month(text: str) -> spending.Month:
    """A month on the command line."""
    try:
        return spending.Month.read(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no month: write 2026-11") from None


class Command(OperatorCommand):
    """The rules are in `generation.operators`."""

    help = "Sums what calls to providers have cost in a calendar month (UTC), with the budgets and how much is used."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Which month, and by what."""
        parser.add_argument("--month", type=month, metavar="YYYY-MM", help="default: this one")
        parser.add_argument("--by", choices=[*operators.COSTS], default="provider")
        self.add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """One table, and the total."""
        facts = operators.costs(options["by"], options["month"] or spending.this_month())
        if options["json"]:
            self.print_json(facts)
        else:
            self.print_costs(facts, facts[options["by"]])

    def print_costs(self, facts: dict[str, Any], rows: list[dict[str, Any]]) -> None:
        """For people."""
        if rows:
            table = table_of(*(NAMES.get(name, name) for name in rows[0]))
            for row in rows:
                table.add_row(*(shown(name, value) for name, value in row.items()))
            self.print_table(table)
        cost = shown("cost", facts["cost"])
        self.stdout.write(f"{facts['month']}: {facts['calls']} calls, {cost} {facts['currency']}")


def shown(name: str, value: Any) -> str:
    """Money to a hundredth of a hundredth, which is what a question to an LLM costs."""
    if value is None:
        return ""
    if name in ("cost", "budget"):
        return f"{value:.4f}"
    return f"{value} %" if name == "usedPercent" else plain(value)
