"""A person's own model file: believed by its content only."""

import base64
import io
import json
import struct
import zipfile

import pytest
import trimesh
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from gallery import actions, inspection, meshes
from gallery.models import Model
from lumi import clock, files, sandbox
from lumi.models import DoomedFile

BOX = trimesh.creation.box()
CORE = "http://schemas.microsoft.com/3dmanufacturing/core/2015/02"
TRIANGLE = '<triangle v1="0" v2="1" v3="2"/>'


def parts_of(folder, content):
    """What an upload consists of, without a process of its own."""
    (folder / "upload").write_bytes(content)
    (folder / "unpacked").mkdir()
    return meshes.parts_of(folder / "upload", folder / "unpacked")


def exported(format):
    content = BOX.export(file_type=format)
    return content.encode() if isinstance(content, str) else content


def three_mf(
    triangles=TRIANGLE,
    *,
    vertex='<vertex x="0" y="0" z="0"/>',
    head="",
    method=zipfile.ZIP_DEFLATED,
    name="3D/3dmodel.model",
):
    model = (
        f'<?xml version="1.0"?>{head}<model xmlns="{CORE}" unit="millimeter"><resources><object id="1"><mesh>'
        f"<vertices>{vertex * 3}</vertices><triangles>{triangles}</triangles></mesh></object></resources>"
        '<build><item objectid="1"/></build></model>'
    )
    return zipped({name: model.encode()}, method)


def zipped(parts, method=zipfile.ZIP_DEFLATED):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return content.getvalue()


def glb(contents):
    text = json.dumps(contents).encode()
    text += b" " * (-len(text) % 4)
    return struct.pack("<4sIIII", b"glTF", 2, 20 + len(text), len(text), 0x4E4F534A) + text


def glb_of_one_face(corner):
    """Three corners and a face that names them; `corner` is its last."""
    data = struct.pack("<9f", 0, 0, 0, 1, 0, 0, 0, 1, 0) + struct.pack("<3I", 0, 1, corner)
    uri = "data:application/octet-stream;base64," + base64.b64encode(data).decode()
    return glb({
        "asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "accessors": [{"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"},
                      {"bufferView": 1, "componentType": 5125, "count": 3, "type": "SCALAR"}],
        "bufferViews": [{"buffer": 0, "byteLength": 36}, {"buffer": 0, "byteOffset": 36, "byteLength": 12}],
        "buffers": [{"uri": uri, "byteLength": 48}],
    })  # fmt: skip


def hollow_glb(count=3, primitives=1, nodes=1):
    """Accessors without bytes: as large as they say."""
    return glb({
        "asset": {"version": "2.0"}, "scene": 0, "scenes": [{"nodes": [0]}], "nodes": [{"mesh": 0}] * nodes,
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}] * primitives}],
        "accessors": [{"componentType": 5126, "count": count, "type": "VEC3"}],
    })  # fmt: skip


def send(client, content, file_name="cat.bin", **fields):
    return client.post(
        "/api/models/upload", {"file": SimpleUploadedFile(file_name, content), **fields}, format="multipart"
    )


