"""How results are kept: names, and the references between the files of a model."""

from pathlib import Path

import pytest

from generation.kinds import ModelKind, name_of, stem_of
from generation.models import ModelGenerationJob
from lumi.accounts.models import User
from providers.base import FileRole, ResultFile
from tests.factories import make_request


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("a small cat", "a-small-cat"),
        ("一只可爱的小猫", "一只可爱的小猫"),
        ("../../etc/passwd", "etcpasswd"),
        ("🐈", "model"),
        ("A/B\\C: *?", "abc"),
        ("x" * 200, "x" * 60),
    ],
)
def test_stem(name: str, stem: str) -> None:
    assert stem_of(name) == stem


@pytest.mark.parametrize(
    ("role", "file", "name"),
    [
        (FileRole.OBJ, "model.obj", "cat.obj"),
        (FileRole.TEXTURE, "tex.JPG", "cat.jpg"),
        (FileRole.PREVIEW, "p.png", "cat-preview.png"),
        (FileRole.THREE_MF, "whatever", "cat.3mf"),
        (FileRole.MTL, "whatever", "cat.mtl"),
    ],
)
def test_name(role: FileRole, file: str, name: str) -> None:
    assert name_of(ResultFile(role=role, path=Path(file)), "cat") == name


@pytest.mark.django_db
def test_an_obj_finds_its_mtl_and_texture_under_their_new_names(alice: User, tmp_path: Path, media: Path) -> None:
    make_request(alice, status="MODEL_PENDING", prompt="小猫 one")
    job = ModelGenerationJob.objects.with_context().get()
    (tmp_path / "model.obj").write_bytes(b"# by a vendor\r\nmtllib model.mtl\r\nv 0 0 0\r\nusemtl mtllib\r\n")
    (tmp_path / "model.mtl").write_bytes(b"newmtl m\n  map_Kd ./tex/texture file.png\nKd 1 1 1\n")
    (tmp_path / "texture file.png").write_bytes(b"png")
    roles = {FileRole.OBJ: "model.obj", FileRole.MTL: "model.mtl", FileRole.TEXTURE: "texture file.png"}
    kept = ModelKind().keep(job, [ResultFile(role=role, path=tmp_path / name) for role, name in roles.items()])
    stored = {file["role"]: (media / file["key"]).read_bytes().decode() for file in kept}
    assert [Path(file["key"]).name for file in kept] == ["小猫-one.obj", "小猫-one.mtl", "小猫-one.png"]
    assert len({Path(file["key"]).parent for file in kept}) == 1
    assert "mtllib 小猫-one.mtl\r\nv 0 0 0" in stored["obj"]
    assert "usemtl mtllib" in stored["obj"]
    assert "map_Kd 小猫-one.png\nKd" in stored["mtl"]
    assert [file["size"] for file in kept] == [len(text.encode()) for text in stored.values()]
