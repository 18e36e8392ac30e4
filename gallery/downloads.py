"""Taking a model home: one file of it, or all of them in a ZIP, which is made when somebody first asks for it."""

import zipfile
from pathlib import Path, PurePath
from typing import NamedTuple

from django.core.files.storage import default_storage
from django.db import transaction
from django.utils.translation import gettext_lazy as _

from gallery.actions import NotFinished, Person, get_visible
from gallery.models import MODEL_FORMATS, Model, StoredFile
from gallery.sharing import is_for_all
from lumi import files
from lumi.errors import Invalid, NotFound

ALL = "zip"
CHUNK = 1024 * 1024


class Download(NamedTuple):
    """A file to take home: where it lies, what it is called."""

    key: str
    file_name: str
    size: int
    format: str


def download(*, user: Person, model_id: str, format: str | None = None) -> Download:
    """The file of a format ("zip": all of them), or the main one. Counts. Raises NotFound, NotFinished, Invalid."""
    model = get_visible(user=user, model_id=model_id)
    if not model.is_finished:
        raise NotFinished
    file = model.main_file if format is None else file_of_format(model, format.lower())
    if file is None:  # a finished model without a main file cannot be made by any verb
        raise NotFound
    Model.objects.count_one_more(model_id, "download_count")
    return Download(file["key"], PurePath(file["key"]).name, file["size"], file["role"].upper())


def file_of_format(model: Model, format: str) -> StoredFile:
    """The file of that format. Raises Invalid, naming the formats there are."""
    if format == ALL:
        return model.file(ALL) or make_zip(model)
    if format in MODEL_FORMATS and (file := model.file(format)):
        return file
    there = ", ".join(known.upper() for known in (*MODEL_FORMATS, ALL) if known == ALL or model.file(known))
    message = _("This model is not available in that format. There is: %(formats)s.") % {"formats": there}
    raise Invalid(message, details={"format": [message]})


def make_zip(model: Model) -> StoredFile:
    """All files of the model in one, kept with them from now on. Raises NotFound when it is gone meanwhile."""
    if not model.files:
        raise NotFound
    main = PurePath((model.main_file or model.files[0])["key"])
    key = f"{files.new_folder('models', model.owner_id, public=is_for_all(model))}/{main.stem}.{ALL}"
    with files.workspace() as folder:
        path = folder / "all.zip"
        write_zip(path, [file["key"] for file in model.files])
        made = StoredFile(role=ALL, key=key, size=files.save(path, key))
    return add_zip(model.pk, made)


def write_zip(path: Path, keys: list[str]) -> None:
    """The stored files, by their bare names, a chunk at a time."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for key in keys:
            with default_storage.open(key) as source, archive.open(PurePath(key).name, "w", force_zip64=True) as target:
                while chunk := source.read(CHUNK):
                    target.write(chunk)


@transaction.atomic
def add_zip(model_id: str, made: StoredFile) -> StoredFile:
    """The ZIP becomes one of the model's files, unless somebody else's is there by now, or the files have moved."""
    model = Model.objects.select_for_update().with_id(model_id)
    if model is None:
        raise NotFound
    if there := model.file(ALL):
        return there
    if files.is_public(made["key"]) != is_for_all(model):
        raise NotFound  # published or unpublished while it was made: whoever asks again gets the right one
    files.own([made["key"]])
    Model.objects.filter(pk=model.pk).update(files=[*model.files, made])
    return made
