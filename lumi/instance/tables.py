"""The rows of an installation as lines of canonical JSON: the same bytes for the same row, whatever kind of database it
lies in. So a checksum over the lines proves that two databases hold the same.

A line is an object with the columns in alphabetical order, without spaces. Moments are UTC to the microsecond, decimals
are text with all their places. Permissions and content types, whose numbers every database gives out by itself, are
named.
"""

import base64
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from graphlib import TopologicalSorter
from typing import Any

from django.apps import apps
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection, models

from lumi.chores import Refused

PAGE = 500
# Not exported: what `migrate` makes in every database, what signs staff in by this machine's key, and notes on files
# that nobody owns, which stay behind.
LEFT_OUT = {"contenttypes.contenttype", "auth.permission", "sessions.session", "lumi.doomedfile"}
# Rows that migrations make, so that an empty installation has them, too.
MADE_BY_MIGRATIONS = {"auth.group", "auth.group_permissions", "lumi.audithead"}


def tables() -> list["Table"]:
    """All that are exported, each after those that its rows refer to; tables between two others are among them."""
    found = [model for model in apps.get_models(include_auto_created=True) if model._meta.managed]
    kept = {model for model in found if model._meta.label_lower not in LEFT_OUT and not model._meta.proxy}
    ordered = TopologicalSorter({model: targets_of(model) & kept for model in sorted(kept, key=label)})
    names = Names()
    return [Table(model, names) for model in ordered.static_order()]


def label(model: type[models.Model]) -> str:
    """As in "gallery.model"."""
    return model._meta.label_lower


def targets_of(model: type[models.Model]) -> set[Any]:
    """Those that its rows refer to, itself excepted."""
    return {field.related_model for field in model._meta.concrete_fields if field.remote_field} - {model}


class Table:
    """One table: its rows as lines, and lines as rows."""

    def __init__(self, model: type[models.Model], names: "Names") -> None:
        self.model = model
        self.name = label(model)
        self.names = names
        self.fields = sorted(model._meta.concrete_fields, key=lambda field: field.attname)
        self.columns = [field.attname for field in self.fields]
        self.pk = model._meta.pk.attname
        self.rows = model._base_manager.order_by("pk")

    def count(self) -> int:
        """How many rows there are."""
        return self.rows.count()

    def lines(self) -> Iterator[bytes]:
        """All rows, a page at a time."""
        at = self.columns.index(self.pk)
        page = list(self.rows.values_list(*self.columns)[:PAGE])
        while page:
            yield from map(self.line, page)
            page = list(self.rows.filter(pk__gt=page[-1][at]).values_list(*self.columns)[:PAGE])

    def lines_of(self, keys: Sequence[Any]) -> list[bytes]:
        """The rows with these primary keys, in this order. Raises Refused where one is not there."""
        at = self.columns.index(self.pk)
        found = {row[at]: self.line(row) for row in self.rows.filter(pk__in=keys).values_list(*self.columns)}
        try:
            return [found[key] for key in keys]
        except KeyError as error:
            raise Refused(f"A row of {self.name} cannot be read again.") from error

    def line(self, values: Sequence[Any]) -> bytes:
        """One row."""
        named = zip(self.fields, values, strict=True)
        return canonical({field.attname: self.names.name(field, value) for field, value in named}) + b"\n"

    def insert(self, lines: Sequence[bytes]) -> list[Any]:
        """Write rows as they are, their moments included; their primary keys. Raises Refused for what is no row."""
        rows = [self.values(line) for line in lines]
        quoted = [connection.ops.quote_name(str(field.column)) for field in self.fields]
        places = ", ".join(["%s"] * len(quoted))
        into = f"INSERT INTO {connection.ops.quote_name(self.model._meta.db_table)} ({', '.join(quoted)})"
        with connection.cursor() as cursor:
            cursor.executemany(
                f"{into} VALUES ({places})",  # the names are Django's own
                [[field.get_db_prep_save(row[field.attname], connection) for field in self.fields] for row in rows],
            )
        return [row[self.pk] for row in rows]

    def values(self, line: bytes) -> dict[str, Any]:
        """The values of a line, by column. Raises Refused."""
        try:
            given = json.loads(line)
            return {field.attname: self.value(field, given[field.attname]) for field in self.fields}
        except (ValueError, KeyError, TypeError) as error:
            raise Refused(f"The archive has a line that is no row of {self.name}.") from error

    def value(self, field: Any, given: Any) -> Any:
        """As Python has it. What is empty, or JSON itself, needs no reading."""
        known = self.names.number(field, given)
        return known if known is None or isinstance(field, models.JSONField) else field.to_python(known)


class Names:
    """The names of permissions and content types, by their numbers in this database, and the other way."""

    def __init__(self) -> None:
        types: dict[int, tuple[str, ...]] = {row.pk: (row.app_label, row.model) for row in ContentType.objects.all()}
        permissions = Permission.objects.values_list("pk", "content_type", "codename")
        self.known: dict[Any, dict[int, tuple[str, ...]]] = {
            ContentType: types,
            Permission: {pk: (*types[content_type], codename) for pk, content_type, codename in permissions},
        }
        self.numbers = {model: {name: pk for pk, name in known.items()} for model, known in self.known.items()}

    def name(self, field: Any, value: Any) -> Any:
        """For a column that refers to one of them; any other value as it is."""
        known = self.known.get(field.related_model)
        return list(known[value]) if known and value is not None else value

    def number(self, field: Any, given: Any) -> Any:
        """The other way. Raises Refused for a permission or a kind of row that there is not here."""
        numbers = self.numbers.get(field.related_model)
        if numbers is None or given is None:
            return given
        try:
            return numbers[tuple(given)]
        except KeyError as error:
            raise Refused(
                f"The archive speaks of {'.'.join(given)}, which is not known here: take it away there."
            ) from error


def canonical(content: Any) -> bytes:
    """JSON in its one spelling."""
    text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=spelled)
    return text.encode()


def spelled(value: Any) -> str:
    """What JSON has no word for."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, bytes | memoryview):
        return base64.b64encode(bytes(value)).decode()
    return str(value)
