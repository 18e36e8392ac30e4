"""Is this file a model? Decided by its content, and bounded before anything large is built from it.

Each check reads no more than the file says it holds, and refuses what would become more than MAX_FACES triangles. For
strangers' files this runs as a program in a sandbox (`gallery.inspection`): `python -m gallery.meshes FILE FOLDER`
prints what the model consists of as JSON, {"parts": {role: path}}, or {"refused": "broken" | "detailed"};
`python -m gallery.meshes glb FILE TARGET` writes the model as one GLB, to be looked at; prints {} or the same refusal.
"""

import json
import re
import sys
import warnings
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import IO, Any
from xml.parsers import expat

import numpy as np
import trimesh
from PIL import Image

from lumi import wavefront
from lumi.archives import BadArchive, unpack

MAX_FACES = 1_000_000
MAX_NODES = 10_000
MAX_PARTS = 1_000
MAX_UNPACKED_BYTES = 400 * 1024 * 1024
STL_HEADER, STL_FACE = 84, 50
OBJ_SHAPE = re.compile(rb"^[ \t]*([vf][ \t][^\r\n]*)", re.MULTILINE)
STANDING_ON_Z = ("stl", "3mf")  # a printer's files; in a GLB, y points up
Z_TO_Y = np.array([[1.0, 0, 0, 0], [0, 0, 1.0, 0], [0, -1.0, 0, 0], [0, 0, 0, 1.0]])
OBJ_TEXTURE_AND_NORMAL = re.compile(rb"/[^\s]*")


class NotAModel(Exception):
    """The file is none of the formats that Lumi takes, or is broken."""

    word = "broken"


class TooManyFaces(Exception):
    """It would take more memory than one upload may have."""

    word = "detailed"


REFUSED = (NotAModel, TooManyFaces)


def parts_of(path: Path, folder: Path) -> dict[str, Path]:
    """What the model at `path` consists of, by role: itself ("glb", "stl", "obj" or "3mf"), or the files of a ZIP with
    an OBJ, which are unpacked into the empty `folder` ("obj", "mtl", "texture"). Raises NotAModel and TooManyFaces."""
    if not is_obj_zip(path):
        return {check(path): path}
    try:
        parts = wavefront.parts_among({file.name: file for file in unpack_parts(path, folder)})
    except BadArchive as error:
        raise NotAModel from error
    if "obj" not in parts or check(parts["obj"]) != "obj":
        raise NotAModel
    if "texture" in parts and not is_picture(parts["texture"]):
        raise NotAModel
    return parts


def is_obj_zip(path: Path) -> bool:
    """Whether it is a ZIP that says it holds an OBJ; a 3MF holds none."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.lower().endswith(".obj") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError):
        return False


def unpack_parts(path: Path, folder: Path) -> list[Path]:
    """An OBJ and what it may refer to. Raises BadArchive."""
    return unpack(path, folder, suffixes=wavefront.PARTS, most_bytes=MAX_UNPACKED_BYTES)


def is_picture(path: Path) -> bool:
    """Whether a texture decodes, and is no bomb."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # a bomb is a warning, up to a size
        try:
            with Image.open(path, formats=["PNG", "JPEG", "WEBP"]) as picture:
                picture.load()
        except Exception:  # noqa: BLE001  a decoder that meets nonsense may raise anything
            return False
    return True


def check(path: Path) -> str:
    """The format of the model at `path`: glb, stl, obj or 3mf. Raises NotAModel and TooManyFaces."""
    format = format_of(path)
    try:
        faces = READERS[format](path)
    except REFUSED:
        raise
    except Exception as error:  # a parser that meets nonsense may raise anything
        raise NotAModel from error
    if not faces:
        raise NotAModel
    return format


def format_of(path: Path) -> str:
    """What the first bytes say. Raises NotAModel."""
    with path.open("rb") as file:
        start = file.read(512)
    if start.startswith(b"glTF"):
        return "glb"
    if start.startswith(b"PK\x03\x04"):
        return "3mf"
    if is_binary_stl(path, start) or start.lstrip().lower().startswith(b"solid"):
        return "stl"
    if start and b"\0" not in start:
        return "obj"
    raise NotAModel


def is_binary_stl(path: Path, start: bytes) -> bool:
    """A binary STL has no magic, but its size follows from its own count of faces."""
    faces = int.from_bytes(start[80:STL_HEADER], "little")
    return path.stat().st_size == STL_HEADER + STL_FACE * faces


def bounded(faces: int) -> None:
    """Raises TooManyFaces."""
    if faces > MAX_FACES:
        raise TooManyFaces


def faces_in(content: IO[bytes], format: str) -> int:
    """How many faces trimesh finds; materials and other files are not looked at. Raises what trimesh raises."""
    scene = trimesh.load_scene(content, file_type=format, process=False, skip_materials=True)
    found = [mesh for mesh in scene.geometry.values() if isinstance(mesh, trimesh.Trimesh)]
    if not all(is_sound(mesh) for mesh in found if len(mesh.faces)):
        raise NotAModel
    return sum(len(mesh.faces) for mesh in found)


