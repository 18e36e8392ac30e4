"""Where an archive lies: a ZIP, or a folder with the same files in it. What is written is for its owner's eyes only."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import IO, Protocol
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile

from lumi.chores import Refused

LEVEL = 1  # of compression: most bytes are pictures and meshes
PIECE = 1024 * 1024
MANIFEST = "manifest.json"


class Bundle(Protocol):
    """Files by name; one at a time is written."""

    def create(self, name: str) -> IO[bytes]:
        """A new one."""

    def open(self, name: str) -> IO[bytes]:
        """To be read. Raises FileNotFoundError."""


class Archive:
    """A ZIP."""

    def __init__(self, content: ZipFile) -> None:
        self.content = content

    def create(self, name: str) -> IO[bytes]:
        """A new entry."""
        return self.content.open(name, "w", force_zip64=True)

    def open(self, name: str) -> IO[bytes]:
        """Raises FileNotFoundError."""
        try:
            return self.content.open(name)
        except KeyError as error:
            raise FileNotFoundError(name) from error


class Folder:
    """A folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def create(self, name: str) -> IO[bytes]:
        """A new file."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return private(path)

    def open(self, name: str) -> IO[bytes]:
        """Raises FileNotFoundError."""
        return (self.root / name).open("rb")


@contextmanager
def new_bundle(path: Path) -> Iterator[Bundle]:
    """An archive that was not there: a ZIP if the name ends so, else a folder. Nothing is left of it when the block
    fails. Raises Refused."""
    if path.exists() or not path.absolute().parent.is_dir():
        raise Refused(f"{path} {'is there already' if path.exists() else 'lies in no folder'}. Nothing was written.")
    try:
        if is_zip(path):
            with private(path) as file, ZipFile(file, "w", ZIP_DEFLATED, compresslevel=LEVEL) as content:
                yield Archive(content)
        else:
            path.mkdir(mode=0o700)
            yield Folder(path)
    except BaseException:
        remove(path)
        raise


@contextmanager
def bundle(path: Path) -> Iterator[Bundle]:
    """One that is there. Raises Refused."""
    if path.is_dir():
        yield Folder(path)
        return
    try:
        with ZipFile(path) as content:
            yield Archive(content)
    except (BadZipFile, OSError) as error:
        raise Refused(f"{path} cannot be read: {error}.") from error


def is_zip(path: Path) -> bool:
    """By its name."""
    return path.suffix.lower() == ".zip"


def private(path: Path) -> IO[bytes]:
    """A new file that nobody else may read."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def remove(path: Path) -> None:
    """What was begun."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def place_of(key: str) -> str:
    """Where a stored file lies in an archive. Raises Refused for a key that leads out of it."""
    parts = PurePosixPath(key).parts
    if not parts or ".." in parts or parts[0] == "/" or "\\" in key:
        raise Refused(f"The archive names a file that leads out of the storage: {key!r}.")
    return f"files/{key}"


class Sealed:
    """A file that is written, and the SHA-256 and the number of its bytes."""

    def __init__(self, file: IO[bytes]) -> None:
        self.file = file
        self.hash = sha256()
        self.size = 0

    def write(self, piece: bytes) -> None:
        """Some bytes more."""
        self.file.write(piece)
        self.hash.update(piece)
        self.size += len(piece)

    @property
    def digest(self) -> str:
        """Hexadecimal."""
        return self.hash.hexdigest()


def pieces(file: IO[bytes]) -> Iterator[bytes]:
    """A file, a megabyte at a time."""
    while piece := file.read(PIECE):
        yield piece


def digest_of(file: IO[bytes]) -> str:
    """The SHA-256 of all of it, in hexadecimal digits."""
    found = sha256()
    for piece in pieces(file):
        found.update(piece)
    return found.hexdigest()
