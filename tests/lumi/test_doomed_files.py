"""Files that nobody owns go, whenever a process dies; files that somebody owns stay."""

import os
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.db import transaction

from lumi import clock, files
from lumi.models import DoomedFile

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def key(tmp_path: Path) -> str:
    """A file that was saved a moment ago and has no owner yet."""
    return saved(tmp_path, "a.txt")


def saved(folder: Path, name: str) -> str:
    """A file in the storage; its key."""
    path = folder / name
    path.write_bytes(b"content")
    key = f"models/somebody/random/{name}"
    assert files.save(path, key) == 7
    return key


def an_hour_passes() -> None:
    """And a second."""
    for doomed in DoomedFile.objects.all():
        doomed.after -= timedelta(hours=1, seconds=1)
        doomed.save()


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A storage that deletes nothing, until this is undone."""

    def refuse(key: str) -> None:
        raise OSError("the storage is down")

    with monkeypatch.context() as patch:
        patch.setattr(default_storage, "delete", refuse)
        yield patch


class TestSaved:
    def test_is_left_alone_for_an_hour(self, key: str) -> None:
        files.sweep()
        assert default_storage.exists(key)

    def test_without_an_owner_it_goes_after_it(self, key: str) -> None:
        an_hour_passes()
        files.sweep()
        assert not default_storage.exists(key)
        assert not DoomedFile.objects.exists()

    def test_with_an_owner_it_stays(self, key: str) -> None:
        with transaction.atomic():
            files.own([key])
        an_hour_passes()
        files.sweep()
        assert default_storage.exists(key)

    def test_an_owner_that_was_never_committed_is_none(self, key: str) -> None:
        with suppress(KeyError), transaction.atomic():
            files.own([key])
            raise KeyError
        an_hour_passes()
        files.sweep()
        assert not default_storage.exists(key)

    def test_a_process_that_dies_while_it_saves_leaves_a_note(self, tmp_path: Path) -> None:
        """The note is written first: what is half there is found."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(default_storage, "save", interrupt)
            with pytest.raises(KeyboardInterrupt):
                saved(tmp_path, "b.txt")
        assert DoomedFile.objects.get().key.endswith("b.txt")
        an_hour_passes()
        files.sweep()  # deleting what is not there is no error
        assert not DoomedFile.objects.exists()

    def test_one_key_twice_is_one_note(self, key: str, tmp_path: Path) -> None:
        files.doom([key])
        saved(tmp_path, "a.txt")
        assert DoomedFile.objects.get().after > clock.now() + timedelta(minutes=50)


def interrupt(*_: Any) -> None:
    """The process ends here."""
    raise KeyboardInterrupt


class TestDoomed:
    def test_is_deleted_after_the_commit_and_not_before(self, key: str) -> None:
        files.own([key])
        with transaction.atomic():
            files.doom([key])
            assert default_storage.exists(key)
        assert not default_storage.exists(key)
        assert not DoomedFile.objects.exists()

    def test_a_rollback_dooms_nothing(self, key: str) -> None:
        files.own([key])
        with suppress(KeyError), transaction.atomic():
            files.doom([key])
            raise KeyError
        an_hour_passes()
        files.sweep()
        assert default_storage.exists(key)
        assert not DoomedFile.objects.exists()

    def test_a_deletion_that_fails_is_the_sweeps(self, key: str, broken: Any) -> None:
        files.own([key])
        files.doom([key])
        assert default_storage.exists(key)
        files.sweep()  # the storage is still down: the note stays
        assert DoomedFile.objects.filter(key=key).exists()
        broken.undo()
        files.sweep()
        assert not default_storage.exists(key)
        assert not DoomedFile.objects.exists()

    def test_one_that_fails_does_not_stop_the_others(
        self, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        other = saved(tmp_path, "b.txt")
        delete = default_storage.delete

        def refuse_one(name: str) -> None:
            if name == key:
                raise OSError
            delete(name)

        monkeypatch.setattr(default_storage, "delete", refuse_one)
        files.doom([key, other])
        assert (default_storage.exists(key), default_storage.exists(other)) == (True, False)

    def test_a_process_that_dies_before_the_deletion(self, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(files, "delete_doomed", lambda keys: None)
            with transaction.atomic():
                files.own([key])
                files.doom([key])
        assert default_storage.exists(key)
        files.sweep()
        assert not default_storage.exists(key)

    def test_no_more_than_so_many_a_round_the_oldest_first(self, tmp_path: Path) -> None:
        keys = [saved(tmp_path, f"{number}.txt") for number in range(3)]
        an_hour_passes()
        files.sweep(most=2)
        assert [default_storage.exists(key) for key in keys] == [False, False, True]


def test_what_killed_processes_left_is_removed_and_what_is_in_use_is_not(db: None) -> None:
    with files.workspace() as in_use:
        left = files.WORKSPACES / "left"
        left.mkdir()
        (left / "model.obj").write_text("v 0 0 0")
        an_age_ago = time.time() - 2 * files.ORPHAN_AGE.total_seconds()
        os.utime(left, (an_age_ago, an_age_ago))
        files.sweep_workspaces()
        assert in_use.exists()
        assert not left.exists()
    assert not in_use.exists()
