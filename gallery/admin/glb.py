"""A model as a GLB, for the 3D viewer: its own file, or one that is made of its main file while somebody waits."""

import json
import logging
import shutil
from pathlib import Path, PurePath
from typing import IO

from django.core.files.storage import default_storage
from django.http import FileResponse, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.translation import gettext_lazy as _

from gallery.models import Model
from lumi import files, sandbox
from lumi.errors import LumiError, NotFound

logger = logging.getLogger(__name__)

TYPE = "model/gltf-binary"
SHOWN = ("obj", "stl", "3mf")  # of what a GLB can be made
NEEDED = {"obj": ("obj", "mtl", "texture")}
SECONDS = 60  # of the processor's time


class NothingToShow(NotFound):
    """No file, or none that can be turned into a GLB."""

    message = _("There is nothing to show in 3D: this model has no file that can be turned into a GLB.")


class FilesGone(NotFound):
    """The row knows of files that are not there."""

    status = 410
    message = _("The files of this model are gone.")


class TooMuchToShow(LumiError):
    """It is broken, or would take more memory or time than one look is worth."""

    code, status = "VALIDATION_ERROR", 422
    message = _("This model is too large or too odd to be shown here. Please download it to look at it.")


def answer(model: Model | None) -> HttpResponseBase:
    """The GLB, or a sentence with the fitting status."""
    try:
        if model is None:
            raise NotFound
        return FileResponse(open_glb(model), content_type=TYPE, filename=f"{model.pk}.glb")
    except LumiError as error:
        return HttpResponse(str(error.message), status=error.status, content_type="text/plain; charset=utf-8")


def can_be_shown(model: Model) -> bool:
    """Whether it has a file that a browser can be shown in 3D."""
    main = model.main_file
    return bool(model.key("glb")) or (main is not None and main["role"] in SHOWN)


def open_glb(model: Model) -> IO[bytes]:
    """An open file. Raises NothingToShow, FilesGone, TooMuchToShow, StorageAway."""
    try:
        if key := model.key("glb"):
            with files.storage_errors():
                return default_storage.open(key)
        return made_of_main_file(model)
    except FileNotFoundError as error:
        raise FilesGone from error


def made_of_main_file(model: Model) -> IO[bytes]:
    """Nothing of it stays on the disk: the file is open when its folder goes."""
    main = model.main_file
    if main is None or main["role"] not in SHOWN:
        raise NothingToShow
    with files.workspace() as folder:
        for role in NEEDED.get(main["role"], (main["role"],)):
            if key := model.key(role):
                fetch(key, folder / PurePath(key).name)
        return converted(folder / PurePath(main["key"]).name, folder / "view").open("rb")


def fetch(key: str, path: Path) -> None:
    """A stored file, a chunk at a time. Raises FileNotFoundError and StorageAway."""
    with files.storage_errors(), default_storage.open(key) as source, path.open("wb") as copy:
        shutil.copyfileobj(source, copy)


def converted(path: Path, target: Path) -> Path:
    """`target`, written by the bounded process. Raises TooMuchToShow."""
    try:
        said = json.loads(sandbox.run("gallery.meshes", "glb", str(path), str(target), seconds=SECONDS))
    except sandbox.Failed as failure:
        logger.warning("a model could not be shown: %s", failure, extra={"output": failure.output})
        raise TooMuchToShow from failure
    if said:
        raise TooMuchToShow
    return target
