"""Files of the offline providers: written whole or not at all, fetched like a vendor's, swept after a day."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from pathlib import Path
from urllib.parse import unquote, urlsplit

from providers.base import Fault, FileRole, ProviderError, RemoteFile, ResultFile

KEPT_SECONDS = 24 * 3600


def write_whole(path: Path, content: bytes) -> None:
    """Write beside, flush to disk, rename: a reader sees the old content or the new, never a part."""
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    with beside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def fetch_local(files: tuple[RemoteFile, ...], *, root: Path, folder: Path) -> list[ResultFile]:
    """Copy results out of `root` into `folder`.

    Raises ProviderError: BAD_ANSWER for an address that is not a file below `root`, RESULT_GONE when it was swept.
    """
    return [_fetch_one(file, root.resolve(), folder) for file in files]


def _fetch_one(file: RemoteFile, root: Path, folder: Path) -> ResultFile:
    address = urlsplit(file.url)
    source = Path(unquote(address.path)).resolve()
    if address.scheme != "file" or not source.is_relative_to(root):
        raise ProviderError(Fault.BAD_ANSWER, permanent=True, evidence=f"not an offline result: {file.url}")
    target = folder / source.name
    try:
        shutil.copyfile(source, target)
    except FileNotFoundError as gone:
        raise ProviderError(Fault.RESULT_GONE, permanent=True, evidence=file.url) from gone
    return ResultFile(role=FileRole(file.role), path=target)


def is_old(path: Path) -> bool:
    """Whether it was last written more than a day ago; False when it has just gone."""
    try:
        return time.time() - path.stat().st_mtime > KEPT_SECONDS
    except FileNotFoundError:
        return False
