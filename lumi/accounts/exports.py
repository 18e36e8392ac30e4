"""Everything that a person has here, as one ZIP: tables as JSON, and every file.

Rooms above fill the slots ACCOUNT_EXPORTS: each is a callable that takes the person and yields `Record`s. Nothing is
held in memory but one record and one piece of a file; the archive grows on the disk, in a file that has no name any
more when it is sent, so that nothing is left of it whatever happens to its reader.
"""

import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZipFile

from django.conf import settings
from django.core.files.storage import default_storage
from django.db.models import QuerySet
from django.utils import translation
from django.utils.module_loading import import_string
from django.utils.translation import gettext as _

from lumi import files, pages
from lumi.accounts.models import ApiToken, EmailVerificationCode, Notice, Session, Strike, User
from lumi.api.fields import timestamp

LEVEL = 1  # of compression: most bytes are pictures and meshes, and somebody waits


@dataclass(frozen=True)
class Record:
    """One thing of a person's. `content`: plain values, dates among them; `files`: storage keys by path in the ZIP."""

    content: dict[str, Any]
    files: dict[str, str] = field(default_factory=dict)


def records_of(user: User) -> dict[str, Iterator[Record]]:
    """What the rooms above have of a person, by name of the slot."""
    return {name: import_string(slot)(user) for name, slot in settings.ACCOUNT_EXPORTS.items()}


def each(rows: QuerySet[Any]) -> Iterator[Any]:
    """The rows by id, in small pages: each may have files."""
    return pages.each(rows, size=100)


def has_anything(user: User) -> bool:
    """Whether the rooms above still have something of a person's."""
    return any(next(records, None) is not None for records in records_of(user).values())


def archive_of(user: User) -> IO[bytes]:
    """The ZIP, open at its beginning; it is gone when it is closed. Raises StorageAway."""
    with files.workspace() as folder:
        path = folder / "export.zip"
        with ZipFile(path, "w", ZIP_DEFLATED, compresslevel=LEVEL) as archive:
            fill(archive, user, folder)
        return path.open("rb")


def fill(archive: ZipFile, user: User, folder: Path) -> None:
    """Read me first, then the tables, each followed by its files."""
    archive.writestr("README.txt", read_me())
    tables = {
        "account": iter([account_of(user)]), "sessions": sessions_of(user), "tokens": tokens_of(user),
        "notices": notices_of(user), "warnings": warnings_of(user),
    }  # fmt: skip
    missing = [
        path
        for name, records in (tables | records_of(user)).items()
        for path in add_table(archive, name, records, folder)
    ]
    if missing:
        archive.writestr("missing-files.txt", "\n".join(missing) + "\n")


def add_table(archive: ZipFile, name: str, records: Iterable[Record], folder: Path) -> list[str]:
    """A JSON array, and its files after it: an archive takes one file at a time. The paths of files that are lost."""
    listed = folder / "files"
    with archive.open(f"{name}.json", "w") as table, listed.open("w", encoding="utf-8") as list_of_files:
        separator = "[\n"
        for record in records:
            table.write(f"{separator}{as_json(record.content)}".encode())
            list_of_files.writelines(f"{json.dumps(pair)}\n" for pair in record.files.items())
            separator = ",\n"
        table.write(b"\n]\n" if separator == ",\n" else b"[]\n")
    with listed.open(encoding="utf-8") as lines:
        return [path for path, key in map(json.loads, lines) if not add_file(archive, path, key)]


def add_file(archive: ZipFile, path: str, key: str) -> bool:
    """A file of the storage; False where it is not there any more. Raises StorageAway."""
    try:
        with (
            files.storage_errors(),
            default_storage.open(key) as source,
            archive.open(path, "w", force_zip64=True) as copy,
        ):
            shutil.copyfileobj(source, copy)
    except FileNotFoundError:
        return False
    return True


def as_json(content: dict[str, Any]) -> str:
    """One row; moments as on the wire."""
    return json.dumps(content, ensure_ascii=False, indent=2, default=timestamp)


def path_for(folder: str, key: str) -> str:
    """Where a stored file lies in the ZIP: its own name in this folder."""
    return f"{folder}/{PurePosixPath(key).name}"


def account_of(user: User) -> Record:
    """The person, with what was mailed to them lately."""
    own = {path_for("account", user.avatar): user.avatar} if user.avatar else {}
    mailed = EmailVerificationCode.objects.filter(email=user.email).order_by("pk")
    content = {
        "id": user.pk,
        "email": user.email,
        "name": user.name,
        "language": user.language or None,
        "createdAt": user.created_at,
        "lastLoginAt": user.last_login,
        "isStaff": user.is_staff,
        "avatar": next(iter(own), None),
        "mailedCodes": [{"purpose": row.purpose, "createdAt": row.created_at, "usedAt": row.used_at} for row in mailed],
    }
    return Record(content, own)


def sessions_of(user: User) -> Iterator[Record]:
    """Sign-ins, without what would let somebody in."""
    for row in each(Session.objects.filter(user=user)):
        yield Record({
            "id": row.pk, "device": row.device, "createdAt": row.created_at, "lastUsedAt": row.last_used_at,
            "expiresAt": row.expires_at, "endedAt": row.ended_at,
        })  # fmt: skip


def tokens_of(user: User) -> Iterator[Record]:
    """API tokens, without what would let a script in."""
    for row in each(ApiToken.objects.filter(user=user)):
        yield Record({
            "id": row.pk, "name": row.name, "scopes": row.scopes, "createdAt": row.created_at,
            "lastUsedAt": row.last_used_at, "expiresAt": row.expires_at, "revokedAt": row.revoked_at,
        })  # fmt: skip


def notices_of(user: User) -> Iterator[Record]:
    """What decisions of staff told them."""
    for row in each(Notice.objects.filter(user=user)):
        yield Record({
            "id": row.pk, "kind": row.kind, "modelId": row.about or None, "modelName": row.name or None,
            "reason": row.reason or None, "createdAt": row.created_at, "readAt": row.read_at,
        })  # fmt: skip


def warnings_of(user: User) -> Iterator[Record]:
    """The warnings that they were given. By whom, the house answers for."""
    for row in each(Strike.objects.filter(user=user)):
        yield Record({
            "id": row.pk, "modelId": row.about or None, "reason": row.reason, "createdAt": row.created_at,
        })  # fmt: skip


def read_me() -> str:
    """What is where, in each language."""
    parts = []
    for language, _name in settings.LANGUAGES:
        with translation.override(language):
            parts.append(
                "\n".join([
                    _("This is everything that Lumi has of you."),
                    "",
                    _("account.json: you; your picture lies in the folder “account”."),
                    _("sessions.json, tokens.json: your sign-ins and API tokens, without what is secret."),
                    _("notices.json, warnings.json: what we told you about your models and your account."),
                    _("requests.json: your prompts; the pictures lie in the folder “requests”."),
                    _("models.json: your models; their files lie in the folder “models”."),
                    _("interactions.json: what you like and keep."),
                    _("Moments are in UTC. missing-files.txt, if there is one, names files that were lost."),
                ])
            )  # fmt: skip
    return "\n\n---\n\n".join(parts) + "\n"
