"""Who can read a model's files: signed, ending addresses for its owner; plain ones for everybody while it is public;
and an address that was given away opens nothing once the model is shown no more."""

import time
import zipfile
from io import BytesIO
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.http import Http404
from django.test import Client
from rest_framework.test import APIClient

from gallery import downloads, moderation, sharing
from gallery.models import Model
from lumi import disk, files
from lumi.accounts.models import User
from lumi.errors import NotFound
from lumi.models import DoomedFile
from tests.factories import make_model, store

PARTS = ("modelUrl", "mtlUrl", "textureUrl", "previewImageUrl")


def addresses(client: APIClient, model: Model) -> list[str]:
    """Of a model's files, as the client is told them."""
    shown = client.get(f"/api/models/{model.pk}").json()["data"]
    return [shown[name].removeprefix("http://testserver") for name in PARTS]


def get(client: Client, address: str, **headers: str) -> Any:
    """The answer, read to its end."""
    answer: Any = client.get(address, headers=headers)
    answer.read = b"".join(answer)
    return answer


def statuses(client: Client, found: list[str]) -> list[int]:
    """What the addresses answer."""
    return [get(client, address).status_code for address in found]


class TestPrivate:
    def test_its_owner_reads_it_by_addresses_without_a_header(
        self, as_alice: APIClient, alice: User, client: Client
    ) -> None:
        found = addresses(as_alice, make_model(alice))
        assert statuses(client, found) == [200] * 4
        assert [address.rpartition("/")[2] for address in found] == ["cat.obj", "cat.mtl", "cat.png", "cat-preview.png"]

    def test_nobody_reads_it_without_the_signature(self, alice: User, client: Client) -> None:
        key = make_model(alice).key("glb")
        assert get(client, f"/files/{key}").status_code == 404

    @pytest.mark.parametrize("change", ["moment", "signature", "key", "none"])
    def test_a_signature_is_for_one_file_and_one_moment(self, alice: User, client: Client, change: str) -> None:
        model = make_model(alice)
        seal, _, key = default_storage.url(model.key("glb")).removeprefix("/files/~").partition("/")
        moment, _, mark = seal.partition(".")
        changed = {
            "moment": f"~{int(moment) + 3600}.{mark}/{key}",
            "signature": f"~{moment}.{'0' * 40}/{key}",
            "key": f"~{moment}.{mark}/{model.key('stl')}",
            "none": f"~/{key}",
        }
        assert get(client, f"/files/{changed[change]}").status_code == 404
        assert get(client, f"/files/~{moment}.{mark}/{key}").status_code == 200

    def test_an_address_ends_and_a_later_reading_gives_a_new_one(
        self, alice: User, client: Client, settings: Any
    ) -> None:
        key = make_model(alice).key("glb")
        settings.LINK_SECONDS = -2 * disk.SAME_FOR
        old = default_storage.url(key)
        settings.LINK_SECONDS = 60
        assert statuses(client, [old, default_storage.url(key)]) == [404, 200]

    def test_an_address_stays_the_same_for_a_while(self, alice: User) -> None:
        key = make_model(alice).key("glb")
        assert len({default_storage.url(key) for _ in range(3)}) <= 2  # an hour may end in between

    def test_it_is_kept_by_the_browser_only(self, alice: User, client: Client) -> None:
        caching = get(client, default_storage.url(make_model(alice).key("glb")))["Cache-Control"]
        assert caching.startswith("private, max-age=")
        assert 0 < int(caching.rpartition("=")[2]) <= 8 * 86_400


