"""Files on this machine's disk, with the manners of a store: public ones lie at plain addresses that may be cached for
ever; private ones have addresses that are signed, and end.

A private address is `/files/~MOMENT.SIGNATURE/key`: it ends in the file's name, as all addresses do. It stays the same
for an hour, so that a browser which is told it again has the file in its cache.
"""

import os
import shutil
import time
from pathlib import Path
from wsgiref.headers import Headers

from django.conf import settings
from django.core.files.storage import FileSystemStorage, Storage
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.crypto import constant_time_compare, salted_hmac
from whitenoise.responders import NotARegularFileError, Response, SlicedFile, StaticFile

from lumi.files import FOR_EVER, content_type, disposition, is_public

SAME_FOR = 3600
SIGNED = "~"


class Disk(FileSystemStorage):
    """A folder."""

    def url(self, name: str | None) -> str:
        """Where a file lies."""
        key = name or ""
        if is_public(key):
            return super().url(key)
        until = (int(time.time()) // SAME_FOR + 1) * SAME_FOR + settings.LINK_SECONDS
        return super().url(f"{SIGNED}{until}.{signature(key, until)}/{key}")

    def copy(self, key: str, to: str) -> None:
        """A second name for the same bytes, which costs nothing; bytes where the disk has no such names."""
        source, target = Path(self.path(key)), Path(self.path(to))
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, target)
        except FileNotFoundError:
            raise
        except OSError:
            shutil.copyfile(source, target)


def signature(key: str, until: int) -> str:
    """What nobody else can write."""
    return salted_hmac("lumi.disk", f"{until}\n{key}", algorithm="sha256").hexdigest()[:40]


def opened(address: str) -> tuple[str, str]:
    """The key that an address below MEDIA_URL opens, and how long it may be cached. Raises Http404: an address that is
    over is like one that never was."""
    if not address.startswith(SIGNED):
        if not is_public(address):
            raise Http404
        return address, FOR_EVER
    seal, _, key = address[1:].partition("/")
    moment, _, mark = seal.partition(".")
    until = int(moment) if moment.isascii() and moment.isdigit() and len(moment) < 12 else 0
    if until < time.time() or not constant_time_compare(mark, signature(key, until)):
        raise Http404
    return key, f"private, max-age={max(0, until - int(time.time()))}"


def serve(storage: Storage, address: str, request: HttpRequest) -> HttpResponseBase:
    """A file, or the part of it that is asked for, or word that the caller has it. Raises Http404."""
    key, caching = opened(address)
    try:
        path = storage.path(key)
        file = Media(path, headers_of(key, caching))
        return answer(file.get_response(request.method, request.META))
    except (OSError, ValueError, NotARegularFileError) as error:  # missing, a folder, or a path outside the storage
        raise Http404 from error


def headers_of(key: str, caching: str) -> list[tuple[str, str]]:
    """What is said of a file. What lies under a key never changes, so its key is its tag."""
    tag = salted_hmac("lumi.disk.tag", key, algorithm="sha256").hexdigest()[:20]
    return [
        ("Content-Type", content_type(key)),
        ("Content-Disposition", disposition(key)),
        ("Cache-Control", caching),
        ("ETag", f'"{tag}"'),
        ("Accept-Ranges", "bytes"),
        ("Access-Control-Allow-Origin", "*"),
        ("Access-Control-Expose-Headers", "Content-Range, Content-Length, Accept-Ranges, ETag"),
        ("Content-Security-Policy", "default-src 'none'; sandbox"),
        ("X-Content-Type-Options", "nosniff"),
        ("Cross-Origin-Resource-Policy", "cross-origin"),
    ]


def answer(response: Response) -> HttpResponseBase:
    """Django's form of it."""
    made: HttpResponseBase
    made = FileResponse(response.file) if response.file else HttpResponse()
    made.status_code = response.status
    for name, value in Headers(list(response.headers)).items():
        made[name] = value
    return made


class Media(StaticFile):
    """whitenoise's answers (ranges, HEAD, 304), and the range of one byte, which it takes for none."""

    def get_range_response(
        self, range_header: str, base_headers: list[tuple[str, str]], file_handle: object
    ) -> Response:
        """206, or 416 for a range that begins behind the end. Raises ValueError for what is no range."""
        size = int(dict(base_headers)["Content-Length"])
        start, end = self.get_byte_range(range_header, size)
        if start > end:
            return self.get_range_not_satisfiable_response(file_handle, size)
        others = [header for header in base_headers if header[0] != "Content-Length"]
        part = SlicedFile(file_handle, start, end) if file_handle is not None else None
        said = [("Content-Range", f"bytes {start}-{end}/{size}"), ("Content-Length", str(end - start + 1))]
        return Response(206, others + said, part)
