"""Tencent Cloud's signature (TC3-HMAC-SHA256), as the official SDK makes it and the vendor on the loopback checks it;
and how strict that vendor is with everything else."""

import base64
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from tencentcloud.ai3d.v20250513.models import SubmitHunyuanTo3DProJobRequest

from providers import tencent
from providers.base import Billed, Fault, JobState, ProviderError
from tests.providers.bench import Bench, on_bench
from tests.providers.test_tencent import error_of, sdk
from tests.vendors import things
from tests.vendors.cases import Case
from tests.vendors.tencent import PRO, RAPID

PICTURE = things.picture(size=(256, 256))


@pytest.fixture
def bench(settings: Any, tmp_path: Path) -> Iterator[Bench]:
    """Pro."""
    with on_bench(PRO, settings, tmp_path) as bench:
        yield bench


@pytest.fixture
def signed_by(settings: Any) -> Any:
    """Makes a provider that signs with other keys."""

    def make(**changed: str) -> Any:
        settings.TENCENT = settings.TENCENT | changed
        return tencent.models()

    return make


def asked(bench: Bench, action: str, **order: Any) -> ProviderError:
    """What the vendor says to a question of our own, signed by the SDK."""
    return error_of(tencent.said, bench.provider.asking, action, order)


class TestSigning:
    @pytest.mark.parametrize(
        ("changed", "code"),
        [
            ({"key": "Gu5t9xGARNpq86cd98joQYCN3EXAMPLF"}, "AuthFailure.SignatureFailure"),
            ({"id": "AKIDnobody"}, "AuthFailure.SecretIdNotFound"),
        ],
    )
    def test_with_a_wrong_key_is_refused(
        self, bench: Bench, signed_by: Any, changed: dict[str, str], code: str
    ) -> None:
        provider = signed_by(**changed)
        for call in (provider.check, lambda: provider.submit(bench.order()), lambda: provider.poll("pro:1")):
            error = error_of(call)
            assert (error.fault, error.permanent, error.billed) == (Fault.AUTHENTICATION, True, Billed.NO)
            assert code in error.evidence

    @pytest.mark.parametrize("changed", [{"key": ""}, {"id": ""}, {"key": " padded"}, {"id": "padded "}])
    def test_without_a_key_asks_nobody(self, bench: Bench, signed_by: Any, changed: dict[str, str]) -> None:
        provider = signed_by(**changed)
        for call in (provider.check, lambda: provider.submit(bench.order()), lambda: provider.poll("pro:1")):
            error = error_of(call)
            assert (error.fault, error.permanent, error.billed) == (Fault.AUTHENTICATION, True, Billed.NO)
        assert not bench.vendor.hits

    @pytest.mark.parametrize("skew", [-310, 310])
    def test_by_a_wrong_clock_is_refused(self, bench: Bench, skew: int) -> None:
        bench.vendor.clock = lambda: time.time() + skew
        error = error_of(bench.submit)
        assert error.fault == Fault.AUTHENTICATION
        assert "AuthFailure.SignatureExpire" in error.evidence

    @pytest.mark.parametrize("skew", [-290, 290])
    def test_by_a_clock_that_is_nearly_right_is_taken(self, bench: Bench, skew: int) -> None:
        bench.vendor.clock = lambda: time.time() + skew
        assert bench.submit().ref

    @pytest.mark.parametrize(("body", "later"), [(b'{"Prompt": "cat"}', 0), (b"", 1)], ids=["body", "time"])
    def test_holds_for_what_was_signed_only(self, bench: Bench, body: bytes, later: int) -> None:
        bench.submit()
        sent = bench.vendor.asked[0]
        headers = dict(sent.headers) | {"X-TC-Timestamp": str(int(sent.headers["X-TC-Timestamp"]) + later)}
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(bench.vendor.url, data=body or sent.body, headers=headers)
        assert answer.json()["Response"]["Error"]["Code"] == "AuthFailure.SignatureFailure"
        assert len(bench.vendor.charges) == 1

    def test_of_the_sdk_as_it_comes_is_taken_too(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NO_PROXY", f"127.0.0.1,127.0.0.1:{bench.vendor.port}")
        request = SubmitHunyuanTo3DProJobRequest()
        request.Prompt = "一只圆润的小猫"
        assert sdk(bench.vendor).SubmitHunyuanTo3DProJob(request).JobId in bench.vendor.jobs


class TestTheVendorIsStrict:
    """Else the other tests would show little."""

    @pytest.mark.parametrize(
        ("action", "order", "code"),
        [
            ("SubmitHunyuanTo3DJob", {}, "ActionOffline"),
            ("QueryHunyuanTo3DJob", {}, "ActionOffline"),
            ("SubmitHunyuanTo3DUltraJob", {}, "InvalidAction"),
            ("SubmitHunyuanTo3DProJob", {}, "InvalidParameterValue"),
            ("SubmitHunyuanTo3DProJob", {"Prompt": "cat", "Num": 1}, "UnknownParameter"),
            ("SubmitHunyuanTo3DProJob", {"Prompt": "cat", "ResultFormat": "OBJ"}, "InvalidParameterValue"),
            ("SubmitHunyuanTo3DProJob", {"Prompt": "cat", "FaceCount": 2999}, "InvalidParameterValue"),
            ("SubmitHunyuanTo3DProJob", {"Prompt": "cat", "PolygonType": "triangle"}, "InvalidParameterValue"),
            ("SubmitHunyuanTo3DRapidJob", {"Prompt": "cat", "ResultFormat": "obj"}, "InvalidParameterValue"),
            ("SubmitHunyuanTo3DRapidJob", {"Prompt": "c" * 201}, "InvalidParameterValue"),
            ("QueryHunyuanTo3DProJob", {}, "MissingParameter"),
            ("QueryHunyuanTo3DProJob", {"JobId": "1"}, "FailedOperation.JobNotExist"),
        ],
    )
    def test_with_calls(self, bench: Bench, action: str, order: dict[str, Any], code: str) -> None:
        assert f'"Code": "{code}"' in asked(bench, action, **order).evidence

    @pytest.mark.parametrize(
        "image",
        [
            "data:image/png;base64," + base64.b64encode(PICTURE).decode(),
            base64.b64encode(things.picture(size=(127, 256))).decode(),
            base64.b64encode(things.picture(size=(5001, 200))).decode(),
            base64.b64encode(things.picture("GIF", (256, 256))).decode(),
            base64.b64encode(PICTURE + bytes(6_000_000)).decode(),
            "no base64",
        ],
        ids=["data:", "narrow", "long", "gif", "heavy", "text"],
    )
    def test_with_pictures(self, bench: Bench, image: str) -> None:
        error = asked(bench, "SubmitHunyuanTo3DProJob", ImageBase64=image)
        assert "InvalidParameterValue" in error.evidence

    def test_with_two_sources(self, bench: Bench) -> None:
        image = base64.b64encode(PICTURE).decode()
        error = asked(bench, "SubmitHunyuanTo3DProJob", ImageBase64=image, Prompt="cat")
        assert "InvalidParameterValue" in error.evidence

    @pytest.mark.parametrize(("case", "slots"), [(PRO, 3), (RAPID, 1)], ids=str)
    def test_with_slots(self, settings: Any, tmp_path: Path, case: Case, slots: int) -> None:
        with on_bench(case, settings, tmp_path) as bench:
            reports = [bench.submit() for _ in range(slots)]
            error = error_of(bench.submit)
            assert (error.fault, error.is_later) == (Fault.BUSY, True)
            assert "RequestLimitExceeded.JobNumExceed" in error.evidence
            bench.follow(reports[0])
            assert bench.submit().state == JobState.QUEUED
            assert len(bench.vendor.charges) == slots + 1