GOOD = {
    "glb": exported("glb"),
    "glb whose bytes are in its text": glb_of_one_face(corner=2),
    "stl": exported("stl"),
    "stl in text": exported("stl_ascii"),
    "binary stl that begins like text": b"solid".ljust(80) + exported("stl")[80:],
    "obj": exported("obj"),
    "obj with textures and groups": b"mtllib a.mtl\no cat\nv 0 0 0\nv 1 0 0\nv 0 1 0\nv 1 1 0\nvt 0 0\nvn 0 0 1\n"
    b"usemtl fur\nf 1/1/1 2/1/1 3/1/1\nf 1//1 2//1 \\\n4//1 3//1\nf -1 -2 -3\n",
    "3mf": three_mf(),
    "3mf unpacked": three_mf(method=zipfile.ZIP_STORED),
}
STL_OF_NOTHING = bytes(80) + struct.pack("<I", 0)
BAD = {
    "text": b"hello, this is no model",
    "picture": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "page": b"<html><body>v 1 f 2</body></html>",
    "obj without faces": b"v 0 0 0\nv 1 0 0\nv 0 1 0\n",
    "obj whose face has no corner": b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n",
    "obj whose face has words": b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf a b c\n",
    "obj at no place": b"v nan 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n",
    "cut stl": exported("stl")[:-10],
    "stl without faces": STL_OF_NOTHING,
    "text stl without faces": b"solid cat\nendsolid cat\n",
    "cut text stl": exported("stl_ascii")[:300],
    "cut glb": exported("glb")[:-10],
    "glb with more behind": exported("glb") + b"more",
    "glb head only": b"glTF",
    "glb of version 1": b"glTF\x01" + exported("glb")[5:],
    "glb without meshes": glb({"asset": {"version": "2.0"}}),
    "glb whose json is broken": exported("glb")[:20] + b"}" + exported("glb")[21:],
    "glb of deep nonsense": glb({"asset": [[[[[[]]]]]], "accessors": 5, "meshes": "x"}),
    "glb that points outside": glb({
        "asset": {"version": "2.0"}, "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        "accessors": [{"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"}],
        "bufferViews": [{"buffer": 0, "byteLength": 36}], "buffers": [{"uri": "file:///etc/passwd", "byteLength": 36}],
    }),
    "glb whose face has no corner": glb_of_one_face(corner=3),
    "other zip": zipped({"readme.txt": b"hello"}),
    "cut zip": three_mf()[:60],
    "3mf without faces": three_mf(""),
    "3mf whose face has no corner": three_mf('<triangle v1="0" v2="1" v3="3"/>'),
    "3mf whose face has words": three_mf('<triangle v1="a" v2="1" v3="2"/>'),
    "3mf at no place": three_mf(vertex='<vertex x="inf" y="0" z="0"/>'),
    "3mf of broken xml": three_mf("<triangle"),
    "3mf with entities": three_mf(head='<!DOCTYPE m [<!ENTITY a "aaaa">]>'),
    "3mf packed strangely": three_mf(method=zipfile.ZIP_LZMA),
}  # fmt: skip


@pytest.mark.parametrize("kind", GOOD)
def test_every_kind_of_model_is_taken(as_alice, alice, kind):
    format = kind.replace("binary ", "")[:3]
    response = send(as_alice, GOOD[kind], "My cat.exe")
    assert response.status_code == 201, response.content
    shown = response.json()["data"]
    assert (shown["source"], shown["visibility"], shown["name"]) == ("USER_UPLOADED", "PRIVATE", "My cat")
    assert (shown["format"], shown["fileSize"]) == (format.upper(), len(GOOD[kind]))
    assert shown["modelUrl"].endswith(f"/My_cat.{format}")
    assert shown["completedAt"] is not None
    assert (shown["requestId"], shown["generationJob"], shown["previewImageUrl"]) == (None, None, None)
    model = Model.objects.get()
    assert model.owner == alice
    with default_storage.open(model.key(format)) as stored:
        assert stored.read() == GOOD[kind]


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_model_is_refused(tmp_path, kind):
    with pytest.raises(meshes.NotAModel):
        parts_of(tmp_path, BAD[kind])


@pytest.mark.parametrize("kind", ["text", "cut glb", "other zip"])
def test_a_refused_file_leaves_nothing(as_alice, media, kind):
    response = send(as_alice, BAD[kind], "cat.glb")
    assert response.status_code == 400, response.content
    assert response.json()["data"]["code"] == "VALIDATION_ERROR"
    assert response.json()["data"]["message"].startswith("This file could not be read as a 3D model.")
    assert not Model.objects.exists()
    assert not media.exists()


BOMBS = {
    "glb that says it is huge": hollow_glb(count=2**31),
    "glb that shares one mesh": hollow_glb(count=1000, primitives=1000),
    "glb with too many nodes": hollow_glb(nodes=101),
    "3mf that unpacks to much": three_mf(" " * 200_000 + TRIANGLE),
    "3mf of too many parts": zipped({f"{n}.txt": b"" for n in range(11)}),
    "3mf of too many faces": three_mf(TRIANGLE * 1001),
    "stl of too many faces": bytes(80) + struct.pack("<I", 1001) + bytes(50) * 1001,
    "text stl of too many faces": b"solid a\n"
    + b"facet\nvertex 0 0 0\nvertex 1 0 0\nvertex 0 1 0\nendfacet\n" * 1001
    + b"endsolid",
    "obj of too many faces": b"v 0 0 0\nv 1 0 0\nv 0 1 0\n" + b"f 1 2 3\n" * 1001,
    "obj of one endless face": b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3" + b" 1 2 3" * 400,
}


