"""three.js (MIT) for the staff's 3D viewer. It is neither kept here nor fetched from the net: trimesh ships it, with
TrackballControls and GLTFLoader, inside the page that shows a scene. The first script of that page, up to where the
scene begins, is the library; this finder gives it to staticfiles as `lumi/three.js`.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from django.conf import settings
from django.contrib.staticfiles.finders import BaseStorageFinder
from django.core.files.storage import FileSystemStorage

from lumi.ids import new_id

PAGE = ("resources/templates/viewer.zip", "viewer.html.template")
BEGINS, ENDS = "<script>", "var camera,controls"  # of the library inside the page


class ThreeFinder(BaseStorageFinder):
    """One file, unpacked beside the data when the first one asks."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        folder = settings.DATA_DIR / "libraries"
        unpack(folder / "lumi" / "three.js")
        super().__init__(FileSystemStorage(location=folder), *args, **kwargs)


def unpack(path: Path) -> None:
    """Write the library, unless it is there already. Other processes may do so at this moment."""
    content = library()
    if path.exists() and path.read_text(encoding="utf-8") == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{new_id()}")
    temporary.write_text(content, encoding="utf-8", newline="")
    temporary.replace(path)


def library() -> str:
    """three.js, with its licence on top. Raises ValueError when trimesh's page is not what it was."""
    spec = find_spec("trimesh")  # not imported: that takes seconds and memory
    (folder,) = spec.submodule_search_locations if spec and spec.submodule_search_locations else ("",)
    with ZipFile(Path(folder) / PAGE[0]) as archive:
        page = archive.read(PAGE[1]).decode()
    begins = page.index(BEGINS) + len(BEGINS)
    return page[begins : page.index(ENDS, begins)]