class TestPublic:
    def test_addresses_are_plain_and_may_be_cached_for_ever(
        self, as_alice: APIClient, alice: User, client: Client, settled: Any
    ) -> None:
        model = settled(sharing.publish, user=alice, model_id=make_model(alice).pk)
        found = addresses(as_alice, model)
        assert all(address.startswith("/files/public/models/") for address in found)
        assert statuses(client, found) == [200] * 4
        assert get(client, found[0])["Cache-Control"] == "public, max-age=31536000, immutable"

    def test_files_still_find_each_other(self, as_alice: APIClient, alice: User, settled: Any) -> None:
        made = make_model(alice)
        folder = files.new_folder("models", alice.pk)
        together = [{**file, "key": f"{folder}/{file['key'].rpartition('/')[2]}"} for file in made.files]
        for old, new in zip(made.files, together, strict=True):
            default_storage.copy(old["key"], new["key"])
        Model.objects.update(files=together)
        model = settled(sharing.publish, user=alice, model_id=made.pk)
        assert len({file["key"].rpartition("/")[0] for file in model.files}) == 1
        assert folder.rpartition("/")[2] not in model.key("obj")  # under a new secret

    def test_what_was_given_away_opens_nothing_once_it_is_private_again(
        self, as_alice: APIClient, alice: User, client: Client, settled: Any
    ) -> None:
        model = make_model(alice)
        signed = addresses(as_alice, model)
        settled(sharing.publish, user=alice, model_id=model.pk)
        plain = addresses(as_alice, model)
        settled(sharing.unpublish, user=alice, model_id=model.pk)
        assert statuses(client, [*signed, *plain]) == [404] * 8
        assert statuses(client, addresses(as_alice, model)) == [200] * 4

    def test_what_staff_hide_opens_nothing_and_comes_back_whole(
        self, as_alice: APIClient, as_bob: APIClient, alice: User, client: Client, settled: Any
    ) -> None:
        model = make_model(alice, public=True)
        plain = addresses(as_bob, model)
        assert statuses(client, plain) == [200] * 4
        settled(moderation.hide, model_id=model.pk, reason="It is a weapon.")
        assert statuses(client, plain) == [404] * 4
        assert statuses(client, addresses(as_alice, model)) == [200] * 4
        settled(moderation.restore, model_id=model.pk)
        assert statuses(client, addresses(as_bob, model)) == [200] * 4

    def test_no_file_is_left_behind_and_none_is_doomed(self, alice: User, settled: Any, media: Any) -> None:
        model = make_model(alice)
        for verb in (sharing.publish, sharing.unpublish, sharing.publish):
            settled(verb, user=alice, model_id=model.pk)
        assert len([path for path in media.rglob("*") if path.is_file()]) == 6
        assert not DoomedFile.objects.exists()

    def test_who_fails_leaves_everything_as_it_was(self, alice: User, bob: User, media: Any) -> None:
        model = make_model(alice)
        with pytest.raises(NotFound):
            sharing.publish(user=bob, model_id=model.pk)
        assert Model.objects.get().files == model.files
        assert len([path for path in media.rglob("*") if path.is_file()]) == 6


