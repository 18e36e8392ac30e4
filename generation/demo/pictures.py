"""Real files for invented things: each subject is painted and built once, by the offline providers; every row has a
copy of its own, which on a disk is a second name for the same bytes."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.core.files.storage import default_storage
from django.db import transaction

from gallery.models import StoredFile
from generation.demo.words import Subject
from generation.kinds import name_of
from lumi import clock, files, wavefront
from lumi.ids import new_id
from lumi.models import DoomedFile
from providers import registry
from providers.base import ImageOrder, JobState, ModelOrder, Report, ResultFile

LOOK_EVERY = 0.2
GIVE_UP = 300.0  # seconds that the files of one subject may take
MASTERS = "demo"  # the folder of what is copied


class NotMade(Exception):
    """The offline provider did not do it: a fault of ours, or a machine without room or time."""


class Files:
    """The files of all subjects, and copies of them for rows."""

    def __init__(self) -> None:
        self.masters: dict[str, tuple[list[StoredFile], list[StoredFile]]] = {}
        self.wanted: list[tuple[str, str]] = []  # from where, and to where

    def picture(self, subject: Subject, index: int, owner_id: str) -> str:
        """A key for one of the four pictures."""
        painted, _ = self.made(subject)
        return self.copy(painted[index]["key"], files.new_folder("images", owner_id))

    def model(self, subject: Subject, owner_id: str, *, public: bool, only: str = "") -> list[StoredFile]:
        """Keys for the files of a model, or for the one with a role."""
        _, built = self.made(subject)
        folder = files.new_folder("models", owner_id, public=public)
        chosen = [file for file in built if only in ("", file["role"])]
        return [StoredFile(role=file["role"], key=self.copy(file["key"], folder), size=file["size"]) for file in chosen]

    def copy(self, master: str, folder: str) -> str:
        """The key of a copy, which is made by `write`."""
        key = f"{folder}/{master.rpartition('/')[2]}"
        self.wanted.append((master, key))
        return key

    @contextmanager
    def written(self) -> Iterator[None]:
        """Make the copies that were asked for; inside, in one transaction, the rows that own them are written."""
        wanted, self.wanted = self.wanted, []
        keys = [key for _, key in wanted]
        after = clock.now() + files.ORPHAN_AGE
        DoomedFile.objects.bulk_create([DoomedFile(key=key, after=after) for key in keys], batch_size=500)
        with files.storage_errors():
            for master, key in wanted:
                default_storage.copy(master, key)  # type: ignore[attr-defined]  # both of ours have it
        with transaction.atomic():
            yield
            files.own(keys)

    def made(self, subject: Subject) -> tuple[list[StoredFile], list[StoredFile]]:
        """The four pictures and the model's files, made when they are first asked for."""
        if subject.name not in self.masters:
            with files.workspace() as folder:
                painted = [paint(subject, variant, folder / str(variant)) for variant in range(4)]
                built = build(subject, painted[0].path, folder / "model")
                self.masters[subject.name] = keep_pictures(painted), keep_model(subject, built)
        return self.masters[subject.name]

    def forget(self) -> None:
        """What was copied is not needed any more; the copies stay."""
        with transaction.atomic():
            files.doom(file["key"] for parts in self.masters.values() for part in parts for file in part)
        self.masters.clear()


def paint(subject: Subject, variant: int, folder: Path) -> ResultFile:
    """One of the four pictures. Raises ProviderError."""
    painter = registry.get("image", "offline")
    order = ImageOrder(reference=f"demo-{subject.name}-{variant}", prompt=subject.zh, variant=variant)
    (result,) = fetched(painter, painter.submit(order), folder)
    return result


def build(subject: Subject, picture: Path, folder: Path) -> list[ResultFile]:
    """The model. Raises ProviderError and NotMade."""
    builder = registry.get("model", "offline")
    order = ModelOrder(
        reference=f"demo-{new_id()}", prompt=subject.zh, name=subject.name, image=picture.read_bytes(), image_url=""
    )
    report = builder.submit(order)
    until = time.monotonic() + GIVE_UP
    while report.state in (JobState.QUEUED, JobState.RUNNING) and time.monotonic() < until:
        time.sleep(LOOK_EVERY)
        report = builder.poll(report.ref)
    try:
        return fetched(builder, report, folder)
    finally:
        builder.cancel(report.ref)


def fetched(provider: object, report: Report, folder: Path) -> list[ResultFile]:
    """The results, if it is done."""
    if report.state != JobState.DONE:
        raise NotMade(str(report.error or report.state))
    folder.mkdir()
    found: list[ResultFile] = provider.fetch(report.files, folder)  # type: ignore[attr-defined]
    return found


def keep_pictures(painted: list[ResultFile]) -> list[StoredFile]:
    """In the storage, in a folder each, as rows have them."""
    names = [f"image-{index}{result.path.suffix}" for index, result in enumerate(painted)]
    return [keep(result, name) for result, name in zip(painted, names, strict=True)]


def keep_model(subject: Subject, built: list[ResultFile]) -> list[StoredFile]:
    """In the storage, under names by which they find each other."""
    names = {result.role: name_of(result, subject.name) for result in built}
    paths = {result.role.value: result.path for result in built}
    wavefront.let_find(paths, {role.value: name for role, name in names.items()})
    return [keep(result, names[result.role]) for result in built]


def keep(result: ResultFile, name: str) -> StoredFile:
    """One file. It is doomed from the beginning (`lumi.files.save`): no row will own it."""
    key = f"{files.new_folder(MASTERS, 'masters')}/{name}"
    return StoredFile(role=result.role.value, key=key, size=files.save(result.path, key))
