"""`manage.py audit`: prove that the audit trail is whole, export it, look at it."""

from argparse import ArgumentParser, ArgumentTypeError
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from lumi import audit
from lumi.management.console import HouseCommand, plain, table_of
from lumi.models import AuditEntry

COLUMNS = ("number", "at", "actor", "action", "subject_type", "subject_id", "reason")


def mark(text: str) -> audit.Mark:
    """A noted line on the command line."""
    try:
        return audit.Mark.read(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not as `audit verify` prints it: NUMBER:HASH") from None


def number(text: str) -> int:
    """A line's number on the command line."""
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 2**63):
        raise ArgumentTypeError(f"{text!r} is not the number of a line: they begin with 1")
    return int(text)


class Command(HouseCommand):
    """The rules are in `lumi.audit`."""

    help = "Proves that the audit trail is whole, exports it as JSON lines, or lists its newest lines."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """A verb, and its options."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        verify = verbs.add_parser("verify", help="prove that no line was changed, taken out or cut off")
        verify.add_argument("--since", type=number, default=1, metavar="N", help="look at nothing before this line")
        verify.add_argument(
            "--noted", type=mark, metavar="NUMBER:HASH", help="a line that an earlier run has printed: it must be there"
        )
        export = verbs.add_parser("export", help="print the lines as JSON, one a line, the oldest first")
        export.add_argument("--from", dest="first", type=number, default=1, metavar="N", help="begin with this line")
        export.add_argument("--out", type=Path, metavar="FILE", help="write to this file, which must not be there yet")
        listing = verbs.add_parser("list", help="print the newest lines as a table")
        listing.add_argument("--actor", default="", help="by whom, as the table shows it")
        listing.add_argument("--action", default="", help="what was done")
        listing.add_argument("--subject", default="", metavar="ID", help="the id of what it was done to")
        listing.add_argument("--limit", type=number, default=50, metavar="N")

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        """Do it."""
        {"verify": self.verify, "export": self.export, "list": self.list}[verb](options)

    def verify(self, options: dict[str, Any]) -> None:
        """Exit code 1, and what is wrong, unless all is well."""
        try:
            count, last = audit.verify(first=options["since"], noted=options["noted"])
        except audit.Altered as error:
            raise CommandError(f"The audit trail was altered: {error}.") from error
        self.stdout.write(self.style.SUCCESS(f"{count} lines are whole."))
        if last.number:
            self.stdout.write(f"Note this elsewhere: --noted {last}")

    def export(self, options: dict[str, Any]) -> None:
        """To the file, or to standard output."""
        if options["out"] is None:
            for line in audit.exported(options["first"]):
                self.stdout.write(line, ending="")
            return
        try:
            with options["out"].open("x", encoding="utf-8") as out:
                out.writelines(audit.exported(options["first"]))
        except OSError as error:
            raise CommandError(f"{options['out']} cannot be written: {error.strerror}") from error

    def list(self, options: dict[str, Any]) -> None:
        """The newest ones that match."""
        wanted = {"actor": options["actor"], "action": options["action"], "subject_id": options["subject"]}
        found = AuditEntry.objects.filter(**{name: value for name, value in wanted.items() if value})
        table = table_of(*COLUMNS, whole=("number", "at"))
        for entry in found.order_by("-number")[: options["limit"]]:
            table.add_row(*(shown(getattr(entry, name)) for name in COLUMNS))
        self.print_table(table)


def shown(value: Any) -> str:
    """A cell."""
    return value.isoformat(sep=" ", timespec="seconds") if isinstance(value, datetime) else plain(value)