class TestParts:
    """Ranges, HEAD and 304: what players and viewers ask for."""

    @pytest.fixture
    def address(self, alice: User) -> str:
        """A public file of ten bytes."""
        return default_storage.url(store("models", alice, "小猫.glb", b"0123456789", public=True)["key"])

    @pytest.mark.parametrize(
        ("asked", "status", "said", "content"),
        [
            ("bytes=0-3", 206, "bytes 0-3/10", b"0123"),
            ("bytes=0-0", 206, "bytes 0-0/10", b"0"),
            ("bytes=4-", 206, "bytes 4-9/10", b"456789"),
            ("bytes=-3", 206, "bytes 7-9/10", b"789"),
            ("bytes=8-99", 206, "bytes 8-9/10", b"89"),
            ("bytes=10-", 416, "bytes */10", b""),
            ("bytes=5-2", 416, "bytes */10", b""),
            ("bytes=0-1,4-5", 200, None, b"0123456789"),
            ("lines=1-2", 200, None, b"0123456789"),
            ("bytes=a-b", 200, None, b"0123456789"),
        ],
    )
    def test_ranges(
        self, client: Client, address: str, asked: str, status: int, said: str | None, content: bytes
    ) -> None:
        answer = get(client, address, range=asked)
        assert (answer.status_code, answer.get("Content-Range")) == (status, said)
        assert answer.read == content
        if status != 416:
            assert answer["Content-Length"] == str(len(content))

    def test_head(self, client: Client, address: str) -> None:
        answer = client.head(address)
        assert (answer.status_code, answer["Content-Length"], answer["Accept-Ranges"]) == (200, "10", "bytes")
        assert answer.content == b""

    def test_what_the_client_has_already(self, client: Client, address: str) -> None:
        tag = get(client, address)["ETag"]
        answer = get(client, address, **{"if-none-match": tag})
        assert (answer.status_code, answer.read, answer["ETag"]) == (304, b"", tag)

    def test_its_name_and_type(self, client: Client, address: str) -> None:
        answer = get(client, address)
        assert answer["Content-Type"] == "model/gltf-binary"
        assert answer["Content-Disposition"] == "inline; filename*=UTF-8''%E5%B0%8F%E7%8C%AB.glb"

    def test_it_can_run_nothing(self, client: Client, alice: User) -> None:
        page = store("models", alice, "evil.html", b"<script>alert(1)</script>", public=True)["key"]
        answer = get(client, default_storage.url(page))
        assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"
        assert answer["X-Content-Type-Options"] == "nosniff"


class TestAllInOne:
    def ask(self, client: APIClient, model: Model) -> Any:
        """The ZIP's facts."""
        return client.post(f"/api/models/{model.pk}/download", {"format": "ZIP"}).json()["data"]

    def test_a_zip_holds_every_file_once(self, as_alice: APIClient, alice: User, client: Client) -> None:
        told = self.ask(as_alice, make_model(alice))
        assert (told["format"], told["fileName"]) == ("ZIP", "cat.zip")
        content = get(client, told["url"].removeprefix("http://testserver")).read
        assert len(content) == told["fileSize"]
        with zipfile.ZipFile(BytesIO(content)) as archive:
            assert sorted(archive.namelist()) == [
                "cat-preview.png", "cat.glb", "cat.mtl", "cat.obj", "cat.png", "cat.stl",
            ]  # fmt: skip
            assert archive.read("cat.stl") == b"content"

    def test_it_is_made_once(self, as_alice: APIClient, alice: User) -> None:
        model = make_model(alice)
        first, second = self.ask(as_alice, model), self.ask(as_alice, model)
        assert first["fileSize"] == second["fileSize"]
        assert len(Model.objects.get().files) == 7
        assert not DoomedFile.objects.exists()

    def test_the_model_is_the_same_to_look_at(self, as_alice: APIClient, alice: User) -> None:
        model = make_model(alice)
        before = as_alice.get(f"/api/models/{model.pk}").json()["data"]
        self.ask(as_alice, model)
        after = as_alice.get(f"/api/models/{model.pk}").json()["data"]
        assert after == before | {"downloadCount": 1}

    def test_it_goes_where_the_model_goes(self, as_alice: APIClient, alice: User, client: Client, settled: Any) -> None:
        model = make_model(alice, public=True)
        address = self.ask(as_alice, model)["url"].removeprefix("http://testserver")
        assert address.startswith("/files/public/")
        settled(sharing.unpublish, user=alice, model_id=model.pk)
        assert get(client, address).status_code == 404

    def test_one_that_was_made_while_the_model_moved_is_not_kept(self, alice: User) -> None:
        model = make_model(alice)
        made = {"role": "zip", **store("models", alice, "cat.zip", public=True)}
        with pytest.raises(NotFound):
            downloads.add_zip(model.pk, made)
        assert len(Model.objects.get().files) == 6

    def test_time_of_the_machine_is_what_ends_addresses(self) -> None:
        until = int(time.time()) - 1
        assert not files.is_public("models/a/b")
        with pytest.raises(Http404):
            disk.opened(f"~{until}.{disk.signature('models/a/b', until)}/models/a/b")
