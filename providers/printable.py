"""A mesh that can be printed, for vendors that give only a GLB: metres with Y up become millimetres with Z up, as STL.

The GLB is a stranger's. It is read by this module as a program of its own, in a sandbox: `python -m
providers.printable IN.glb OUT.stl`.
"""

import json
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from trimesh.exchange.stl import export_stl

from lumi import sandbox
from providers.base import Billed, Fault, FileRole, ProviderError, ResultFile

LONGEST_SIDE = 100.0  # millimetres: vendors' metres say nothing about the size of a toy; slicers scale from here
MOST_FACES = 2_000_000  # what the largest model of any vendor has
SECONDS = 120  # of the processor's time; twice that on the clock
PRINTABLE = frozenset({FileRole.STL, FileRole.OBJ, FileRole.THREE_MF})
UPRIGHT = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])  # Y up to Z up: a quarter turn about X


def with_stl(results: list[ResultFile], folder: Path) -> list[ResultFile]:
    """The results and, where none of them can be printed, an STL made from their GLB. Raises ProviderError."""
    paths = {result.role: result.path for result in results}
    if FileRole.GLB not in paths or PRINTABLE & paths.keys():
        return results
    stl = folder / "printable.stl"
    make_stl(paths[FileRole.GLB], stl)
    return [*results, ResultFile(role=FileRole.STL, path=stl)]


def make_stl(glb: Path, stl: Path, *, seconds: int = SECONDS) -> None:
    """Write the GLB's shape to `stl`: binary, millimetres, Z up, standing on the bed. Raises ProviderError."""
    try:
        sandbox.run("providers.printable", str(glb.resolve()), str(stl.resolve()), seconds=seconds)
    except sandbox.Failed as failure:
        last_words = failure.output.strip().rpartition("\n")[2]
        evidence = f"no STL can be made from the GLB: {failure}; {last_words}"
        raise ProviderError(Fault.BAD_ANSWER, permanent=True, billed=Billed.YES, evidence=evidence) from failure


# --- In the sandbox: whatever is raised here ends the program, and its last words are the evidence -------------------


class NotPrintable(Exception):
    """There is no mesh in it, or one too large."""


def solid_of(content: bytes) -> trimesh.Trimesh:
    """All meshes of a GLB as one, in millimetres. Raises NotPrintable, and what trimesh raises."""
    bounded(content)
    scene = trimesh.load_scene(BytesIO(content), file_type="glb", process=False, skip_materials=True)
    placed = [scene.geometry[scene.graph[node][1]] for node in scene.graph.nodes_geometry]
    if sum(len(getattr(mesh, "faces", ())) for mesh in placed) > MOST_FACES:
        raise NotPrintable(f"more than {MOST_FACES} faces")
    return in_millimetres(scene.to_mesh())


def bounded(content: bytes) -> None:
    """A GLB's table of contents may promise more than the file holds. Raises NotPrintable."""
    length = int.from_bytes(content[12:16], "little")
    contents: dict[str, Any] = json.loads(content[20 : 20 + length])
    promised = sum(accessor["count"] for accessor in contents["accessors"])
    if promised > 12 * MOST_FACES:  # a face has three corners, with place, normal, texture and index each
        raise NotPrintable(f"{promised} numbers are promised")


def in_millimetres(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    """Upright, LONGEST_SIDE long, on the bed and in its middle. Raises NotPrintable."""
    corners = np.asarray(mesh.vertices, dtype=np.float64) @ UPRIGHT.T
    if not len(mesh.faces) or not np.isfinite(corners).all() or not np.ptp(corners, axis=0).max() > 0:
        raise NotPrintable("no mesh with a size in it")
    corners *= LONGEST_SIDE / np.ptp(corners, axis=0).max()
    low, high = corners.min(axis=0), corners.max(axis=0)
    corners -= [(low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]]
    return sound(trimesh.Trimesh(corners, mesh.faces, process=False))


def sound(mesh: trimesh.Trimesh) -> trimesh.Trimesh:
    """Corners that a texture or a normal had split are one again, and faces that this leaves without area are gone."""
    mesh.merge_vertices(merge_tex=True, merge_norm=True)
    first, second, third = mesh.faces.T
    mesh.update_faces((first != second) & (second != third) & (third != first))
    return mesh


if __name__ == "__main__":
    Path(sys.argv[2]).write_bytes(export_stl(solid_of(Path(sys.argv[1]).read_bytes())))
