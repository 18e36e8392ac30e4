"""Files on the default storage: keys, save, own, doom, addresses.

A key is `folder/owner id/random/name`, with `public/` before it where everybody may read: the random part makes the
address a secret that cannot be guessed, the name is the real file name, and the files of one folder may refer to each
other (an OBJ to its MTL).
"""

import logging
import mimetypes
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage
from django.db import transaction
from django.http import HttpRequest

from lumi import clock
from lumi.errors import Unavailable
from lumi.models import DoomedFile
from lumi.upserts import upsert

logger = logging.getLogger(__name__)

FOR_EVER = "public, max-age=31536000, immutable"  # what lies under a public key never changes
PUBLIC = "public/"  # with it begin the keys of what everybody may read
ORPHAN_AGE = timedelta(hours=1)  # a file whose owner was not committed by then will have none
WORKSPACES = settings.DATA_DIR / "tmp"

CONTENT_TYPES = {
    ".glb": "model/gltf-binary",
    ".obj": "model/obj",
    ".mtl": "model/mtl",
    ".stl": "model/stl",
    ".3mf": "model/3mf",
}


def new_folder(kind: str, owner_id: str, *, public: bool = False) -> str:
    """A new folder that nobody can guess, for files that belong together. What lies in a public one may be read, and
    cached, by everybody."""
    return f"{PUBLIC if public else ''}{kind}/{owner_id}/{secrets.token_urlsafe(16)}"


def is_public(key: str) -> bool:
    """Whether everybody may read what lies under the key."""
    return key.startswith(PUBLIC)


def save(path: Path, key: str) -> int:
    """Store the file at `path` under `key`; its size in bytes. The key must be new.

    The file is doomed until a row owns it: see `own`. Raises StorageAway.
    """
    upsert(DoomedFile(key=key, after=clock.now() + ORPHAN_AGE), by="key", fields=["after"])
    with path.open("rb") as content, storage_errors():
        default_storage.save(key, File(content))
    return path.stat().st_size


def copies(keys: Iterable[str], *, public: bool) -> dict[str, str]:
    """Copy files that lie in one folder into a new one of their own, by the storage's own means; the new keys by the
    old ones. The copies are doomed until a row owns them. Raises FileNotFoundError and StorageAway."""
    made: dict[str, str] = {}
    folders: dict[str, str] = {}
    for key in keys:
        folder, _, name = key.rpartition("/")
        kind, owner_id = folder.removeprefix(PUBLIC).split("/")[:2]
        new = folders.setdefault(folder, new_folder(kind, owner_id, public=public))
        made[key] = f"{new}/{name}"
    after = clock.now() + ORPHAN_AGE
    DoomedFile.objects.bulk_create(DoomedFile(key=key, after=after) for key in made.values())
    with storage_errors():
        for key, new in made.items():
            default_storage.copy(key, new)  # type: ignore[attr-defined]  # both of ours have it
    return made


def read(key: str) -> bytes:
    """A whole file, which must be a small one. Raises FileNotFoundError and StorageAway."""
    with storage_errors(), default_storage.open(key) as file:
        return bytes(file.read())


class StorageAway(Unavailable):
    """The storage does not answer, has no room, or does not let us in: the same again later may well work."""


@contextmanager
def storage_errors() -> Iterator[None]:
    """Whatever a storage raises, in one word; boto has dozens. That a file is not there stays FileNotFoundError."""
    try:
        yield
    except FileNotFoundError:
        raise
    except Exception as error:
        raise StorageAway from error


class LostError(Unavailable):
    """A file was left without an owner for so long that the sweep may have deleted it."""


def own(keys: Iterable[str]) -> None:
    """These files have an owner: in the transaction that commits the rows which hold their keys. Raises LostError."""
    wanted = set(keys)
    saved = DoomedFile.objects.filter(key__in=wanted, after__gt=clock.now())
    if saved.delete()[0] < len(wanted):
        raise LostError


def doom(keys: Iterable[str]) -> None:
    """These files have no owner any more: in the transaction that says so. They are deleted after it."""
    keys, now = list(keys), clock.now()
    DoomedFile.objects.bulk_create((DoomedFile(key=key, after=now) for key in keys), ignore_conflicts=True)
    DoomedFile.objects.filter(key__in=keys).update(after=now)

    def delete() -> None:  # not a partial: Django logs a robust hook's failure by its __qualname__, which that has not
        delete_doomed(keys)

    transaction.on_commit(delete, robust=True)


def delete_doomed(keys: Iterable[str]) -> None:
    """Delete files, then forget them. One that cannot be deleted now is tried again by the sweep."""
    for key in keys:
        try:
            default_storage.delete(key)
        except Exception:
            logger.exception("file not deleted", extra={"key": key})
        else:
            DoomedFile.objects.filter(key=key).delete()


@contextmanager
def workspace() -> Iterator[Path]:
    """A folder for files on their way to the storage; gone afterwards. A killed process leaves it to the sweep."""
    WORKSPACES.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=WORKSPACES) as folder:
        yield Path(folder)


def sweep_workspaces() -> None:
    """Remove what killed processes left on this machine."""
    old = time.time() - ORPHAN_AGE.total_seconds()
    for folder in WORKSPACES.glob("*"):
        with suppress(FileNotFoundError):  # its process is done with it at this moment
            if folder.stat().st_mtime < old:
                shutil.rmtree(folder, ignore_errors=True)


def sweep(most: int = 200) -> None:
    """Delete what nobody owns and nobody is about to own."""
    overdue = DoomedFile.objects.filter(after__lte=clock.now()).order_by("after")
    delete_doomed(list(overdue.values_list("key", flat=True)[:most]))


def url(key: str, request: HttpRequest | None = None) -> str | None:
    """The absolute address of a file: needs no header and ends in the file's name. None for no file."""
    if not key:
        return None
    address = default_storage.url(key)
    if not address.startswith("/"):
        return address
    if settings.PUBLIC_URL or request is None:
        return f"{settings.PUBLIC_URL}{address}"
    return request.build_absolute_uri(address)


def content_type(name: str) -> str:
    """The media type for a file name."""
    suffix = Path(name).suffix.lower()
    return CONTENT_TYPES.get(suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"


def disposition(key: str) -> str:
    """The header that tells a browser a file's real name, in any script."""
    return f"inline; filename*=UTF-8''{quote(Path(key).name)}"
