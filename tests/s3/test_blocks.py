"""The settings that docs/operations.md gives for four stores make the hosts, styles and signatures that it claims."""

import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage

from lumi import files
from tests.journeys.stack import ROOT
from tests.s3.conftest import Storages
from tests.s3.server import KEY_ID, SECRET, Store
from tests.s3.sigv4 import Asked, check

KEY = "models/a/b/小猫.stl"
PATH = "/models/a/b/%E5%B0%8F%E7%8C%AB.stl"
KEYS = {"LUMI_S3_ACCESS_KEY": KEY_ID, "LUMI_S3_SECRET_KEY": SECRET}
DOCS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def block(number: int) -> dict[str, str]:
    """One of the blocks, with our keys."""
    found = [
        dict(line.split("=", 1) for line in text.split()) for text in re.findall(r"```ini\n(.+?)```", DOCS, re.DOTALL)
    ]
    return found[number] | KEYS


AWS, MINIO, OSS, COS = blocks = [block(number) for number in range(4)]
ADDRESSES = [
    pytest.param(AWS, f"https://my-lumi.s3.eu-central-1.amazonaws.com{PATH}", id="AWS"),
    pytest.param(MINIO, f"https://minio.example.com:9000/lumi{PATH}", id="MinIO"),
    pytest.param(OSS, f"https://my-lumi.s3.oss-cn-hangzhou.aliyuncs.com{PATH}", id="OSS"),
    pytest.param(COS, f"https://my-lumi-1250000000.cos.ap-guangzhou.myqcloud.com{PATH}", id="COS"),
]


@pytest.mark.parametrize(("variables", "address"), ADDRESSES)
class TestEachBlock:
    def test_signs_for_the_host_and_region_that_it_names(
        self, settings: Any, storages_of: Storages, variables: dict[str, str], address: str
    ) -> None:
        settings.STORAGES = storages_of(variables)
        parts = urlsplit(str(files.url(KEY)))
        assert parts._replace(query="").geturl() == address
        asked = Asked("GET", parts.path, parts.query, {"host": parts.netloc})
        check(asked, {KEY_ID: SECRET}, variables["LUMI_S3_REGION"], datetime.now(UTC))

    def test_works_in_that_style(
        self,
        settings: Any,
        storages_of: Storages,
        monkeypatch: pytest.MonkeyPatch,
        variables: dict[str, str],
        address: str,
    ) -> None:
        """The loopback store is the proxy on the way to the real host, and answers in its place; without TLS."""
        own = urlsplit(variables.get("LUMI_S3_ENDPOINT_URL", "https://s3.eu-central-1.amazonaws.com"))
        plain = {"LUMI_S3_ENDPOINT_URL": own._replace(scheme="http").geturl()}
        with Store(bucket=variables["LUMI_S3_BUCKET"], region=variables["LUMI_S3_REGION"]) as store:
            let_all_pass(monkeypatch, store)
            settings.STORAGES = storages_of(variables | plain)
            default_storage.save(KEY, ContentFile(b"cat"))
            assert store.keys_there == [KEY]
            assert files.read(KEY) == b"cat"
            assert requests.get(str(files.url(KEY)), timeout=10).content == b"cat"
            default_storage.delete(KEY)
            assert store.keys_there == []
        wanted = urlsplit(address)
        assert {(asked.headers["host"], asked.path) for asked in store.asked} == {(wanted.netloc, wanted.path)}


def let_all_pass(monkeypatch: pytest.MonkeyPatch, store: Store) -> None:
    """Everything plain goes through the store."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", store.url)
    monkeypatch.setenv("http_proxy", store.url)


def test_the_old_signature(settings: Any, storages_of: Storages) -> None:
    settings.STORAGES = storages_of(OSS | {"LUMI_S3_SIGNATURE": "s3"})
    parts = urlsplit(str(files.url(KEY)))
    assert parts.netloc == "my-lumi.s3.oss-cn-hangzhou.aliyuncs.com"
    assert set(parse_qs(parts.query)) == {"AWSAccessKeyId", "Signature", "Expires"}


def test_without_virtual_hosts_aws_is_asked_at_its_global_host(settings: Any, storages_of: Storages) -> None:
    settings.STORAGES = storages_of(AWS | {"LUMI_S3_ADDRESSING": "auto"})
    assert urlsplit(str(files.url(KEY))).netloc == "my-lumi.s3.amazonaws.com"