@pytest.mark.parametrize("kind", BOMBS)
def test_what_would_grow_too_large_is_refused(tmp_path, kind, monkeypatch):
    for name, bound in (("MAX_FACES", 1000), ("MAX_NODES", 100), ("MAX_PARTS", 10), ("MAX_UNPACKED_BYTES", 100_000)):
        monkeypatch.setattr(meshes, name, bound)
    with pytest.raises(meshes.TooManyFaces):
        parts_of(tmp_path, BOMBS[kind])


def test_a_bomb_is_refused_in_a_sentence_and_leaves_nothing(as_alice, media):
    response = send(as_alice, hollow_glb(count=2**31))
    assert response.status_code == 400, response.content
    assert response.json()["data"]["message"].startswith("This model is too detailed.")
    assert not Model.objects.exists()
    assert not media.exists()


def test_a_file_that_is_too_large_is_refused(as_alice, settings):
    settings.MAX_MODEL_UPLOAD_BYTES = 1000
    response = send(as_alice, GOOD["glb"].ljust(1001))
    assert response.status_code == 413
    assert response.json()["data"]["code"] == "VALIDATION_ERROR"
    assert not Model.objects.exists()


def test_a_body_that_is_far_too_large_is_not_even_read(as_alice, settings):
    settings.MAX_MODEL_UPLOAD_BYTES = 1000
    nonsense = b"x" * 100_000  # whoever reads it answers 400
    response = as_alice.generic("POST", "/api/models/upload", nonsense, content_type="multipart/form-data; boundary=b")
    assert response.status_code == 413


def test_a_file_of_the_greatest_size_is_taken(as_alice, settings):
    settings.MAX_MODEL_UPLOAD_BYTES = len(GOOD["stl"])
    assert send(as_alice, GOOD["stl"]).status_code == 201


@pytest.mark.parametrize(
    ("file_name", "field", "name"),
    [
        ("cat.stl", {"name": "  Dog "}, "Dog"),
        ("猫 咪.stl", {}, "猫 咪"),
        ("猫" * 40 + ".stl", {}, "猫" * 15 + "..."),
        ("cat.stl", {"name": ""}, "cat"),
        ("cat.stl", {"name": " "}, "cat"),
    ],
)
def test_a_name_is_given_or_taken_from_the_file(as_alice, file_name, field, name):
    assert send(as_alice, GOOD["stl"], file_name, **field).json()["data"]["name"] == name


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd", "passwd.stl"),
        ("a/b\\c.stl", "c.stl"),
        ("猫" * 200, "猫" * 60 + ".stl"),
        (".stl", "stl.stl"),
        ('a"<b>;\r\n.stl', "ab.stl"),
    ],
)
def test_a_file_name_cannot_lead_out_of_its_folder(as_alice, given, kept):
    response = send(as_alice, GOOD["stl"], given)
    assert response.status_code == 201, response.content
    key = Model.objects.get().key("stl")
    assert (key.count("/"), key.rpartition("/")[2]) == (3, kept)


@pytest.mark.parametrize("fields", [{}, {"file": "text"}, {"name": "x"}, {"file": SimpleUploadedFile("cat.stl", b"")}])
def test_without_a_file_it_is_refused(as_alice, fields):
    response = as_alice.post("/api/models/upload", fields, format="multipart")
    assert response.status_code == 400
    assert response.json()["data"]["details"]["file"]


@pytest.mark.parametrize("name", ["x" * 101, "a\x00b"])
def test_a_bad_name_is_refused(as_alice, name, media):
    assert send(as_alice, GOOD["stl"], name=name).status_code == 400
    assert not media.exists()


def test_only_multipart_is_taken(as_alice):
    assert as_alice.post("/api/models/upload", {"file": "x"}).status_code == 415


@pytest.mark.parametrize("body", [b"", b"nonsense", b"--x\r\nContent-Disposition: form-data"])
def test_broken_multipart_is_refused(as_alice, body):
    response = as_alice.generic("POST", "/api/models/upload", body, content_type="multipart/form-data; boundary=x")
    assert response.status_code == 400
    response = as_alice.generic("POST", "/api/models/upload", body, content_type="multipart/form-data")
    assert response.status_code == 400


def test_nobody_uploads(as_nobody, db):
    assert send(as_nobody, GOOD["stl"]).status_code == 401


def test_a_file_whose_row_fails_is_not_left_behind(alice, media):
    with pytest.raises(UnicodeEncodeError):
        actions.upload(owner=alice, file=SimpleUploadedFile("cat.stl", GOOD["stl"]), name="\ud800")
    DoomedFile.objects.update(after=clock.now())
    files.sweep()
    assert [path for path in media.rglob("*") if path.is_file()] == []