def is_sound(mesh: trimesh.Trimesh) -> bool:
    """Every corner of every face exists, somewhere in space."""
    return bool(np.isfinite(mesh.vertices).all() and mesh.faces.min() >= 0 and mesh.faces.max() < len(mesh.vertices))


# --- STL --------------------------------------------------------------------------------------------------------------
def read_stl(path: Path) -> int:
    """Binary or text."""
    content = path.read_bytes()
    bounded(content.lower().count(b"endfacet") if content[:5].lower() == b"solid" else len(content) // STL_FACE)
    return faces_in(BytesIO(content), "stl")


# --- OBJ --------------------------------------------------------------------------------------------------------------
def read_obj(path: Path) -> int:
    """Only corners and faces are handed on: groups and materials cost time and do not change the shape."""
    content = re.sub(rb"\\\r?\n", b" ", path.read_bytes())  # a line may go on in the next one
    lines = OBJ_SHAPE.findall(content)
    bounded(sum(max(len(line.split()) - 3, 0) for line in lines if line.startswith(b"f")))
    return faces_in(BytesIO(OBJ_TEXTURE_AND_NORMAL.sub(b"", b"\n".join(lines))), "obj")


# --- GLB --------------------------------------------------------------------------------------------------------------
def read_glb(path: Path) -> int:
    """Its own table of contents says how large it would become."""
    content = path.read_bytes()
    if int.from_bytes(content[8:12], "little") != len(content):
        raise NotAModel
    length = int.from_bytes(content[12:16], "little")
    bounded_glb(json.loads(content[20 : 20 + length]))
    return faces_in(BytesIO(content), "glb")


def bounded_glb(contents: dict[str, Any]) -> None:
    """Accessors may be larger than the file and meshes may share them: count what would be built. Raises
    TooManyFaces."""
    counts = [accessor["count"] for accessor in contents["accessors"]]
    primitives = [primitive for mesh in contents["meshes"] for primitive in mesh["primitives"]]
    corners = sum(counts[accessor] for primitive in primitives for accessor in accessors_of(primitive))
    bounded(max(sum(counts), corners) // 12)  # a face has three corners, with place, normal, texture and index each
    if len(contents.get("nodes", [])) > MAX_NODES:
        raise TooManyFaces


def accessors_of(primitive: dict[str, Any]) -> list[int]:
    """The accessors that one primitive reads."""
    return [*primitive["attributes"].values(), *([primitive["indices"]] if "indices" in primitive else [])]


# --- 3MF --------------------------------------------------------------------------------------------------------------
def read_3mf(path: Path) -> int:
    """A ZIP of XML: bounded by what its table of contents declares, of which zipfile reads no more."""
    with zipfile.ZipFile(path) as archive:
        parts = archive.infolist()
        if len(parts) > MAX_PARTS or sum(part.file_size for part in parts) > MAX_UNPACKED_BYTES:
            raise TooManyFaces
        # Other packings are unpacked by the chunk, however much one chunk becomes.
        if any(part.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for part in parts):
            raise NotAModel
        models = [part for part in parts if part.filename.lower().endswith(".model")]
        return sum(faces_in_xml(archive, part) for part in models)


def faces_in_xml(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> int:
    """How many triangles one part holds. Raises NotAModel and what the parser raises."""
    reader = ThreeMfReader()
    with archive.open(part) as content:
        reader.parser.ParseFile(content)
    return reader.faces


class ThreeMfReader:
    """Counts triangles whose corners exist, object by object, keeping nothing else."""

    def __init__(self) -> None:
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.StartElementHandler = self.start
        self.parser.StartDoctypeDeclHandler = self.refuse
        self.corners = self.faces = 0

    def refuse(self, *_declaration: Any) -> None:
        """3MF has no DTD; with one come entity bombs."""
        raise NotAModel

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """One element begins."""
        kind = tag.rpartition(" ")[2]
        if kind == "mesh":
            self.corners = 0
        elif kind == "vertex":
            self.corner(attributes)
        elif kind == "triangle":
            self.face(attributes)

    def corner(self, attributes: dict[str, str]) -> None:
        """A place in space."""
        if not all(np.isfinite(float(attributes[axis])) for axis in "xyz"):
            raise NotAModel
        self.corners += 1

    def face(self, attributes: dict[str, str]) -> None:
        """Three corners that were given before."""
        if not all(0 <= int(attributes[corner]) < self.corners for corner in ("v1", "v2", "v3")):
            raise NotAModel
        self.faces += 1
        bounded(self.faces)


# --- To be looked at --------------------------------------------------------------------------------------------------
class Beside(trimesh.resolvers.Resolver):
    """Files of one folder by their bare names, and no others, whatever an OBJ says."""

    def __init__(self, folder: Path) -> None:
        self.files = {path.name: path for path in folder.iterdir() if path.is_file()}

    def get(self, key: str) -> bytes:
        """A file's content. Raises KeyError."""
        return self.files[key.strip()].read_bytes()

    def keys(self) -> Any:
        """What there is."""
        return self.files.keys()

    def namespaced(self, namespace: str) -> "Beside":
        """There are no folders in it."""
        return self

    def write(self, name: str, data: Any) -> None:
        """Nothing is written."""
        raise NotImplementedError


def write_glb(path: Path, target: Path) -> None:
    """The model at `path` as one GLB; an OBJ finds its materials and its texture beside it. Raises NotAModel and
    TooManyFaces."""
    format = check(path)
    try:
        scene = trimesh.Scene(placed_shapes(path)) if format == "3mf" else loaded(path, format)
        if format in STANDING_ON_Z:
            scene.apply_transform(Z_TO_Y)
        target.write_bytes(scene.export(file_type="glb"))
    except REFUSED:
        raise
    except Exception as error:  # an odd file may raise anything
        raise NotAModel from error


def loaded(path: Path, format: str) -> trimesh.Scene:
    """As trimesh reads it, materials included."""
    with path.open("rb") as content:
        return trimesh.load_scene(content, file_type=format, process=False, resolver=Beside(path.parent))


Placement = tuple[str, np.ndarray]  # an object's id, and where it is


class ThreeMfShapes(ThreeMfReader):
    """Keeps what the other one counts: corners and triangles by object, what objects consist of, and what is built."""

    def __init__(self) -> None:
        super().__init__()
        self.current = ""
        self.points: dict[str, list[list[float]]] = defaultdict(list)
        self.triangles: dict[str, list[list[int]]] = defaultdict(list)
        self.components: dict[str, list[Placement]] = defaultdict(list)
        self.items: list[Placement] = []

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """One element begins."""
        super().start(tag, attributes)
        kind = tag.rpartition(" ")[2]
        if kind == "object":
            self.current = attributes["id"]
        elif kind == "component":
            self.components[self.current].append(placement(attributes))
        elif kind == "item":
            self.items.append(placement(attributes))

    def corner(self, attributes: dict[str, str]) -> None:
        """A place in space."""
        super().corner(attributes)
        self.points[self.current].append([float(attributes[axis]) for axis in "xyz"])

    def face(self, attributes: dict[str, str]) -> None:
        """Three corners."""
        super().face(attributes)
        self.triangles[self.current].append([int(attributes[corner]) for corner in ("v1", "v2", "v3")])

    def shapes(self) -> Iterator[trimesh.Trimesh]:
        """What is built, where it stands; each mesh once where nothing is. Raises TooManyFaces."""
        todo, faces = list(self.items) or [(name, np.eye(4)) for name in self.triangles], 0
        for steps in count(1):
            if not todo:
                return
            name, matrix = todo.pop()
            faces += len(self.triangles[name])
            if steps > MAX_NODES or faces > MAX_FACES:  # an object may be part of many, or of itself
                raise TooManyFaces
            todo += [(part, matrix @ where) for part, where in self.components[name]]
            if self.triangles[name]:
                mesh = trimesh.Trimesh(self.points[name], self.triangles[name], process=False)
                yield mesh.apply_transform(matrix)


def placement(attributes: dict[str, str]) -> Placement:
    """An object's id and its place: twelve numbers, a column of the matrix after the other."""
    matrix = np.eye(4)
    if said := attributes.get("transform"):
        matrix[:3, :] = np.array([float(number) for number in said.split()]).reshape(4, 3).T
    return attributes["objectid"], matrix


def placed_shapes(path: Path) -> list[trimesh.Trimesh]:
    """The meshes of a 3MF, where they stand. A part that others only refer to is shown by its own meshes."""
    found: list[trimesh.Trimesh] = []
    with zipfile.ZipFile(path) as archive:
        for part in archive.infolist():
            if part.filename.lower().endswith(".model"):
                reader = ThreeMfShapes()
                with archive.open(part) as content:
                    reader.parser.ParseFile(content)
                found += reader.shapes()
    return found


READERS: dict[str, Callable[[Path], int]] = {"stl": read_stl, "obj": read_obj, "glb": read_glb, "3mf": read_3mf}


def main() -> None:
    """`python -m gallery.meshes FILE FOLDER`, or `… glb FILE TARGET`."""
    first, *others = sys.argv[1:]
    try:
        answer: dict[str, Any] = {}
        if first == "glb":
            write_glb(Path(others[0]), Path(others[1]))
        else:
            parts = parts_of(Path(first), Path(others[0]))
            answer["parts"] = {role: str(path) for role, path in parts.items()}
    except REFUSED as error:
        answer = {"refused": error.word}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    main()
