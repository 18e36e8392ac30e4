"""Wavefront OBJ: a mesh that names a material library (MTL), which names a texture; three files that must find each
other. Read and written line by line: an OBJ may be hundreds of megabytes."""

import re
from collections.abc import Mapping
from pathlib import Path

LIBRARY, TEXTURE = rb"mtllib", rb"map_K[ad]"
PICTURES = (".png", ".jpg", ".jpeg", ".webp")
PARTS = (".obj", ".mtl", *PICTURES)


def parts_among(files: Mapping[str, Path]) -> dict[str, Path]:
    """The one model among files (by bare name): "obj", and "mtl" and "texture" where there are. {} without an OBJ."""
    mesh = with_suffix(files, ".obj")
    if mesh is None:
        return {}
    found = {"obj": mesh}
    if library := named_in(mesh, LIBRARY, files) or with_suffix(files, ".mtl"):
        found["mtl"] = library
        texture = named_in(library, TEXTURE, files)
        if texture and texture.suffix.lower() in PICTURES:
            found["texture"] = texture
    return found


def with_suffix(files: Mapping[str, Path], suffix: str) -> Path | None:
    """The first file, by name, with an ending."""
    return next((files[name] for name in sorted(files) if files[name].suffix.lower() == suffix), None)


def named_in(path: Path, keyword: bytes, files: Mapping[str, Path]) -> Path | None:
    """The file that another one names first: known by its bare name, whatever folder stands before it and however its
    letters are written. None where there is none."""
    line = re.compile(rb"^[ \t]*" + keyword + rb"[ \t]+(.+?)[ \t\r\n]*$")
    known = {name.casefold(): file for name, file in files.items()}
    with path.open("rb") as lines:
        match = next((match for text in lines if (match := line.match(text))), None)
    if match is None:
        return None
    said = " " + match[1].decode(errors="replace").replace("\\", "/").strip('"').casefold()
    # Options may stand before it ("map_Kd -s 1 1 1 my cat.png"), and folders: the longest known name at the end.
    fitting = [name for name in known if said.endswith((f" {name}", f"/{name}", f'"{name}'))]
    return known[max(fitting, key=len)] if fitting else None


def refer(path: Path, keyword: bytes, name: str) -> None:
    """Let every line of a keyword name this file, and no folder."""
    line = re.compile(rb"^([ \t]*" + keyword + rb"[ \t]+)[^\r\n]*")
    renewed = path.with_name(f"{path.name}.renewed")
    with path.open("rb") as old, renewed.open("wb") as new:
        for text in old:
            new.write(line.sub(lambda match: match[1] + name.encode(), text))
    renewed.replace(path)


def let_find(parts: Mapping[str, Path], names: Mapping[str, str]) -> None:
    """Point the OBJ at its library, and the library at its texture, under their new names (by role)."""
    if "obj" in parts and "mtl" in names:
        refer(parts["obj"], LIBRARY, names["mtl"])
    if "mtl" in parts and "texture" in names:
        refer(parts["mtl"], TEXTURE, names["texture"])
