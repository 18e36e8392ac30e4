"""`manage.py check_storage`: files without rows, rows without files."""

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError
from rich.filesize import decimal

from lumi import files, storage_check
from lumi.management.console import HouseCommand, meter, plain, span, table_of

SHOWN = 50  # of each kind, for people; --json has more


class Command(HouseCommand):
    """The rules are in `lumi.storage_check`."""

    help = (
        "Compares the storage with the rows that own its files. Exit code 1 if files without rows, or rows without "
        "files, are left. Rows without files are only told of: restore the files from a backup, or delete the rows "
        "where they are shown. With S3 the key needs the right ListBucket."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Look, mend, or undo."""
        parser.add_argument("--mend", action="store_true", help="doom files without rows: they are deleted in an hour")
        parser.add_argument("--spare", nargs="+", metavar="KEY", help="take files back that wait for their deletion")
        parser.add_argument(
            "--older-than", type=span, default=files.ORPHAN_AGE, metavar="AGE",
            help="files of less than this age may still get their row (default and least: 1h)",
        )  # fmt: skip
        self.add_by(parser)
        self.add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """One of the two."""
        with self.as_operator(options):
            if options["spare"]:
                storage_check.spare(options["spare"])
                self.stdout.write(f"{len(options['spare'])} file(s) will not be deleted.")
            else:
                self.compare(**options)

    def compare(self, *, mend: bool, **options: Any) -> None:
        """Look, print, and say whether anything is left wrong."""
        try:
            with meter() as tell:
                outcome = storage_check.check(older_than=options["older_than"], mend=mend, tell=tell)
        except files.StorageAway as error:
            raise CommandError(f"The storage does not answer: {error.__cause__!r}. Nothing was changed.") from error
        if options["json"]:
            self.print_json(asdict(outcome) | {"mended": mend})
        else:
            self.print_outcome(outcome, mend)
        self.judge(outcome, mend)

    def judge(self, outcome: storage_check.Outcome, mend: bool) -> None:
        """Raises CommandError for what is left."""
        if outcome.missing:
            raise CommandError(f"{outcome.missing} file(s) that rows name are gone. Restore them from a backup.")
        if outcome.ownerless and not mend:
            raise CommandError(f"{outcome.ownerless} file(s) have no row. `manage.py check_storage --mend` dooms them.")

    def print_outcome(self, outcome: storage_check.Outcome, mend: bool) -> None:
        """For people: numbers, then keys."""
        self.stdout.write(f"{outcome.files} files in the storage, {outcome.owned} of them owned by rows.")
        self.stdout.write(f"{outcome.missing} rows' files are gone.")
        fate = ", doomed: they are deleted in an hour, unless `--spare KEY` takes them back" if mend else ""
        size = decimal(outcome.ownerless_bytes)
        self.stdout.write(f"{outcome.ownerless} files without rows ({size}){fate if outcome.ownerless else ''}.")
        self.print_keys("gone", outcome.missing_keys, outcome.missing)
        self.print_keys("without a row", [(key, "") for key in outcome.ownerless_keys], outcome.ownerless)

    def print_keys(self, word: str, keys: list[tuple[str, str]], count: int) -> None:
        """The first of them."""
        if not keys:
            return
        table = table_of(word, "owner")
        for key, owner in keys[:SHOWN]:
            table.add_row(plain(key), plain(owner))
        self.print_table(table)
        if count > SHOWN:
            self.stdout.write(f"… and {count - SHOWN} more.")
