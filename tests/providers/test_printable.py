"""STL from a vendor's GLB: a real one becomes printable, a bad one an error, and none of them hurts."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from trimesh.visual import TextureVisuals

from providers import printable
from providers.base import Billed, Fault, FileRole, ProviderError, ResultFile

BALL = trimesh.creation.icosphere(subdivisions=3)


def glb_of(mesh: Any) -> bytes:
    """A GLB."""
    content: bytes = mesh.export(file_type="glb")
    return content


def raw_glb(contents: dict[str, Any], blob: bytes = b"") -> bytes:
    """A GLB of this table of contents, whatever it promises."""
    table = json.dumps({"asset": {"version": "2.0"}, **contents}).encode()
    table += b" " * (-len(table) % 4)
    chunks = len(table).to_bytes(4, "little") + b"JSON" + table + len(blob).to_bytes(4, "little") + b"BIN\0" + blob
    return b"glTF" + (2).to_bytes(4, "little") + (12 + len(chunks)).to_bytes(4, "little") + chunks


def triangle(**accessor: Any) -> dict[str, Any]:
    """The table of contents of one mesh."""
    return {
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        "accessors": [{"componentType": 5126, "type": "VEC3", "count": 3, **accessor}],
    }


IN_ONE_PLACE = {
    **triangle(bufferView=0), "bufferViews": [{"buffer": 0, "byteLength": 36}], "buffers": [{"byteLength": 36}],
}  # fmt: skip


def crowd(count: int) -> bytes:
    """One ball that stands in many places: a small file, a large mesh."""
    scene = trimesh.Scene()
    scene.add_geometry(BALL, geom_name="ball", node_name="first")
    for number in range(count):
        scene.graph.update(frame_to=f"n{number}", matrix=np.eye(4), geometry="ball")
    return glb_of(scene)


def stl_of(content: bytes, folder: Path) -> trimesh.Trimesh:
    """The STL that is made, read again."""
    glb, stl = folder / "in.glb", folder / "out.stl"
    glb.write_bytes(content)
    printable.make_stl(glb, stl)
    assert stl.stat().st_size == 84 + 50 * int.from_bytes(stl.read_bytes()[80:84], "little")  # binary, whole
    found: trimesh.Trimesh = trimesh.load_mesh(stl)
    return found


class TestShape:
    def test_the_longest_side_is_a_hundred_millimetres_and_it_stands_on_the_bed(self, tmp_path: Path) -> None:
        tower = trimesh.creation.box((0.2, 1.0, 0.5))  # metres, Y up
        found = stl_of(glb_of(tower), tmp_path)
        assert found.extents == pytest.approx([20, 50, 100], abs=1e-3)
        assert found.bounds[0] == pytest.approx([-10, -25, 0], abs=1e-3)

    def test_what_was_up_is_up(self, tmp_path: Path) -> None:
        cone = trimesh.creation.cone(radius=0.3, height=1.0)  # along Z
        cone.apply_transform(trimesh.transformations.rotation_matrix(-np.pi / 2, [1, 0, 0]))  # along Y, as in a GLB
        found = stl_of(glb_of(cone), tmp_path)
        assert found.center_mass[2] < 40  # a cone is heavy below
        assert found.volume > 0

    def test_a_textured_mesh_is_closed_again(self, tmp_path: Path) -> None:
        split = BALL.copy()
        split.unmerge_vertices()  # as a texture's seams do
        split.visual = TextureVisuals(uv=np.random.default_rng(1).random((len(split.vertices), 2)))
        assert not split.is_watertight
        found = stl_of(glb_of(split), tmp_path)
        assert (found.is_watertight, found.is_winding_consistent, len(found.faces)) == (True, True, len(BALL.faces))

    def test_all_parts_come_where_they_stand(self, tmp_path: Path) -> None:
        scene = trimesh.Scene([BALL])
        scene.add_geometry(BALL, transform=trimesh.transformations.translation_matrix([0, 3, 0]))
        found = stl_of(glb_of(scene), tmp_path)
        assert found.extents == pytest.approx([40, 40, 100], abs=0.5)
        assert len(found.faces) == 2 * len(BALL.faces)


class TestBadOnes:
    @pytest.mark.parametrize(
        ("content", "why"),
        [
            (b"glTF" + bytes(400), "Error"),
            (glb_of(BALL)[:2000], "Error"),
            (raw_glb(triangle(count=10**9)), "NotPrintable: 1000000000 numbers are promised"),
            (raw_glb(IN_ONE_PLACE, bytes(36)), "NotPrintable: no mesh with a size"),
            (raw_glb({**triangle(), "accessors": []}), "Error"),
            (raw_glb({**IN_ONE_PLACE, "buffers": [{"byteLength": 36, "uri": "file:///etc/passwd"}]}), "Error"),
            (crowd(2000), "NotPrintable: more than 2000000 faces"),
        ],
        ids=["garbage", "truncated", "promises", "a point", "no accessor", "another file", "a crowd"],
    )
    def test_are_the_vendors_fault_for_good(self, content: bytes, why: str, tmp_path: Path) -> None:
        with pytest.raises(ProviderError) as caught:
            stl_of(content, tmp_path)
        error = caught.value
        assert (error.fault, error.permanent, error.billed) == (Fault.BAD_ANSWER, True, Billed.YES)
        assert why in error.evidence
        assert not (tmp_path / "out.stl").exists()

    def test_one_that_takes_too_long_is_given_up(self, tmp_path: Path) -> None:
        glb = tmp_path / "in.glb"
        glb.write_bytes(glb_of(BALL))
        with pytest.raises(ProviderError) as caught:
            printable.make_stl(glb, tmp_path / "out.stl", seconds=0)
        assert (caught.value.fault, caught.value.permanent) == (Fault.BAD_ANSWER, True)
        assert "too long" in caught.value.evidence


class TestWhenIsOneMade:
    @pytest.mark.parametrize("role", [FileRole.STL, FileRole.OBJ, FileRole.THREE_MF])
    def test_not_where_the_vendor_gave_one(self, role: FileRole, tmp_path: Path) -> None:
        given = [ResultFile(role=one, path=tmp_path / f"never-read.{one}") for one in (FileRole.GLB, role)]
        assert printable.with_stl(given, tmp_path) == given

    def test_not_without_a_mesh(self, tmp_path: Path) -> None:
        given = [ResultFile(role=FileRole.PREVIEW, path=tmp_path / "never-read.png")]
        assert printable.with_stl(given, tmp_path) == given

    def test_of_a_lone_glb(self, tmp_path: Path) -> None:
        glb = tmp_path / "model.glb"
        glb.write_bytes(glb_of(BALL))
        found = printable.with_stl([ResultFile(role=FileRole.GLB, path=glb)], tmp_path)
        assert [result.role for result in found] == [FileRole.GLB, FileRole.STL]
        assert found[1].path.stat().st_size == 84 + 50 * len(BALL.faces)
