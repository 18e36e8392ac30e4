"""An archive becomes an installation: into an empty one of the same version, all of it or nothing.

Checksums are compared three times: of the archive, before anything is written; of the files, read from the storage
again; of the rows, read from the database again in the transaction that has written them. A failure takes back what was
written; what a killed import leaves of files is noted, and goes with the sweep or with the next import.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import IO, Any

from django.core.files import File
from django.core.files.storage import default_storage
from django.db import Error, transaction

from lumi import clock, files
from lumi.chores import Refused, Tell, in_silence, note
from lumi.instance.bundles import MANIFEST, Bundle, bundle, digest_of, place_of
from lumi.instance.exporting import FILES, FORMAT, Contents, migrations
from lumi.instance.tables import MADE_BY_MIGRATIONS, PAGE, Table, tables
from lumi.models import DoomedFile

NOTED_FOR = timedelta(days=7)  # files without a row; an import may take long
BATCH = 100  # files


def load(path: Path, *, tell: Tell = in_silence) -> Contents:
    """Read it all from `path`. Raises Refused, and then nothing was changed; and StorageAway."""
    with bundle(path) as source:
        contents = contents_of(source)
        require_same_version(contents)
        require_empty()
        check_archive(source, contents, tell)
        with stored(source, tell), written_rows():
            require_empty()
            empty()
            for table in tables():
                write_table(source, table, contents.tables[table.name], tell)
            own_files(source)
            note("imported", checksum=contents.checksum)
    return contents


@contextmanager
def written_rows() -> Iterator[None]:
    """One transaction. Raises Refused for what the database does not take."""
    try:
        with transaction.atomic():
            yield
    except Error as error:
        raise Refused(f"The database does not take it: {error}. Nothing was changed.") from error


# --- Before -----------------------------------------------------------------------------------------------------------


def contents_of(source: Bundle) -> Contents:
    """What the archive says of itself. Raises Refused."""
    try:
        with source.open(MANIFEST) as file:
            contents = Contents(**json.load(file))
    except (OSError, ValueError, TypeError) as error:
        raise Refused("This is no whole archive of export_data: it has no sound manifest.json.") from error
    if contents.format != FORMAT:
        raise Refused(f"The archive has format {contents.format}, and only {FORMAT} can be read.")
    return contents


def require_same_version(contents: Contents) -> None:
    """Raises Refused unless the same migrations were applied there and here."""
    here, there = set(migrations()), set(contents.migrations)
    names = {table.name for table in tables()}
    if here != there or names != set(contents.tables):
        odd = ", ".join(sorted((here ^ there) | (names ^ set(contents.tables)))[:5])
        raise Refused(f"The archive is of another version of Lumi, or `migrate` was not run here: {odd}.")


def require_empty() -> None:
    """Raises Refused where anybody has been before."""
    for table in tables():
        if table.name not in MADE_BY_MIGRATIONS and table.rows.exists():
            raise Refused(f"This installation is not empty: {table.name} has rows. Nothing was changed.")


def check_archive(source: Bundle, contents: Contents, tell: Tell) -> None:
    """Raises Refused unless everything in the archive is as its checksum says."""
    for number, (name, said) in enumerate(contents.tables.items(), 1):
        require_digest(source, f"tables/{name}.jsonl", said["sha256"])
        tell("checking tables", number, len(contents.tables))
    require_digest(source, FILES, contents.files["sha256"])
    for number, one in enumerate(present(source), 1):
        require_digest(source, place_of(one["key"]), one["sha256"])
        tell("checking files", number, contents.files["count"])


def require_digest(source: Bundle, name: str, said: str) -> None:
    """Raises Refused."""
    try:
        with source.open(name) as file:
            found = digest_of(file)
    except Exception as error:  # whatever a broken archive raises: zlib's, zipfile's, the disk's
        raise Refused(f"The archive is damaged: {name} cannot be read. Nothing was changed.") from error
    if found != said:
        raise Refused(f"The archive is damaged: {name} is not what it was. Nothing was changed.")


def present(source: Bundle) -> Iterator[dict[str, Any]]:
    """The files in the archive, as its list has them: `key`, `size`, `sha256`; not those that were lost before."""
    with source.open(FILES) as lines:
        yield from (one for one in map(json.loads, lines) if one["sha256"] is not None)


def batches(source: Bundle) -> Iterator[list[dict[str, Any]]]:
    """The same, some at a time."""
    found = present(source)
    while batch := list(islice(found, BATCH)):
        yield batch


# --- Rows -------------------------------------------------------------------------------------------------------------


def empty() -> None:
    """What migrations have made goes: the archive has it, too."""
    for table in reversed(tables()):
        if table.name in MADE_BY_MIGRATIONS:
            table.model._base_manager.all().delete()


def write_table(source: Bundle, table: Table, said: dict[str, Any], tell: Tell) -> None:
    """Write the rows and read them again. Raises Refused where something else comes back."""
    done = 0
    with source.open(f"tables/{table.name}.jsonl") as lines:
        while batch := list(islice(lines, PAGE)):
            if table.lines_of(table.insert(batch)) != batch:
                raise Refused(f"The database gives rows of {table.name} back otherwise than they were written.")
            done += len(batch)
            tell(table.name, done, said["rows"])
    if not done == said["rows"] == table.count():
        raise Refused(f"{table.name} has {table.count()} rows in place of {said['rows']}. Nothing was changed.")


# --- Files ------------------------------------------------------------------------------------------------------------


@contextmanager
def stored(source: Bundle, tell: Tell) -> Iterator[None]:
    """The files are in the storage while the block writes the rows that own them; gone again when it fails."""
    try:
        done = 0
        for batch in batches(source):
            write_files(source, batch)
            done += len(batch)
            tell("files", done, None)
        yield
    except BaseException:
        for batch in batches(source):
            noted = DoomedFile.objects.filter(key__in=[one["key"] for one in batch])
            files.delete_doomed(list(noted.values_list("key", flat=True)))
        raise


def write_files(source: Bundle, batch: list[dict[str, Any]]) -> None:
    """Note them, store them, read them again. Raises Refused and StorageAway."""
    keys = [one["key"] for one in batch]
    with files.storage_errors():
        make_way(keys)
    after = clock.now() + NOTED_FOR
    DoomedFile.objects.bulk_create(DoomedFile(key=key, after=after) for key in keys)
    for one in batch:
        with source.open(place_of(one["key"])) as file:
            write_file(one["key"], file, one["sha256"])


def make_way(keys: list[str]) -> None:
    """What a killed import has left may go; anything else is somebody's. Raises Refused."""
    files.delete_doomed(list(DoomedFile.objects.filter(key__in=keys).values_list("key", flat=True)))
    for key in keys:
        if default_storage.exists(key):
            raise Refused(f"The storage is not empty: {key} is there already. Nothing was changed.")


def write_file(key: str, file: IO[bytes], said: str) -> None:
    """Raises Refused where something else comes back, and StorageAway."""
    with files.storage_errors():
        kept = default_storage.save(key, File(file))
        with default_storage.open(kept) as again:
            found = digest_of(again)
    if kept != key or found != said:
        raise Refused(f"The storage gives {key} back otherwise than it was written. Nothing was changed.")


def own_files(source: Bundle) -> None:
    """They have rows now."""
    for batch in batches(source):
        DoomedFile.objects.filter(key__in=[one["key"] for one in batch]).delete()
