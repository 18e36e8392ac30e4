"""`manage.py prune`: rows that nobody needs any more, by age."""

from argparse import ArgumentParser
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError

from lumi import pruning
from lumi.management.console import HouseCommand, meter, shown_span, span, table_of


class Command(HouseCommand):
    """The rules are in `lumi.pruning` and in the rooms that have such rows."""

    help = (
        "Deletes old rows in small transactions, by age. Without a name all kinds are pruned, each at its own age. "
        "Never the audit trail, never people's requests and models, never what sums of money are made from: rows of "
        "paid calls stay, and lose only what the provider answered."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """One age for each kind."""
        names = [heap.name for heap in pruning.heaps()]
        parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"only these: {', '.join(names)}")
        for heap in pruning.heaps():
            about = f"{heap.about} (default: {shown_span(heap.age)})"
            parser.add_argument(f"--{heap.name}", type=span, default=heap.age, metavar="AGE", help=about)
        parser.add_argument("--dry-run", action="store_true", help="only say how many rows there are")
        self.add_by(parser)
        self.add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Prune, and say what was pruned."""
        with self.as_operator(options), meter() as tell:
            done = pruning.prune(ages_of(options), dry_run=options["dry_run"], tell=tell)
        if options["json"]:
            self.print_json([asdict(one) for one in done])
        else:
            self.print_done(done, "would go" if options["dry_run"] else "gone")

    def print_done(self, done: list[pruning.Pruned], word: str) -> None:
        """For people."""
        table = table_of("kind", "from before", word)
        for one in done:
            table.add_row(one.name, f"{one.before:%Y-%m-%d %H:%M}", str(one.rows))
        self.print_table(table)


def ages_of(options: dict[str, Any]) -> dict[str, timedelta]:
    """By kind, for those that are named, or for all. Raises CommandError for a kind that there is not."""
    known = [heap.name for heap in pruning.heaps()]
    if strange := [kind for kind in options["kinds"] if kind not in known]:
        raise CommandError(f"There is no {', '.join(strange)}. Kinds are: {', '.join(known)}.")
    return {name: options[name.replace("-", "_")] for name in options["kinds"] or known}
