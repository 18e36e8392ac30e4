"""What the commands for the whole house share: tables for people, JSON for scripts, how far it is, and who does it."""

import getpass
import json
import sys
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.core.serializers.json import DjangoJSONEncoder
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from lumi import process
from lumi.chores import Refused

WIDE = 250  # columns where there is no terminal: nothing is cut
UNITS = {"m": "minutes", "h": "hours", "d": "days"}


class HouseCommand(BaseCommand):
    """A command that says who did it, speaks to people and to scripts, and shows how far it is."""

    requires_system_checks = []  # in trouble, nothing should stand in the way

    def add_by(self, parser: ArgumentParser) -> None:
        """Who is asking."""
        parser.add_argument("--by", metavar="NAME", default="", help="who does it (default: the system's user)")

    def add_json(self, parser: ArgumentParser) -> None:
        """For whom it is printed."""
        parser.add_argument("--json", action="store_true", help="print JSON, for scripts")

    @contextmanager
    def as_operator(self, options: dict[str, Any]) -> Iterator[None]:
        """What is done inside is written down as the operator's doing; a refusal becomes the command's error."""
        try:
            with process.acting_as(f"operator {options['by'] or system_user()}"):
                yield
        except Refused as error:
            raise CommandError(str(error)) from error

    def print_json(self, value: Any) -> None:
        """For scripts."""
        self.stdout.write(json.dumps(value, cls=DjangoJSONEncoder, ensure_ascii=False, indent=2))

    def print_table(self, table: Table) -> None:
        """For people."""
        at_terminal = self.stdout.isatty()
        page = StringIO()
        width = None if at_terminal else WIDE
        Console(file=page, width=width, force_terminal=at_terminal, markup=False, highlight=False).print(table)
        self.stdout.write(page.getvalue(), style_func=str)


class Meter:
    """How far long work is, on the terminal of whoever waits; silent where nobody looks."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.bars: dict[str, TaskID] = {}

    def __call__(self, what: str, done: int, total: int | None = None) -> None:
        """So many of so many; `total` None where nobody knows."""
        if what not in self.bars:
            self.bars[what] = self.progress.add_task(what, total=total)
        self.progress.update(self.bars[what], completed=done, total=total)


@contextmanager
def meter() -> Iterator[Meter]:
    """On standard error, so that what is printed can be piped."""
    console = Console(file=sys.stderr)
    columns = (TextColumn("{task.description}"), BarColumn(20), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield Meter(progress)


def system_user() -> str:
    """The operating system's user; a container may have none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def span(text: str) -> timedelta:
    """A span of time on the command line: 90m, 12h, 180d."""
    number, unit = text[:-1], text[-1:]
    if unit not in UNITS or not (number.isascii() and number.isdigit() and len(number) < 6):
        raise ArgumentTypeError(f"{text!r} is no span of time: write 90m, 12h or 180d")
    return timedelta(**{UNITS[unit]: int(number)})


def shown_span(span: timedelta) -> str:
    """The same in the other direction."""
    hours = int(span.total_seconds() // 3600)
    return f"{hours // 24}d" if hours % 24 == 0 else f"{hours}h"


def table_of(*columns: str, whole: tuple[str, ...] = ()) -> Table:
    """An empty table; columns named in `whole` are never broken into lines."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, no_wrap=column in whole, overflow="fold")
    return table


def plain(value: Any) -> str:
    """Text for a terminal: what a file or a person is called cannot steer it."""
    text = "" if value is None else str(value)
    return "".join(sign if sign.isprintable() else " " for sign in text)
