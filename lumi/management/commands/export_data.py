"""`manage.py export_data OUT`: a whole installation as one archive."""

from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from rich.filesize import decimal

from lumi import files
from lumi.instance import exporting
from lumi.management.console import HouseCommand, meter

WARNING = "It holds hashes of passwords and tokens, and the keys of second factors: keep it as you keep the database."


class Command(HouseCommand):
    """The rules are in `lumi.instance`."""

    help = (
        "Writes every row as it is at one moment, and every file that a row owns, to an archive that import_data "
        f"reads into any supported database. {WARNING} Lumi may go on working meanwhile."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Whereto."""
        parser.add_argument("out", type=Path, metavar="OUT", help="OUT.zip, or a folder; it must not be there yet")
        parser.add_argument("--allow-missing", action="store_true", help="go on where rows own files that are lost")
        self.add_by(parser)
        self.add_json(parser)

    def handle(self, *args: Any, out: Path, **options: Any) -> None:
        """Write it, and say what is in it."""
        try:
            with self.as_operator(options), meter() as tell:
                contents = exporting.export(out, allow_missing=options["allow_missing"], tell=tell)
        except files.StorageAway as error:
            raise CommandError(f"The storage does not answer: {error.__cause__!r}. Nothing was written.") from error
        except OSError as error:
            raise CommandError(f"{out} cannot be written: {error.strerror}. Nothing is left of it.") from error
        self.stderr.write(f"{out} is written. {WARNING}", style_func=self.style.WARNING)
        if options["json"]:
            self.print_json(asdict(contents) | {"checksum": contents.checksum})
        else:
            self.stdout.write(summary(contents))


def summary(contents: exporting.Contents) -> str:
    """For people."""
    rows = sum(table["rows"] for table in contents.tables.values())
    lost = f", {contents.files['missing']} of them missing" if contents.files["missing"] else ""
    stored = f"{contents.files['count']} files ({decimal(contents.files['bytes'])}){lost}"
    return f"{rows} rows in {len(contents.tables)} tables, {stored}.\nchecksum {contents.checksum}"