# --- A ZIP of an OBJ --------------------------------------------------------------------------------------------------
def picture(size=(8, 8)):
    out = io.BytesIO()
    Image.new("RGB", size).save(out, "PNG")
    return out.getvalue()


def obj_zip(**changed):
    parts = {
        "cat/cat.obj": b"mtllib cat.mtl\n" + exported("obj"),
        "cat/cat.mtl": b"newmtl m\nmap_Kd textures\\Fur.PNG\n",
        "cat/textures/fur.png": picture(),
        "__MACOSX/cat/._cat.obj": b"litter",
        "cat/readme.txt": b"hello",
    }
    return zipped({name: part for name, part in (parts | changed).items() if part is not None})


def stored(model, role):
    with default_storage.open(model.key(role)) as file:
        return file.read()


def test_a_zip_of_an_obj_is_taken_with_its_material_and_its_texture(as_alice):
    shown = send(as_alice, obj_zip(), "小猫 zip.zip").json()["data"]
    assert (shown["format"], shown["name"]) == ("OBJ", "小猫 zip")
    assert shown["modelUrl"].endswith(".obj")
    assert shown["mtlUrl"].endswith(".mtl")
    assert shown["textureUrl"].endswith(".png")
    model = Model.objects.get()
    mesh, library = (stored(model, role) for role in ("obj", "mtl"))
    assert mesh.startswith(f"mtllib {model.key('mtl').rpartition('/')[2]}\n".encode())
    assert f"map_Kd {model.key('texture').rpartition('/')[2]}\n".encode() in library


def test_a_zip_of_a_bare_obj_is_taken(tmp_path):
    parts = parts_of(tmp_path, obj_zip(**{"cat/cat.mtl": None, "cat/textures/fur.png": None}))
    assert set(parts) == {"obj"}


def test_a_library_that_names_a_file_elsewhere_gets_none(tmp_path):
    parts = parts_of(tmp_path, obj_zip(**{"cat/cat.mtl": b"newmtl m\nmap_Kd ../../../../etc/passwd\n"}))
    assert set(parts) == {"obj", "mtl"}


BAD_ZIPS = {
    "name that leads out": obj_zip(**{"../evil.obj": exported("obj")}),
    "absolute name": obj_zip(**{"/etc/evil.obj": exported("obj")}),
    "name from a drive": obj_zip(**{"C:\\evil.obj": exported("obj")}),
    "two of one name": obj_zip(**{"other/CAT.obj": exported("obj")}),
    "obj that is none": obj_zip(**{"cat/cat.obj": b"hello"}),
    "obj that is a picture": obj_zip(**{"cat/cat.obj": picture()}),
    "texture that is a page": obj_zip(**{"cat/textures/fur.png": b"<html><script>alert(1)</script></html>"}),
    "texture that is a drawing": obj_zip(**{"cat/textures/fur.png": b"<svg xmlns='http://www.w3.org/2000/svg'/>"}),
    "texture that is cut": obj_zip(**{"cat/textures/fur.png": picture()[:40]}),
    "too many entries": zipped({f"{n}.obj": b"" for n in range(101)}),
    "packed strangely": zipped({"cat.obj": exported("obj")}, zipfile.ZIP_LZMA),
    "cut": obj_zip()[:-200],
}


@pytest.mark.parametrize("kind", BAD_ZIPS)
def test_a_zip_made_in_bad_faith_is_refused(tmp_path, kind):
    with pytest.raises(meshes.NotAModel):
        parts_of(tmp_path, BAD_ZIPS[kind])
    assert not list(tmp_path.parent.glob("evil*"))


def test_a_zip_that_unpacks_to_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(meshes, "MAX_UNPACKED_BYTES", 100_000)
    with pytest.raises(meshes.NotAModel):
        parts_of(tmp_path, obj_zip(**{"cat/cat.obj": b"v 0 0 0\n" * 50_000}))
    assert sum(file.stat().st_size for file in tmp_path.rglob("*") if file.is_file()) < 200_000


def test_a_reader_that_dies_is_an_answer_in_a_sentence(as_alice, media, monkeypatch):
    monkeypatch.setattr(sandbox, "MEMORY", 1)
    monkeypatch.setattr(inspection, "SECONDS", 0)  # of the processor: the kernel ends it at once
    response = send(as_alice, GOOD["glb"])
    assert (response.status_code, response.json()["data"]["code"]) == (400, "VALIDATION_ERROR")
    assert not Model.objects.exists()
    assert not media.exists()
