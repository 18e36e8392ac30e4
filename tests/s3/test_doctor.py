"""`manage.py doctor` at a bucket: who may read what."""

import pytest
from django.core.files.storage import default_storage

from lumi.doctor import storage
from lumi.doctor.findings import Result
from tests.s3.server import Asked, Store


def results() -> list[Result]:
    """Signed, unsigned, public, listing."""
    return [one.result for one in storage.reading()]


@pytest.fixture(autouse=True)
def with_a_bucket(settings: pytest.FixtureRequest) -> None:
    """As LUMI_S3_BUCKET says."""
    settings.S3_BUCKET = "lumi"  # type: ignore[attr-defined]


def test_a_private_bucket(store: Store) -> None:
    assert storage.keeping().result == Result.OK
    assert results() == [Result.OK] * 4
    assert store.keys_there == []  # nothing is left


def test_a_bucket_that_is_open_where_it_should_be(public_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(public_store, "names_an_object", lambda asked: "/public/" in asked.path)
    assert results() == [Result.OK] * 4


def test_a_bucket_that_is_open_everywhere(public_store: Store) -> None:
    assert results() == [Result.OK, Result.WARN, Result.OK, Result.OK]


def test_a_bucket_that_is_closed_although_it_has_a_public_address(
    public_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(public_store, "public", False)
    assert results() == [Result.OK, Result.OK, Result.BAD, Result.OK]


def test_a_bucket_that_tells_strangers_all_keys(public_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def answers_lists(asked: Asked) -> bool:
        return "/public/" in asked.path or "list-type" in asked.query

    monkeypatch.setattr(public_store, "names_an_object", answers_lists)
    assert results() == [Result.OK, Result.OK, Result.OK, Result.BAD]


def test_clocks_that_do_not_agree(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store refuses what is signed for another time: nothing can be read."""
    key = "health/a/doctor.txt"
    with monkeypatch.context() as patch:
        patch.setattr(default_storage, "url", lambda name: f"{store.url}/lumi/{name}?X-Amz-Signature=0")
        assert storage.signed(key).result == Result.BAD
