"""Files that no row owns, and rows whose files are gone.

A room whose rows own files fills the slot FILE_KEYS with a callable that takes nothing and yields `(key, owner)` for
every file, as in `("images/…/cat.png", "image 0193…")`, a page of rows at a time.

Keys of both sides go into a small database in a temporary file, where they are compared: memory does not grow with
them. A file counts as nobody's only if it is older than the grace, no note says that it is on its way or on its way out
(`lumi.models.DoomedFile`), and a second look at all rows finds no owner either; a row's file counts as gone only if the
second look finds it in a row again, and the storage does not have it when it is asked for that very key. So whatever is
written, laid elsewhere or deleted meanwhile is neither.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils.module_loading import import_string

from lumi import clock, files
from lumi.chores import Refused, Tell, in_silence, note
from lumi.listing import listed
from lumi.models import DoomedFile

SHOWN = 1000  # of each kind are told one by one; all are counted
BATCH = 500
TELL_EVERY = 1000
SCHEMA = """
PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;
CREATE TABLE stored (key TEXT PRIMARY KEY, size INTEGER, is_old INTEGER) WITHOUT ROWID;
CREATE TABLE owned (key TEXT PRIMARY KEY, owner TEXT) WITHOUT ROWID;
CREATE TABLE ownerless (key TEXT PRIMARY KEY, size INTEGER) WITHOUT ROWID;
CREATE TABLE missing (key TEXT PRIMARY KEY, owner TEXT) WITHOUT ROWID;
"""
COMPARE = """
INSERT INTO ownerless SELECT key, size FROM stored WHERE is_old AND key NOT IN (SELECT key FROM owned);
INSERT INTO missing SELECT key, owner FROM owned WHERE owner != '' AND key NOT IN (SELECT key FROM stored);
"""
COMPARE_AGAIN = """
DELETE FROM ownerless WHERE key IN (SELECT key FROM owned);
DELETE FROM missing WHERE key NOT IN (SELECT key FROM owned WHERE owner != '');
"""

STORED, OWNERLESS, MISSING = (
    "SELECT COUNT(*) FROM stored",
    "SELECT COUNT(*) FROM ownerless",
    "SELECT COUNT(*) FROM missing",
)


@dataclass
class Outcome:
    """What was found. Both lists are cut at SHOWN, the numbers are not."""

    files: int = 0
    owned: int = 0
    ownerless: int = 0
    ownerless_bytes: int = 0
    missing: int = 0
    ownerless_keys: list[str] = field(default_factory=list)
    missing_keys: list[tuple[str, str]] = field(default_factory=list)  # key, owner

    @property
    def is_good(self) -> bool:
        """Every old file has an owner, every row has its files."""
        return not (self.ownerless or self.missing)


def check(*, older_than: timedelta = files.ORPHAN_AGE, mend: bool = False, tell: Tell = in_silence) -> Outcome:
    """Compare storage and rows. With `mend` the files that nobody owns are doomed: they go an hour later, unless they
    are spared. Rows without files are told of and left: only people know what they are worth. Raises Refused for a
    grace of less than an hour, and StorageAway."""
    if older_than < files.ORPHAN_AGE:
        raise Refused("A file may wait for its row for an hour: the grace cannot be less.")
    with ledger() as book:
        with files.storage_errors():
            write_stored(book, clock.now() - older_than, tell)
        write_owned(book, tell)  # after the files: what is stored from here on was not seen
        book.executescript(COMPARE)
        if any(count(book, table) for table in (OWNERLESS, MISSING)):
            book.execute("DELETE FROM owned")
            write_owned(book, tell)
            book.executescript(COMPARE_AGAIN)
            forget_found(book)
        if mend:
            doom(book)
        return outcome_of(book)


@contextmanager
def ledger() -> Iterator[sqlite3.Connection]:
    """An empty database in a file that is gone afterwards."""
    with files.workspace() as folder, closing(sqlite3.connect(folder / "keys", isolation_level=None)) as book:
        book.executescript(SCHEMA)
        yield book


def write_stored(book: sqlite3.Connection, before: datetime, tell: Tell) -> None:
    """What lies in the storage."""
    found = ((one.key, one.size, one.written_at < before) for one in listed())
    write(book, "INSERT OR REPLACE INTO stored VALUES (?, ?, ?)", found, tell, "files")


def write_owned(book: sqlite3.Connection, tell: Tell) -> None:
    """What has a note, without an owner; then what rows own. In this order: a note goes when its row is committed."""
    notes = ((key, "") for key in pages_of_notes())
    write(book, "INSERT OR REPLACE INTO owned VALUES (?, ?)", notes, tell, "notes")
    for slot in settings.FILE_KEYS:
        told = slot.split(".")[0]
        write(book, "INSERT OR REPLACE INTO owned VALUES (?, ?)", import_string(slot)(), tell, f"rows of {told}")


def write(book: sqlite3.Connection, statement: str, rows: Iterator[tuple[object, ...]], tell: Tell, what: str) -> None:
    """All rows, some at a time."""
    done = 0
    while batch := list(islice(rows, TELL_EVERY)):
        book.execute("BEGIN")
        book.executemany(statement, batch)
        book.execute("COMMIT")
        done += len(batch)
        tell(what, done, None)


def pages_of_notes() -> Iterator[str]:
    """Keys of all files that are on their way in or out."""
    last = ""
    notes = DoomedFile.objects.order_by("key").values_list("key", flat=True)
    while page := list(notes.filter(key__gt=last)[:BATCH]):
        yield from page
        last = page[-1]


def forget_found(book: sqlite3.Connection) -> None:
    """What the storage has after all, when it is asked for it."""
    with files.storage_errors():
        for (key,) in book.execute("SELECT key FROM missing").fetchall():
            if default_storage.exists(key):
                book.execute("DELETE FROM missing WHERE key = ?", [key])


def count(book: sqlite3.Connection, statement: str) -> int:
    """What a statement counts."""
    return int(book.execute(statement).fetchone()[0])


def outcome_of(book: sqlite3.Connection) -> Outcome:
    """What the two lists hold."""
    return Outcome(
        files=count(book, STORED),
        owned=book.execute("SELECT COUNT(*) FROM stored JOIN owned USING (key) WHERE owner != ''").fetchone()[0],
        ownerless=count(book, OWNERLESS),
        ownerless_bytes=book.execute("SELECT COALESCE(SUM(size), 0) FROM ownerless").fetchone()[0],
        missing=count(book, MISSING),
        ownerless_keys=[key for (key,) in book.execute("SELECT key FROM ownerless LIMIT ?", [SHOWN])],
        missing_keys=book.execute("SELECT key, owner FROM missing LIMIT ?", [SHOWN]).fetchall(),
    )


# --- Mending ----------------------------------------------------------------------------------------------------------


def doom(book: sqlite3.Connection) -> None:
    """Files that nobody owns go in an hour: until then a mistake can be undone. One line of the audit trail."""
    found = book.execute("SELECT key FROM ownerless")
    doomed = 0
    while batch := [key for (key,) in found.fetchmany(BATCH)]:
        after = clock.now() + files.ORPHAN_AGE
        DoomedFile.objects.bulk_create((DoomedFile(key=key, after=after) for key in batch), ignore_conflicts=True)
        doomed += len(batch)
    if doomed:
        note("doomed", files=doomed)


@transaction.atomic
def spare(keys: list[str]) -> None:
    """Take the note back from files that are to be deleted. Raises Refused, and spares none, where one has no note or
    its hour is over."""
    noted = set(DoomedFile.objects.filter(key__in=keys, after__gt=clock.now()).values_list("key", flat=True))
    if lost := [key for key in keys if key not in noted]:
        raise Refused(f"No file waits for its deletion under {', '.join(lost)}. Nothing was spared.")
    DoomedFile.objects.filter(key__in=keys).delete()
    note("spared", files=len(keys))
