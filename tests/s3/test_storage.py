"""What Lumi keeps in a bucket: content, names, types; by django-storages and boto, unchanged."""

from pathlib import Path
from urllib.parse import unquote

import pytest
import requests
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import RequestFactory

from gallery.actions import remove
from lumi import disk, files
from lumi.accounts.models import User
from lumi.models import DoomedFile
from tests.factories import make_model
from tests.s3.server import Store

TWENTY_MEGABYTES = 20 * 1024 * 1024


def saved(folder: Path, key: str, content: bytes = b"0123456789") -> str:
    """A file in Lumi's storage, as results get there; its address."""
    path = folder / "file"
    path.write_bytes(content)
    assert files.save(path, key) == len(content)
    return str(files.url(key))


@pytest.mark.django_db
class TestFiles:
    @pytest.mark.parametrize(
        "key", ["models/a/b/cat.stl", "models/a/b/小猫 1+1 & ½%.glb", "images/a/~b_c-d/image-0.png"]
    )
    def test_what_is_saved_is_there_until_it_is_deleted(self, store: Store, tmp_path: Path, key: str) -> None:
        address = saved(tmp_path, key)
        assert store.keys_there == [key]
        assert default_storage.exists(key)
        assert default_storage.size(key) == 10
        assert files.read(key) == b"0123456789"
        assert requests.get(address, timeout=10).content == b"0123456789"
        files.delete_doomed([key])
        assert store.keys_there == []
        assert not default_storage.exists(key)
        assert requests.get(address, timeout=10).status_code == 404
        assert not DoomedFile.objects.exists()

    def test_nothing_is_asked_before_a_file_is_saved(self, store: Store, tmp_path: Path) -> None:
        saved(tmp_path, "models/a/b/cat.stl")
        assert [asked.method for asked in store.asked] == ["PUT"]

    def test_what_is_not_there(self, store: Store) -> None:
        with pytest.raises(FileNotFoundError):
            files.read("models/a/b/nothing.stl")
        default_storage.delete("models/a/b/nothing.stl")

    def test_folders(self, store: Store, tmp_path: Path) -> None:
        for key in ("models/a/x/cat.obj", "models/a/x/cat.mtl", "models/a/y/cat.obj"):
            saved(tmp_path, key)
        assert default_storage.listdir("models/a") == (["x", "y"], [])
        assert default_storage.listdir("models/a/x") == ([], ["cat.mtl", "cat.obj"])

    def test_a_part_of_a_file(self, store: Store, tmp_path: Path) -> None:
        address = saved(tmp_path, "models/a/b/cat.stl")
        part = requests.get(address, headers={"Range": "bytes=2-4"}, timeout=10)
        assert (part.status_code, part.content) == (206, b"234")
        assert part.headers["Content-Range"] == "bytes 2-4/10"

    def test_a_large_file_goes_in_parts(self, store: Store, tmp_path: Path) -> None:
        content = bytes(range(256)) * (TWENTY_MEGABYTES // 256)
        address = saved(tmp_path, "models/a/b/cat.stl", content)
        assert [asked.parameters.get("partNumber") for asked in store.asked if asked.method == "PUT"] == ["1", "2", "3"]
        answer = requests.get(address, timeout=10)
        assert answer.content == content
        assert answer.headers["Content-Type"] == "model/stl"

    def test_a_store_that_is_asked_too_often_is_asked_again(self, store: Store, tmp_path: Path) -> None:
        store.busy = 1
        saved(tmp_path, "models/a/b/cat.stl")
        assert store.keys_there == ["models/a/b/cat.stl"]

    def test_deletion_of_a_model_takes_its_objects(
        self, store: Store, alice: User, django_capture_on_commit_callbacks: object
    ) -> None:
        """By the door that the API uses; the other model's files stay."""
        gone, stays = make_model(alice), make_model(alice)
        assert len(store.keys_there) == 12
        with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
            remove(user=alice, model_id=gone.id)
        assert store.keys_there == sorted(file["key"] for file in stays.files)


@pytest.mark.django_db
class TestWhatTheStoreSaysOfAFile:
    @pytest.mark.parametrize(
        ("name", "type_"),
        [
            ("cat.obj", "model/obj"),
            ("cat.mtl", "model/mtl"),
            ("cat.stl", "model/stl"),
            ("cat.glb", "model/gltf-binary"),
            ("cat.3mf", "model/3mf"),
            ("cat.png", "image/png"),
            ("cat.jpg", "image/jpeg"),
            ("cat.webp", "image/webp"),
            ("CAT.PNG", "image/png"),
            ("cat.fbx", "application/octet-stream"),
        ],
    )
    def test_type(self, store: Store, tmp_path: Path, name: str, type_: str) -> None:
        answer = requests.get(saved(tmp_path, f"models/a/b/{name}"), timeout=10)
        assert answer.headers["Content-Type"] == type_
        assert "Content-Encoding" not in answer.headers

    @pytest.mark.parametrize("name", ["cat.stl", "小猫 1+1.stl", 'a "cat"; really.stl'])
    def test_name(self, store: Store, tmp_path: Path, name: str) -> None:
        address = saved(tmp_path, f"models/a/b/{name}")
        kind, _, said = (
            requests.get(address, timeout=10).headers["Content-Disposition"].partition("; filename*=UTF-8''")
        )
        assert (kind, unquote(said)) == ("inline", name)
        assert unquote(address.partition("?")[0]).endswith(f"/{name}")

    def test_it_may_be_kept_by_a_browser(self, store: Store, tmp_path: Path) -> None:
        answer = requests.get(saved(tmp_path, "models/a/b/cat.stl"), timeout=10)
        assert answer.headers["Cache-Control"] == "private, max-age=86400"
        public = requests.get(saved(tmp_path, "public/models/a/b/cat.stl"), timeout=10)
        assert public.headers["Cache-Control"] == "public, max-age=31536000, immutable"

    def test_a_disk_says_the_same(self, tmp_path: Path) -> None:
        key = default_storage.save("public/models/a/b/小猫.glb", ContentFile(b"glTF"))
        served = disk.serve(default_storage, key, RequestFactory().get("/"))
        assert served["Content-Type"] == "model/gltf-binary"
        assert unquote(served["Content-Disposition"]) == "inline; filename*=UTF-8''小猫.glb"
        served.close()
