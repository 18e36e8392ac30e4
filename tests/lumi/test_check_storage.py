"""`manage.py check_storage`: files without rows, rows without files, and nothing that is on its way."""

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from gallery.models import Model
from lumi import audit, clock, files, storage_check
from lumi.accounts.models import User
from lumi.models import AuditEntry, DoomedFile
from tests.factories import make_model, make_request, store
from tests.lumi.console import failing, run, script

pytestmark = pytest.mark.django_db
HOURS = 3600


@pytest.fixture
def house(alice: User) -> list[str]:
    """A request with four pictures and a model, an avatar: what rows own. The keys of all their files."""
    request = make_request(alice, status="COMPLETED")
    alice.avatar = store("avatars", alice, "avatar.webp")["key"]
    alice.save()
    pictures = [image.key for image in request.images.all()]
    make_old()
    return [alice.avatar, *pictures, *(file["key"] for model in Model.objects.all() for file in model.files)]


def make_old(hours: float = 2) -> None:
    """All files were written so long ago."""
    moment = time.time() - hours * HOURS
    for path in Path(default_storage.location).rglob("*"):  # type: ignore[attr-defined]
        os.utime(path, (moment, moment))


def lost(key: str = "models/somebody/random/cat.obj", hours: float = 2) -> str:
    """A file that no row owns."""
    default_storage.save(key, ContentFile(b"12345"))
    moment = time.time() - hours * HOURS
    os.utime(default_storage.path(key), (moment, moment))
    return key


class TestLooking:
    def test_finds_nothing_where_all_is_right(self, house: list[str]) -> None:
        found = script("check_storage")
        assert (found["files"], found["owned"]) == (len(house), len(house))
        assert (found["ownerless"], found["missing"]) == (0, 0)

    def test_an_empty_installation(self, db: None) -> None:
        assert script("check_storage")["files"] == 0

    def test_tells_of_files_without_rows_and_leaves_them(self, house: list[str]) -> None:
        key = lost()
        page, reason = failing("check_storage")
        assert "1 files without rows (5 bytes)." in page
        assert key in page
        assert reason.startswith("1 file(s) have no row")
        assert default_storage.exists(key)
        assert not DoomedFile.objects.exists()

    @pytest.mark.parametrize("place", range(11))
    def test_tells_of_rows_without_files(self, house: list[str], place: int) -> None:
        default_storage.delete(house[place])
        page, reason = failing("check_storage", "--mend")
        assert house[place] in page
        assert reason.startswith("1 file(s) that rows name are gone")

    def test_says_whose_a_missing_file_is(self, alice: User) -> None:
        model = make_model(alice)
        default_storage.delete(model.files[0]["key"])
        assert [model.files[0]["key"], "model", model.pk] in map(str.split, failing("check_storage")[0].splitlines())

    def test_a_storage_that_is_away(self, house: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: Any) -> Any:
            raise PermissionError("no")

        monkeypatch.setattr(storage_check, "listed", refuse)
        assert failing("check_storage", "--mend")[1].startswith("The storage does not answer")
        assert not DoomedFile.objects.exists()

    def test_reads_rows_in_pages(self, house: list[str], alice: User) -> None:
        with CaptureQueriesContext(
            connection,
        ) as few:
            storage_check.check()
        for _ in range(20):
            make_model(alice, files=[])
        with CaptureQueriesContext(connection) as many:
            storage_check.check()
        assert len(many) == len(few)


