"""The storage: whether it keeps, gives back and deletes; whether strangers read what is public, and nothing else."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote, urlsplit, urlunsplit
from uuid import uuid4

import requests
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from lumi import health
from lumi.doctor.findings import Finding, doubtful, fine, wrong
from lumi.files import PUBLIC

CONTENT = b"lumi"
PATIENCE = (3, 5)  # seconds: to connect, to answer
LISTING = "?list-type=2"


def keeping() -> Finding:
    """A small file is written, read and deleted."""
    health.probe_storage()
    where = f"The bucket {settings.S3_BUCKET}" if settings.S3_BUCKET else f"The folder {settings.MEDIA_ROOT}"
    return fine(f"{where} keeps, gives back and deletes.")


def reading() -> Iterator[Finding]:
    """Who may read what. On a disk Lumi itself decides that (`lumi.disk`); a bucket has rules of its own."""
    if not settings.S3_BUCKET:
        yield fine("Lumi serves files itself: private ones at signed addresses only.")
        return
    with kept("health") as private, kept(f"{PUBLIC}health") as public:
        yield signed(private)
        yield unsigned(private)
        yield open_to_all(public)
        yield listing(private)


@contextmanager
def kept(folder: str) -> Iterator[str]:
    """A small file, while the block lasts; its key."""
    key = default_storage.save(f"{folder}/{uuid4()}/doctor.txt", ContentFile(CONTENT))
    try:
        yield key
    finally:
        default_storage.delete(key)


def signed(key: str) -> Finding:
    """What people are told."""
    if reads(default_storage.url(key)):
        return fine("A private file can be read at its signed address.")
    return wrong(
        "A private file cannot be read at its signed address.",
        "Browsers must reach LUMI_S3_ENDPOINT_URL; the key needs GetObject; do the clocks agree?",
    )


def unsigned(key: str) -> Finding:
    """What strangers try."""
    if any(map(reads, plain_addresses(key))):
        mend = f"Let the bucket's policy open {PUBLIC}* and nothing else."
        return doubtful("Whoever knows its key can read a private file.", mend)
    return fine("Strangers cannot read private files.")


def open_to_all(key: str) -> Finding:
    """What everybody may read, at a plain address where there is one."""
    if reads(default_storage.url(key)):
        return fine("A public file can be read by everybody.")
    return wrong(
        "A public file cannot be read.", f"Let the bucket's policy allow GetObject on {PUBLIC}* to everybody, at "
        f"{settings.S3_PUBLIC_DOMAIN or 'LUMI_S3_ENDPOINT_URL'}.",
    )  # fmt: skip


def listing(key: str) -> Finding:
    """Keys are secrets that cannot be guessed, unless somebody tells them."""
    roots = {address.removesuffix(quote(key)) for address in plain_addresses(key)}
    if any(status(root + LISTING) == requests.codes.ok for root in roots):
        return wrong("Strangers can list the bucket.", "Take ListBucket away from everybody but Lumi.")
    return fine("Strangers cannot list the bucket.")


def plain_addresses(key: str) -> list[str]:
    """Without any signature: at the store, and at the domain of public files."""
    at_store = urlunsplit(urlsplit(default_storage.url(key))._replace(query=""))
    domain = getattr(default_storage, "public_domain", "")
    return [at_store, f"{domain}/{quote(key)}"] if domain else [at_store]


def reads(address: str) -> bool:
    """Whether the file comes."""
    answer = requests.get(address, timeout=PATIENCE, allow_redirects=False)
    return answer.status_code == requests.codes.ok and answer.content == CONTENT


def status(address: str) -> int:
    """Of a plain question."""
    return requests.get(address, timeout=PATIENCE, allow_redirects=False).status_code
