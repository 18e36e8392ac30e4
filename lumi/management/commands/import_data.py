"""`manage.py import_data IN`: an archive of export_data becomes this installation."""

from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from lumi import files
from lumi.instance import importing
from lumi.management.commands.export_data import summary
from lumi.management.console import HouseCommand, meter


class Command(HouseCommand):
    """The rules are in `lumi.instance`."""

    help = (
        "Reads an archive of export_data into an empty installation: the same version, migrated, nobody in it, nothing "
        "running. Every row and file is read again and compared; where anything differs, nothing is kept."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Wherefrom."""
        parser.add_argument("source", type=Path, metavar="IN", help="IN.zip, or a folder")
        self.add_by(parser)
        self.add_json(parser)

    def handle(self, *args: Any, source: Path, **options: Any) -> None:
        """Read it, and say what was in it."""
        try:
            with self.as_operator(options), meter() as tell:
                contents = importing.load(source, tell=tell)
        except files.StorageAway as error:
            raise CommandError(f"The storage does not answer: {error.__cause__!r}. Nothing was changed.") from error
        if options["json"]:
            self.print_json(asdict(contents) | {"checksum": contents.checksum})
        else:
            self.stdout.write(f"All is here, and is the same.\n{summary(contents)}")