class TestNotTouched:
    """What is neither a file without a row nor a row without a file, whatever it looks like at the moment."""

    def test_a_young_file(self, house: list[str]) -> None:
        lost(hours=0.9)
        assert script("check_storage")["ownerless"] == 0

    def test_a_file_that_waits_for_its_row(self, house: list[str], tmp_path: Path) -> None:
        """A copy of a model's files has their age: its note says that it is new."""
        (path := tmp_path / "a.txt").write_text("a")
        files.save(path, "models/a/b/a.txt")
        make_old()
        assert script("check_storage")["ownerless"] == 0

    def test_a_file_that_is_to_be_deleted(self, house: list[str]) -> None:
        DoomedFile.objects.create(key=lost(), after=clock.now())
        assert script("check_storage")["ownerless"] == 0

    def test_a_file_that_comes_while_it_looks(
        self, house: list[str], alice: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The storage was read before it was there; its row is."""
        listed = list(storage_check.listed())
        monkeypatch.setattr(storage_check, "listed", lambda: iter(listed))
        make_model(alice)
        assert script("check_storage")["missing"] == 0

    def test_a_file_that_is_laid_elsewhere_while_it_looks(
        self, house: list[str], alice: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The first look at the rows sees the old place of one that moves: the second does not."""
        model = make_model(alice)
        make_old()
        old, moved = model.files, [{**model.files[0], "key": lost("models/a/b/moved.obj")}, *model.files[1:]]
        looks = iter([old, moved])

        def keys() -> Any:
            Model.objects.filter(pk=model.pk).update(files=next(looks))
            default_storage.delete(old[0]["key"])
            for one in Model.objects.all():
                yield from ((file["key"], f"model {one.pk}") for file in one.files)

        monkeypatch.setattr("gallery.facts.file_keys", keys)
        found = script("check_storage")
        assert (found["ownerless"], found["missing"]) == (0, 0)

    @pytest.mark.parametrize("age", ["59m", "0h"])
    def test_the_grace_is_an_hour_or_more(self, house: list[str], age: str) -> None:
        lost(hours=0.5)
        assert "cannot be less" in failing("check_storage", "--mend", "--older-than", age)[1]
        assert not DoomedFile.objects.exists()

    def test_a_longer_grace(self, house: list[str]) -> None:
        lost(hours=5)
        assert script("check_storage", "--older-than", "6h")["ownerless"] == 0


class TestMending:
    def test_files_go_after_an_hour(self, house: list[str]) -> None:
        key = lost()
        assert "they are deleted in an hour" in run("check_storage", "--mend")
        files.sweep()
        assert default_storage.exists(key)
        DoomedFile.objects.update(after=clock.now() - timedelta(seconds=1))
        files.sweep()
        assert not default_storage.exists(key)
        assert script("check_storage")["owned"] == len(house)

    def test_a_mistake_can_be_undone_until_then(self, house: list[str]) -> None:
        keys = [lost(), lost("models/somebody/random/dog.obj")]
        run("check_storage", "--mend")
        run("check_storage", "--spare", keys[0])
        assert [one.key for one in DoomedFile.objects.all()] == keys[1:]

    def test_a_row_that_is_committed_after_all_keeps_its_file(self, house: list[str]) -> None:
        key = lost()
        run("check_storage", "--mend")
        with transaction.atomic():
            files.own([key])
        assert not DoomedFile.objects.exists()

    def test_spares_all_or_none(self, house: list[str]) -> None:
        key = lost()
        run("check_storage", "--mend")
        assert "No file waits for its deletion under nothing" in failing("check_storage", "--spare", key, "nothing")[1]
        assert DoomedFile.objects.get().key == key

    def test_is_one_line_of_the_audit_trail(self, house: list[str]) -> None:
        key = lost()
        failing("check_storage", "--by", "Kim")
        run("check_storage", "--mend", "--by", "Kim")
        run("check_storage", "--mend", "--by", "Kim")
        run("check_storage", "--spare", key, "--by", "Kim")
        lines = [(line.action, line.actor, line.after) for line in audit.lines()]
        assert lines == [("doomed", "operator Kim", {"files": 1}), ("spared", "operator Kim", {"files": 1})]

    def test_nothing_is_no_line(self, house: list[str]) -> None:
        run("check_storage", "--mend")
        assert not AuditEntry.objects.exists()
