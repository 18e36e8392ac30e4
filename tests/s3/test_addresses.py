"""Addresses of files: absolute, without a header, ending in the file's name, and they keep working."""

import time
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
import requests
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from rest_framework.test import APIClient

import lumi.s3
from lumi import files
from lumi.accounts.models import User
from tests.factories import make_model
from tests.s3.server import BUCKET, Store

KEY = "models/a/b/小猫.stl"
PUBLIC_KEY = f"public/{KEY}"
WEEK = timedelta(days=7)


def signed_at(address: str) -> str:
    """When an address was signed."""
    return parse_qs(urlsplit(address).query)["X-Amz-Date"][0]


@pytest.fixture
def hour(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A clock for the hours in which an address stays the same."""

    class Clock:
        hours = 1000

        def time(self) -> float:
            """Seconds."""
            return self.hours * 3600.0

    monkeypatch.setattr(lumi.s3, "time", clock := Clock())
    return clock


class TestPrivateBucket:
    def test_nobody_gets_in_without_a_signature(self, store: Store) -> None:
        default_storage.save(KEY, ContentFile(b"cat"))
        address = str(files.url(KEY))
        assert requests.get(address, timeout=10).content == b"cat"
        assert requests.get(address.partition("?")[0], timeout=10).status_code == 403

    def test_an_address_lives_for_a_week(self, store: Store) -> None:
        default_storage.save(KEY, ContentFile(b"cat"))
        address = str(files.url(KEY))
        store.ahead = WEEK - timedelta(minutes=1)
        assert requests.get(address, timeout=10).ok
        store.ahead = WEEK + timedelta(minutes=1)
        assert "Request has expired" in requests.get(address, timeout=10).text

    def test_a_later_reading_gives_one_that_lives_longer(self, store: Store, hour: Any) -> None:
        default_storage.save(KEY, ContentFile(b"cat"))
        first = str(files.url(KEY))
        assert files.url(KEY) == first  # or a browser would load each picture anew at each poll
        hour.hours += 1
        time.sleep(1)  # signatures know seconds
        later = str(files.url(KEY))
        assert signed_at(later) > signed_at(first)
        assert requests.get(later, timeout=10).ok

    def test_each_file_has_its_own(self, store: Store) -> None:
        assert len({files.url(f"models/a/{number}/cat.stl") for number in range(100)}) == 100

    def test_it_asks_nobody_and_makes_no_client(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        files.url(KEY)
        monkeypatch.delattr("boto3.Session")
        for number in range(100):
            assert requests.utils.urlparse(files.url(f"models/a/{number}/cat.stl")).query
        assert store.asked == []

    @pytest.mark.django_db
    def test_a_model_of_the_api(self, store: Store, alice: User, as_alice: APIClient) -> None:
        model = make_model(alice)
        told = as_alice.get(f"/api/models/{model.id}").json()["data"]
        addresses = [told[name] for name in ("modelUrl", "mtlUrl", "textureUrl", "previewImageUrl")]
        addresses.append(as_alice.post(f"/api/models/{model.id}/download").json()["data"]["url"])
        assert all(address.startswith(f"{store.url}/{BUCKET}/models/") for address in addresses)
        assert [requests.get(address, timeout=10).content for address in addresses] == [b"content"] * 5


class TestPublicBucket:
    def test_an_address_is_plain_and_never_changes(self, public_store: Store, hour: Any) -> None:
        default_storage.save(PUBLIC_KEY, ContentFile(b"cat"))
        address = str(files.url(PUBLIC_KEY))
        assert address == f"{public_store.url}/{BUCKET}/{quote(PUBLIC_KEY)}"
        hour.hours += 1000
        assert files.url(PUBLIC_KEY) == address
        public_store.ahead = 100 * WEEK
        assert requests.get(address, timeout=10).content == b"cat"

    def test_writing_still_takes_the_secret(self, public_store: Store) -> None:
        address = str(files.url(PUBLIC_KEY))
        assert requests.put(address, data=b"dog", timeout=10).status_code == 403
        assert public_store.keys_there == []
