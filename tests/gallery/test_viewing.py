"""A model as a GLB, for the staff's 3D viewer."""

import io
from pathlib import Path

import numpy as np
import pytest
import trimesh
from django.core.files.storage import default_storage
from PIL import Image

from gallery import meshes
from gallery.admin import glb
from lumi import files
from lumi.errors import LumiError
from tests.factories import make_model, make_user, store
from tests.gallery.test_upload import exported, three_mf, zipped

TRIANGLE = (
    '<mesh><vertices><vertex x="0" y="0" z="0"/><vertex x="1" y="0" z="0"/><vertex x="0" y="0" z="2"/></vertices>'
    '<triangles><triangle v1="0" v2="1" v3="2"/></triangles></mesh>'
)


def model_of(**contents):
    """A model with these files, by role."""
    owner = make_user()
    stored = [{"role": role, **store("models", owner, name, content)} for role, (name, content) in contents.items()]
    return make_model(owner, files=stored)


def scene_in(opened):
    with opened:
        return trimesh.load_scene(io.BytesIO(opened.read()), file_type="glb")


def built(objects, build):
    """A 3MF, so built."""
    text = (
        '<model xmlns="http://schemas.microsoft.com/3dmanufacturing/core/2015/02">'
        f"<resources>{objects}</resources><build>{build}</build></model>"
    )
    return zipped({"3D/3dmodel.model": text.encode()})


def shapes_in(folder: Path, content: bytes):
    path = folder / "model.3mf"
    path.write_bytes(content)
    return meshes.placed_shapes(path)


@pytest.mark.django_db
@pytest.mark.parametrize("format", ["stl", "obj"])
def test_what_has_no_glb_is_turned_into_one(format):
    scene = scene_in(glb.open_glb(model_of(**{format: (f"box.{format}", exported(format))})))
    assert sum(len(mesh.faces) for mesh in scene.geometry.values()) == 12


@pytest.mark.django_db
def test_a_3mf_is_turned_into_one():
    scene = scene_in(glb.open_glb(model_of(**{"3mf": ("one.3mf", built(f'<object id="1">{TRIANGLE}</object>', ""))})))
    assert scene.extents.tolist() == pytest.approx([1, 2, 0])  # what stood along z stands along y


@pytest.mark.django_db
def test_an_obj_keeps_its_texture():
    picture = io.BytesIO()
    Image.new("RGB", (4, 4), "red").save(picture, "PNG")
    obj = b"mtllib a.mtl\nusemtl m\nv 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 0 1\nf 1/1 2/2 3/3\n"
    mtl = b"newmtl m\nmap_Kd a.png\n"
    made = model_of(obj=("a.obj", obj), mtl=("a.mtl", mtl), texture=("a.png", picture.getvalue()))
    (mesh,) = scene_in(glb.open_glb(made)).geometry.values()
    assert mesh.visual.material.baseColorTexture.getpixel((0, 0))[:3] == (255, 0, 0)


@pytest.mark.django_db
def test_nothing_of_it_stays_on_the_disk():
    glb.open_glb(model_of(stl=("box.stl", exported("stl")))).close()
    assert list(files.WORKSPACES.iterdir()) == []


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("contents", "status"),
    [
        ({}, 404),
        ({"fbx": ("a.fbx", b"x")}, 404),
        ({"stl": ("a.stl", b"nonsense")}, 422),
    ],
)
def test_what_cannot_be_shown_is_refused_in_a_sentence(contents, status):
    answer = glb.answer(model_of(**contents))
    assert answer.status_code == status
    assert answer["Content-Type"].startswith("text/plain")
    assert answer.content


@pytest.mark.django_db
@pytest.mark.parametrize("role", ["glb", "stl"])
def test_files_that_are_gone_are_said_to_be_gone(role):
    model = model_of(**{role: (f"a.{role}", b"x")})
    default_storage.delete(model.key(role))
    assert glb.answer(model).status_code == 410


def test_a_model_that_is_not_there_is_not_found():
    assert glb.answer(None).status_code == 404


@pytest.mark.django_db
def test_a_reader_that_is_killed_is_a_sentence(monkeypatch):
    monkeypatch.setattr(glb, "SECONDS", 0)
    with pytest.raises(LumiError) as caught:
        glb.open_glb(model_of(stl=("box.stl", exported("stl"))))
    assert caught.value.status == 422


# --- What a 3MF builds ------------------------------------------------------------------------------------------------
def test_items_and_components_stand_where_they_are_put(tmp_path):
    part, moved = f'<object id="1">{TRIANGLE}</object>', "1 0 0 0 1 0 0 0 1 10 0 0"
    whole = f'<object id="2"><components><component objectid="1" transform="{moved}"/></components></object>'
    (mesh,) = shapes_in(tmp_path, built(part + whole, f'<item objectid="2" transform="{moved}"/>'))
    assert mesh.bounds[0].tolist() == [20, 0, 0]


def test_a_turn_is_read_by_rows(tmp_path):
    turned = "0 1 0 -1 0 0 0 0 1 0 0 0"  # x becomes y
    (mesh,) = shapes_in(
        tmp_path, built(f'<object id="1">{TRIANGLE}</object>', f'<item objectid="1" transform="{turned}"/>')
    )
    assert np.allclose(mesh.bounds[1], [0, 1, 2])


def test_what_is_not_built_is_shown_once_each(tmp_path):
    assert (
        len(shapes_in(tmp_path, built(f'<object id="1">{TRIANGLE}</object><object id="2">{TRIANGLE}</object>', "")))
        == 2
    )


@pytest.mark.parametrize("parts", [1, 2])
def test_an_object_that_is_part_of_itself_ends(tmp_path, parts):
    component = '<component objectid="1"/>' * parts
    content = built(f'<object id="1"><components>{component}</components></object>', '<item objectid="1"/>')
    with pytest.raises(meshes.TooManyFaces):
        shapes_in(tmp_path, content)


def test_an_obj_reads_nothing_but_what_lies_beside_it(tmp_path):
    (tmp_path / "secret.mtl").write_text("newmtl m\n")
    (tmp_path / "model").mkdir()
    beside = meshes.Beside(tmp_path / "model")
    for name in ("../secret.mtl", str(tmp_path / "secret.mtl")):
        with pytest.raises(KeyError):
            beside.get(name)


def test_a_broken_file_is_refused(tmp_path):
    path = tmp_path / "broken.3mf"
    path.write_bytes(three_mf('<triangle v1="0" v2="1" v3="9"/>'))
    with pytest.raises(meshes.NotAModel):
        meshes.write_glb(path, tmp_path / "view.glb")
