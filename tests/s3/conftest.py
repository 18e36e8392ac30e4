"""The store, and Lumi's storage on it as an installation's settings make it."""

import os
import runpy
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.journeys.stack import ROOT
from tests.s3.server import BUCKET, KEY_ID, REGION, SECRET, Store

Storages = Callable[..., dict[str, Any]]


def variables_of(store: Store) -> dict[str, str]:
    """What an installation with this store has in its environment."""
    return {
        "LUMI_S3_BUCKET": BUCKET,
        "LUMI_S3_ENDPOINT_URL": store.url,
        "LUMI_S3_REGION": REGION,
        "LUMI_S3_ACCESS_KEY": KEY_ID,
        "LUMI_S3_SECRET_KEY": SECRET,
        "LUMI_S3_ADDRESSING": "path",
    }


@pytest.fixture
def storages_of(monkeypatch: pytest.MonkeyPatch) -> Storages:
    """What the settings file makes of such variables: STORAGES."""

    def made_of(variables: dict[str, str]) -> dict[str, Any]:
        for name in [name for name in os.environ if name.startswith("LUMI_S3_")]:
            monkeypatch.delenv(name)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        found: dict[str, Any] = runpy.run_path(str(ROOT / "lumi" / "settings.py"))["STORAGES"]
        return found

    return made_of


@pytest.fixture
def store(settings: Any, storages_of: Storages) -> Iterator[Store]:
    """A private bucket, in which Lumi keeps its files."""
    with Store() as store:
        settings.STORAGES = storages_of(variables_of(store))
        yield store


@pytest.fixture
def public_store(settings: Any, storages_of: Storages) -> Iterator[Store]:
    """A bucket that anybody may read from, under a domain of its own."""
    with Store(public=True) as store:
        domain = {"LUMI_S3_PUBLIC_DOMAIN": f"127.0.0.1:{store.port}/{BUCKET}", "LUMI_S3_PUBLIC_PROTOCOL": "http"}
        settings.STORAGES = storages_of(variables_of(store) | domain)
        yield store
