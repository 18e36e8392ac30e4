"""What lies in the storage: every file, one by one, however many there are."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.files.storage import default_storage

PAGE = 1000  # objects that a store tells at once


@dataclass(frozen=True)
class Stored:
    """A file: its size in bytes, and when it was written by the storage's clock."""

    key: str
    size: int
    written_at: datetime


def listed(storage: Any = default_storage) -> Iterator[Stored]:
    """All files, of a bucket or of a folder, in no order. A bucket's key needs the right `ListBucket`."""
    bucket = getattr(storage, "bucket", None)
    return of_folder(Path(storage.location)) if bucket is None else of_bucket(bucket)


def of_bucket(bucket: Any) -> Iterator[Stored]:
    """All objects, a page at a time."""
    pages = bucket.meta.client.get_paginator("list_objects_v2")
    for page in pages.paginate(Bucket=bucket.name, PaginationConfig={"PageSize": PAGE}):
        for found in page.get("Contents", ()):
            yield Stored(found["Key"], found["Size"], found["LastModified"])


def of_folder(root: Path) -> Iterator[Stored]:
    """All files below a folder; links lead nowhere. What goes while this is read is not there."""
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder) / name
            try:
                found = path.lstat()
            except FileNotFoundError:
                continue
            yield Stored(path.relative_to(root).as_posix(), found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))
