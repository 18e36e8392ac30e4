"""ZIP archives from strangers, unpacked into one flat folder: bounded by what really comes out of them."""

import stat
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path, PurePosixPath

MOST_ENTRIES = 100
MOST_BYTES = 512 * 1024 * 1024
CHUNK = 1024 * 1024
MOST_AT_ONCE = 4 * CHUNK  # the list of contents is read in one piece, and takes ten times its size in memory
PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others unpack by the chunk, however much one chunk becomes
ENCRYPTED, UTF_8 = 0x1, 0x800  # flags of an entry


class BadArchive(Exception):
    """Broken, too large, or not made in good faith; the text says why."""


def unpack(archive: Path, folder: Path, *, suffixes: Collection[str], most_bytes: int = MOST_BYTES) -> list[Path]:
    """Write the files with these suffixes (".obj", in small letters) into `folder`, under their bare names.

    Raises BadArchive, and then what was written before may lie in `folder`.
    """
    with opened(archive) as content:
        wanted = entries(content, suffixes)
        left = most_bytes
        for name, entry in wanted.items():
            left -= write(content, entry, folder / name, left)
        return [folder / name for name in wanted]


def contents(archive: Path) -> list[tuple[str, int]]:
    """What an archive says that it holds: whole names and unpacked sizes. Raises BadArchive."""
    with opened(archive) as content:
        return [(entry.filename, entry.file_size) for entry in content.infolist()]


@contextmanager
def opened(archive: Path) -> Iterator[zipfile.ZipFile]:
    """The archive, its list of contents read. Raises BadArchive."""
    try:
        with Bounded(archive) as file, zipfile.ZipFile(file) as content:
            yield content
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError) as error:
        raise BadArchive(f"not a sound ZIP: {type(error).__name__}") from error


class Bounded(FileIO):
    """A file that gives only so much at once."""

    def read(self, size: int | None = -1) -> bytes:
        """Raises BadArchive."""
        if size is None or size > MOST_AT_ONCE:
            raise BadArchive("its list of contents is too long")
        return super().read(size)


def entries(content: zipfile.ZipFile, suffixes: Collection[str]) -> dict[str, zipfile.ZipInfo]:
    """What is to be unpacked, by its bare name. Raises BadArchive for names that lead out, links, secrets, twins."""
    found = content.infolist()
    if len(found) > MOST_ENTRIES:
        raise BadArchive(f"more than {MOST_ENTRIES} entries")
    wanted: dict[str, zipfile.ZipInfo] = {}
    for entry in found:
        name = bare_name(entry)
        if entry.is_dir() or is_litter(entry) or PurePosixPath(name).suffix.lower() not in suffixes:
            continue
        if name.casefold() in {known.casefold() for known in wanted}:
            raise BadArchive(f"two entries named {name!r}")
        wanted[name] = entry
    return wanted


def bare_name(entry: zipfile.ZipInfo) -> str:
    """The last part of an entry's name. Raises BadArchive."""
    path = PurePosixPath(name_of(entry).replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in str(path) or "\0" in entry.orig_filename:
        raise BadArchive(f"an entry's name leads out: {entry.filename!r}")
    if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise BadArchive(f"an entry is a link or a device: {entry.filename!r}")
    if entry.flag_bits & ENCRYPTED or entry.compress_type not in PACKINGS:
        raise BadArchive(f"an entry is encrypted or packed in an unusual way: {entry.filename!r}")
    return path.name


def name_of(entry: zipfile.ZipInfo) -> str:
    """Its name as it was meant: UTF-8 is often not said to be, and then read as DOS letters."""
    if entry.flag_bits & UTF_8:
        return entry.filename
    try:
        return entry.filename.encode("cp437").decode()
    except UnicodeError:
        return entry.filename


def is_litter(entry: zipfile.ZipInfo) -> bool:
    """What desktops leave in archives."""
    path = PurePosixPath(entry.filename)
    return "__MACOSX" in path.parts or path.name.startswith(".")


def write(content: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path, most: int) -> int:
    """Unpack one entry; its size. What it says of its size is not believed. Raises BadArchive."""
    size = 0
    with content.open(entry) as source, path.open("xb") as target:
        while chunk := source.read(CHUNK):
            size += len(chunk)
            if size > most:
                raise BadArchive("more comes out of it than it may")
            target.write(chunk)
    return size
