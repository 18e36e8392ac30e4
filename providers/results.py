"""Results: fetched from where a vendor may keep them and from nowhere else, bounded, streamed to disk, known by their
content and never by their name."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests
from django.conf import settings
from PIL import Image
from requests_hardened import Config, HTTPSession
from requests_hardened.ip_filter import InvalidIPAddress
from urllib3.exceptions import HTTPError

from lumi import wavefront
from lumi.archives import BadArchive, contents, unpack
from providers.base import Billed, Fault, FileRole, ProviderError, RemoteFile, ResultFile
from providers.http import broken, chunks, keep_time, scrub, within

logger = logging.getLogger(__name__)

MOST_REDIRECTS = 3
MOST_PIXELS = 8192 * 8192
MOST_BYTES = {"image": 40 * 1024 * 1024, "mesh": 300 * 1024 * 1024}
PICTURES = ("PNG", "JPEG", "WEBP")
SUFFIXES = {"PNG": ".png", "JPEG": ".jpg", "MPO": ".jpg", "WEBP": ".webp"}  # MPO: a JPEG with more pictures behind it
PICTURE_ROLES = (FileRole.IMAGE, FileRole.PREVIEW, FileRole.TEXTURE)
LOOPBACK = ("127.0.0.1", "localhost", "::1")
HOST = re.compile(r"[a-z0-9.-]+")
ZIP, BOM = b"PK\x03\x04", b"\xef\xbb\xbf"
HEAD = 64 * 1024  # of a file: enough to tell what it is
COMMENTS = rb"\A(?:[ \t]*(?:#[^\n]*)?\r?\n)*[ \t]*"
OBJ = re.compile(COMMENTS + rb"(?:v|vn|vt|f|o|g|s|mtllib|usemtl)[ \t]")
MTL = re.compile(COMMENTS + rb"newmtl[ \t]")


def fetch(files: tuple[RemoteFile, ...], folder: Path, *, hosts: tuple[str, ...]) -> list[ResultFile]:
    """Bring a vendor's results into the empty `folder`, checked and unpacked: each IMAGE in its order, and one file for
    each other role.

    `hosts`: names, or endings of names, of the machines that the vendor keeps results on. Raises ProviderError. A
    preview that cannot be had is left out: it is not what was paid for.
    """
    found: list[ResultFile] = []
    for number, file in enumerate(files):
        try:
            found.extend(fetch_one(file, folder / str(number), hosts))
        except ProviderError as error:
            if file.role != FileRole.PREVIEW:
                raise
            logger.info("no preview", extra={"fault": error.fault})
    pictures = [result for result in found if result.role == FileRole.IMAGE]
    return pictures + list({result.role: result for result in found if result.role != FileRole.IMAGE}.values())


def fetch_one(file: RemoteFile, folder: Path, hosts: tuple[str, ...]) -> list[ResultFile]:
    """Bring one file into a folder of its own."""
    folder.mkdir()
    path = folder / "result"
    is_picture = file.role in PICTURE_ROLES
    download(file.url, path, hosts=hosts, most=MOST_BYTES["image" if is_picture else "mesh"])
    if is_picture:
        return [ResultFile(role=FileRole(file.role), path=named(path, picture_suffix(path)))]
    return mesh_files(path, file.role)


# --- Fetching -------------------------------------------------------------------------------------------------------


def download(url: str, path: Path, *, hosts: tuple[str, ...], most: int) -> None:
    """Stream what lies at `url` to `path`. Each redirect is judged like the first address. Raises ProviderError."""
    with HTTPSession(guard()) as session, within(settings.PROVIDER_SECONDS["download"]):
        session.trust_env = False
        keep_time(session)
        for _ in range(MOST_REDIRECTS + 1):
            url = allowed(url, hosts)
            with opened(session, url) as response:
                if response.is_redirect:
                    url = urljoin(url, response.headers["Location"])
                    continue
                save(response, path, most)
                return
    raise wrong("redirected again and again")


def guard() -> Config:
    """No private address is ever connected to, whatever a name or a redirect says (requests-hardened connects to the
    very address that it has judged). Loopback only where the settings say that vendors are on this machine."""
    return Config(
        ip_filter_enable=True,
        ip_filter_allow_loopback_ips=settings.RESULTS_FROM_LOOPBACK,
        never_redirect=False,
        default_timeout=(settings.PROVIDER_SECONDS["connect"], settings.PROVIDER_SECONDS["ask"]),
    )


def allowed(url: str, hosts: tuple[str, ...]) -> str:
    """The address, if results may be fetched from it; over TLS unless it is on this machine. Raises ProviderError."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError as error:
        raise wrong("not an address") from error
    if settings.RESULTS_FROM_LOOPBACK and host in LOOPBACK and parts.scheme == "http":
        return url
    if parts.scheme not in ("http", "https") or parts.username or parts.password or port not in (None, 80, 443):
        raise wrong(f"not an address to fetch from: {scrub(url)}")
    known = [one.strip(".").lower() for one in (*hosts, *settings.RESULT_HOSTS)]
    if not HOST.fullmatch(host) or not any(host == one or host.endswith(f".{one}") for one in known):
        raise wrong(f"a host that results do not come from: {host}")
    return parts._replace(scheme="https", netloc=host).geturl()


