"""A whole installation goes into an archive: every table as it is at one moment, and every file that a row owns.

The moment is the database's: rows are read in one transaction that sees no later ones and keeps nobody waiting. Files
follow it. What is read is never whole in memory; a ZIP keeps its list of contents there, less than a kilobyte a file.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.files.storage import default_storage
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils.module_loading import import_string

from lumi import clock, files
from lumi.chores import Refused, Tell, in_silence, note
from lumi.instance.bundles import MANIFEST, Bundle, Sealed, new_bundle, pieces, place_of
from lumi.instance.tables import Table, canonical, tables

FORMAT = 1
FILES = "files.jsonl"
TELL_EVERY = 1000
SNAPSHOTS = {
    "sqlite": ["BEGIN", "SELECT COUNT(*) FROM django_migrations"],  # what is read first is the moment
    "mysql": [
        "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY",
    ],
}  # fmt: skip


@dataclass(frozen=True)
class Contents:
    """What an archive holds. `tables`: by name, `{"rows", "sha256"}`; `files`: `{"count", "bytes", "missing",
    "sha256"}`, the last of the list of files, which has the checksum of each."""

    format: int
    made_at: str
    versions: dict[str, str]
    migrations: list[str]
    tables: dict[str, dict[str, Any]]
    files: dict[str, Any]

    @property
    def checksum(self) -> str:
        """Over all rows and all files: the same for two installations that hold the same."""
        return sha256(canonical({"tables": self.tables, "files": self.files})).hexdigest()


def export(path: Path, *, allow_missing: bool = False, tell: Tell = in_silence) -> Contents:
    """Write it all to `path`: a ZIP if the name ends so, else a folder. Raises Refused where something is there
    already, or where files are missing that rows own; and StorageAway. Then nothing is left of it."""
    with new_bundle(path) as bundle, files.workspace() as folder, closing(book_of_keys(folder)) as book:
        note("exported")  # before the moment, so that the archive says so, too
        with snapshot():
            head: dict[str, Any] = {"versions": versions(), "migrations": migrations()}
            rows = {table.name: write_table(bundle, table, tell) for table in tables()}
            collect_keys(book)
        stored = write_files(bundle, book, folder / FILES, tell)
        if stored["missing"] and not allow_missing:
            raise Refused(sentence_of_missing(folder / FILES, stored["missing"]))
        contents = Contents(format=FORMAT, made_at=clock.now().isoformat(), tables=rows, files=stored, **head)
        with bundle.create(MANIFEST) as manifest:
            manifest.write(json.dumps(asdict(contents), ensure_ascii=False, indent=1).encode())
    return contents


@contextmanager
def snapshot() -> Iterator[None]:
    """What is read inside is as it was at one moment; who writes meanwhile waits for nobody."""
    with connection.cursor() as cursor:
        for statement in SNAPSHOTS[connection.vendor]:
            cursor.execute(statement)
        try:
            yield
        finally:
            cursor.execute("ROLLBACK")


def versions() -> dict[str, str]:
    """What has made the archive, for people who look into it."""
    return {
        "lumi": str(settings.SPECTACULAR_SETTINGS["VERSION"]),
        "django": django.get_version(),
        "database": f"{connection.vendor} {'.'.join(map(str, connection.get_database_version()))}",
    }


def migrations() -> list[str]:
    """What was applied, as in "gallery.0001_initial"."""
    return sorted(f"{app}.{name}" for app, name in MigrationRecorder(connection).applied_migrations())


def write_table(bundle: Bundle, table: Table, tell: Tell) -> dict[str, Any]:
    """All rows of a table; how many, and their checksum."""
    done, total = 0, table.count()
    with bundle.create(f"tables/{table.name}.jsonl") as file:
        sealed = Sealed(file)
        for done, line in enumerate(table.lines(), 1):
            sealed.write(line)
            if done % TELL_EVERY == 0 or done == total:
                tell(table.name, done, total)
    return {"rows": done, "sha256": sealed.digest}


# --- Files ------------------------------------------------------------------------------------------------------------


def book_of_keys(folder: Path) -> sqlite3.Connection:
    """Where keys wait for their turn; each once."""
    book = sqlite3.connect(folder / "keys", isolation_level=None)
    book.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; CREATE TABLE keys (key TEXT PRIMARY KEY);")
    return book


def collect_keys(book: sqlite3.Connection) -> None:
    """The keys of all files that rows own."""
    book.execute("BEGIN")
    for slot in settings.FILE_KEYS:
        book.executemany("INSERT OR IGNORE INTO keys VALUES (?)", ((key,) for key, _ in import_string(slot)()))
    book.execute("COMMIT")


def write_files(bundle: Bundle, book: sqlite3.Connection, listed: Path, tell: Tell) -> dict[str, Any]:
    """Copy all files, then the list of them, in the order of their keys."""
    count = size = missing = 0
    (total,) = book.execute("SELECT COUNT(*) FROM keys").fetchone()
    with listed.open("wb") as lines:
        for (key,) in book.execute("SELECT key FROM keys ORDER BY key"):
            copied = copy(bundle, key)
            lines.write(canonical({"key": key, **copied}) + b"\n")
            count, size, missing = count + 1, size + (copied["size"] or 0), missing + (copied["sha256"] is None)
            tell("files", count, total)
    with listed.open("rb") as lines, bundle.create(FILES) as file:
        sealed = Sealed(file)
        for piece in pieces(lines):
            sealed.write(piece)
    return {"count": count, "bytes": size, "missing": missing, "sha256": sealed.digest}


def copy(bundle: Bundle, key: str) -> dict[str, Any]:
    """One file: its size and its checksum, None for one that the storage has not. Raises StorageAway."""
    try:
        with files.storage_errors(), default_storage.open(key) as source, bundle.create(place_of(key)) as file:
            sealed = Sealed(file)
            for piece in pieces(source):
                sealed.write(piece)
    except FileNotFoundError:
        return {"size": None, "sha256": None}
    return {"size": sealed.size, "sha256": sealed.digest}


def sentence_of_missing(listed: Path, count: int) -> str:
    """What an operator reads."""
    with listed.open("rb") as lines:
        first = next(one["key"] for one in map(json.loads, lines) if one["sha256"] is None)
    return (
        f"{count} file(s) that rows own are not in the storage, the first of them {first}. `manage.py check_storage` "
        "lists them. If they were laid elsewhere at this moment, try again; if they are lost, give --allow-missing. "
        "Nothing was written."
    )
