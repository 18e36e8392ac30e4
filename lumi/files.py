"""Files on the default storage: keys, save, discard, addresses.

A key is `folder/owner id/random/name`: the random part makes the address a secret that cannot be guessed, the name is
the real file name, and the files of one folder may refer to each other (an OBJ to its MTL).
"""

import logging
import mimetypes
import secrets
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from django.conf import settings
from django.core.files import File
from django.core.files.storage import default_storage
from django.http import FileResponse, Http404, HttpRequest

logger = logging.getLogger(__name__)

CONTENT_TYPES = {
    ".glb": "model/gltf-binary",
    ".obj": "model/obj",
    ".mtl": "model/mtl",
    ".stl": "model/stl",
    ".3mf": "model/3mf",
}


def new_folder(kind: str, owner_id: str) -> str:
    """A new folder that nobody can guess, for files that belong together."""
    return f"{kind}/{owner_id}/{secrets.token_urlsafe(16)}"


def save(path: Path, key: str) -> int:
    """Store the file at `path` under `key`; its size in bytes. The key must be new."""
    with path.open("rb") as content:
        default_storage.save(key, File(content))
    return path.stat().st_size


def discard(keys: Iterable[str]) -> None:
    """Delete files. A file that cannot be deleted is reported, not raised: its row is gone already."""
    for key in keys:
        try:
            default_storage.delete(key)
        except Exception:
            logger.exception("file not deleted", extra={"key": key})


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


def serve(key: str) -> FileResponse:
    """Files of a disk storage over HTTP, for machines without an object store. Whoever has the address may read."""
    try:
        response = FileResponse(default_storage.open(key), content_type=content_type(key))
    except (OSError, ValueError) as error:  # missing, a folder, or a path outside the storage
        raise Http404 from error
    name = quote(Path(key).name)
    response["Content-Disposition"] = f"inline; filename*=UTF-8''{name}"
    response["Access-Control-Allow-Origin"] = "*"
    response["X-Content-Type-Options"] = "nosniff"
    return response
