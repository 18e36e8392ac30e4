"""OBJ, MTL and texture find each other, whatever the archive they came in was like."""

from pathlib import Path

import pytest

from lumi import wavefront


def files_in(folder: Path, **contents: bytes) -> dict[str, Path]:
    """Files by name; "_" stands for the dot."""
    found = {}
    for name, content in contents.items():
        path = folder / name.replace("_", ".")
        path.write_bytes(content)
        found[path.name] = path
    return found


class TestFinding:
    @pytest.mark.parametrize(
        "line",
        [
            b"map_Kd fur.png",
            b"  map_Kd   FUR.PNG  ",
            b"map_Kd textures/fur.png",
            b"map_Kd C:\\work\\fur.png",
            b'map_Kd "fur.png"',
            b"map_Kd -s 1 1 1 -o 0 0 0 fur.png",
            b"map_Ka fur.png",
            b"map_Kd fur.png\r",
        ],
    )
    def test_the_texture_that_the_library_names(self, tmp_path: Path, line: bytes) -> None:
        files = files_in(tmp_path, cat_obj=b"mtllib cat.mtl\n", cat_mtl=b"newmtl m\n" + line + b"\n", fur_png=b"")
        assert {role: path.name for role, path in wavefront.parts_among(files).items()} == {
            "obj": "cat.obj", "mtl": "cat.mtl", "texture": "fur.png",
        }  # fmt: skip

    def test_a_name_with_spaces(self, tmp_path: Path) -> None:
        (tmp_path / "my fur.png").touch()
        files = files_in(tmp_path, cat_obj=b"mtllib cat.mtl\n", cat_mtl=b"map_Kd -s 1 1 1 my fur.png\n", fur_png=b"")
        files["my fur.png"] = tmp_path / "my fur.png"
        assert wavefront.parts_among(files)["texture"].name == "my fur.png"

    def test_the_library_that_the_mesh_names(self, tmp_path: Path) -> None:
        files = files_in(tmp_path, cat_obj=b"v 0 0 0\nmtllib b.mtl\n", a_mtl=b"", b_mtl=b"")
        assert wavefront.parts_among(files)["mtl"].name == "b.mtl"

    def test_the_only_one_when_the_name_is_wrong(self, tmp_path: Path) -> None:
        files = files_in(tmp_path, cat_obj=b"mtllib nowhere.mtl\n", a_MTL=b"")
        assert wavefront.parts_among(files)["mtl"].name == "a.MTL"

    @pytest.mark.parametrize("line", [b"map_Kd ../../etc/passwd\n", b"map_Kd cat.obj\n", b"map_Kd \n", b""])
    def test_nothing_else_is_a_texture(self, tmp_path: Path, line: bytes) -> None:
        files = files_in(tmp_path, cat_obj=b"mtllib cat.mtl\n", cat_mtl=line, fur_png=b"")
        assert set(wavefront.parts_among(files)) == {"obj", "mtl"}

    def test_no_mesh_no_model(self, tmp_path: Path) -> None:
        assert wavefront.parts_among(files_in(tmp_path, cat_mtl=b"", fur_png=b"")) == {}


class TestRenaming:
    def test_each_finds_the_other_under_its_new_name(self, tmp_path: Path) -> None:
        mesh = b"# a cat\r\nmtllib old.mtl\r\nv 0 0 0\r\nusemtl m\r\nmtllib more.mtl\r\n"
        parts = wavefront.parts_among(
            files_in(tmp_path, cat_obj=mesh, old_mtl=b"newmtl m\nmap_Kd a/fur.png\nmap_Ka fur.png", fur_png=b"")
        )
        wavefront.let_find(parts, {"obj": "猫.obj", "mtl": "猫.mtl", "texture": "猫.png"})
        assert parts["obj"].read_text() == "# a cat\nmtllib 猫.mtl\nv 0 0 0\nusemtl m\nmtllib 猫.mtl\n"
        assert parts["mtl"].read_text() == "newmtl m\nmap_Kd 猫.png\nmap_Ka 猫.png"

    def test_what_names_nothing_is_left_as_it_is(self, tmp_path: Path) -> None:
        parts = wavefront.parts_among(files_in(tmp_path, cat_obj=b"v 0 0 0\n# mtllib in a comment\n"))
        wavefront.let_find(parts, {"obj": "b.obj", "mtl": "b.mtl"})
        assert parts["obj"].read_bytes() == b"v 0 0 0\n# mtllib in a comment\n"
