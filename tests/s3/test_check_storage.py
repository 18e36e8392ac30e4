"""`manage.py check_storage` on a bucket, page by page."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from lumi import clock, listing
from lumi.accounts.models import User
from lumi.models import DoomedFile
from tests.factories import make_model
from tests.lumi.console import failing, run, script
from tests.s3.server import Store

pytestmark = pytest.mark.django_db
LOST = "models/somebody/random/cat.obj"


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two hours after whatever is written now."""
    now = clock.now
    monkeypatch.setattr(clock, "now", lambda: now() + timedelta(hours=2))


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store tells two objects at once."""
    monkeypatch.setattr(listing, "PAGE", 2)


@pytest.mark.usefixtures("later")
class TestBucket:
    def test_files_without_rows_and_rows_without_files(self, store: Store, alice: User) -> None:
        model = make_model(alice)
        default_storage.save(LOST, ContentFile(b"12345"))
        default_storage.delete(model.files[2]["key"])
        page, reason = failing("check_storage", "--mend")
        assert "6 files in the storage, 5 of them owned by rows." in page
        assert "1 files without rows (5 bytes)" in page
        assert model.files[2]["key"] in page
        assert reason.startswith("1 file(s) that rows name are gone")
        assert [one.key for one in DoomedFile.objects.all()] == [LOST]

    def test_all_is_right(self, store: Store, alice: User) -> None:
        make_model(alice)
        assert script("check_storage")["owned"] == 6
        assert sum("list-type" in asked.query for asked in store.asked) == 3  # six objects, two a page

    def test_a_store_that_is_away(self, store: Store, alice: User) -> None:
        default_storage.save(LOST, ContentFile(b"12345"))
        store.down = True
        assert failing("check_storage", "--mend")[1].startswith("The storage does not answer")


def test_young_objects_are_left(store: Store) -> None:
    default_storage.save(LOST, ContentFile(b"12345"))
    assert run("check_storage")
    assert script("check_storage")["ownerless"] == 0


def test_what_is_listed_is_what_there_is(store: Store) -> None:
    for number in range(5):
        default_storage.save(f"a/b/{number}.txt", ContentFile(b"1" * number))
    found: dict[str, Any] = {one.key: one.size for one in listing.listed()}
    assert found == {f"a/b/{number}.txt": number for number in range(5)}