@contextmanager
def opened(session: requests.Session, url: str) -> Iterator[requests.Response]:
    """The answer at an address, not read yet. Raises ProviderError."""
    try:
        with session.get(url, stream=True, allow_redirects=False) as response:
            yield response
    except InvalidIPAddress as error:
        raise wrong(f"a private address: {error}") from error
    except ValueError as error:  # a name that no resolver takes, a redirect to nowhere
        raise wrong("not an address") from error
    except (requests.RequestException, HTTPError, OSError) as error:
        raise broken(error) from error


def save(response: requests.Response, path: Path, most: int) -> None:
    """An answer's content on disk, however large it says it is. Raises ProviderError."""
    if response.status_code in (401, 403, 404, 410):
        raise ProviderError(Fault.RESULT_GONE, permanent=True, billed=Billed.YES, evidence=str(response.status_code))
    if response.status_code != 200:
        raise ProviderError(Fault.UNAVAILABLE, evidence=f"{response.status_code} instead of a result")
    if (response.raw.length_remaining or 0) > most:
        raise wrong(f"larger than {most} bytes")
    if response.headers.get("Content-Type", "").startswith("text/html"):
        raise wrong("a page instead of a result")
    with path.open("wb") as target:
        for chunk in chunks(response, most):
            target.write(chunk)
    if not path.stat().st_size:
        raise ProviderError(Fault.BAD_ANSWER, evidence="an empty result")


def wrong(evidence: str) -> ProviderError:
    """A result that will be no better at the next try."""
    return ProviderError(Fault.BAD_ANSWER, permanent=True, billed=Billed.YES, evidence=evidence)


# --- What it is -----------------------------------------------------------------------------------------------------


def picture_suffix(path: Path) -> str:
    """ ".png", ".jpg" or ".webp", by content; the picture is read to its end. Raises ProviderError."""
    try:
        with Image.open(path, formats=PICTURES) as picture:
            if picture.width * picture.height > MOST_PIXELS:
                raise wrong("a picture of too many pixels")
            suffix = SUFFIXES[picture.format or ""]
            picture.load()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise wrong(f"not a picture: {type(error).__name__}") from error
    return suffix


def mesh_files(path: Path, role: str) -> list[ResultFile]:
    """A mesh, or the files of a ZIP with an OBJ. Raises ProviderError."""
    start = start_of(path)
    if start.startswith(ZIP) and (role == FileRole.OBJ or role not in MESHES):
        return unpacked(path)
    known = next((one for one, test in MESHES.items() if test(path, start)), None)
    if known is None or (role in MESHES and known != role):
        raise wrong(f"not a mesh of the kind {role}: begins with {start[:8]!r}")
    return [ResultFile(role=known, path=named(path, f".{known}"))]


def start_of(path: Path) -> bytes:
    """A file's first bytes."""
    with path.open("rb") as file:
        return file.read(HEAD)


def is_glb(path: Path, start: bytes) -> bool:
    """Not shorter than it says it is."""
    return start.startswith(b"glTF\x02") and int.from_bytes(start[8:12], "little") <= path.stat().st_size


def is_three_mf(path: Path, start: bytes) -> bool:
    """A ZIP with a model in it, and not too much else."""
    if not start.startswith(ZIP):
        return False
    try:
        found = contents(path)
    except BadArchive:
        return False
    size = sum(size for _, size in found)
    return size <= MOST_BYTES["mesh"] and any(name.lower().endswith(".model") for name, _ in found)


def is_stl(path: Path, start: bytes) -> bool:
    """A binary STL has no magic, but its size follows from its own count of faces."""
    faces = int.from_bytes(start[80:84], "little")
    is_text = start.lstrip().startswith(b"solid") and b"facet" in start and b"\0" not in start
    return is_text or (bool(faces) and path.stat().st_size == 84 + 50 * faces)


def is_obj(_path: Path, start: bytes) -> bool:
    """Text, the first line of which, comments apart, begins as an OBJ's do."""
    return b"\0" not in start and bool(OBJ.match(start.removeprefix(BOM)))


def is_mtl(_path: Path, start: bytes) -> bool:
    """An OBJ's material library: text that begins with a material."""
    return b"\0" not in start and bool(MTL.match(start.removeprefix(BOM)))


MESHES: dict[FileRole, Callable[[Path, bytes], bool]] = {
    FileRole.GLB: is_glb,
    FileRole.THREE_MF: is_three_mf,
    FileRole.STL: is_stl,
    FileRole.OBJ: is_obj,
    FileRole.MTL: is_mtl,
}


def unpacked(path: Path) -> list[ResultFile]:
    """The OBJ of a ZIP, its material library and its texture. Raises ProviderError."""
    folder = path.parent / "unpacked"
    folder.mkdir()
    try:
        found = unpack(path, folder, suffixes=wavefront.PARTS, most_bytes=MOST_BYTES["mesh"])
    except BadArchive as error:
        raise wrong(str(error)) from error
    parts = wavefront.parts_among({part.name: part for part in found})
    if "obj" not in parts or not is_obj(parts["obj"], start_of(parts["obj"])):
        raise wrong("no OBJ in the ZIP")
    if "texture" in parts:
        parts["texture"] = named(parts["texture"], picture_suffix(parts["texture"]))
    return [ResultFile(role=FileRole(role), path=part) for role, part in parts.items()]


def named(path: Path, suffix: str) -> Path:
    """The file under the ending that it deserves."""
    return path if path.suffix == suffix else path.rename(path.with_suffix(suffix))
