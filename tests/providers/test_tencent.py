"""Tencent Cloud's Hunyuan 3D: what goes over the wire, what the official SDK signs, and what is made of the answers.

The vendor on the loopback checks every signature; what all providers have in common is in test_contract.py.
"""

import base64
import json
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tencentcloud.ai3d.v20250513.ai3d_client import Ai3dClient
from tencentcloud.ai3d.v20250513.models import SubmitHunyuanTo3DProJobRequest
from tencentcloud.common.credential import Credential
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile

from providers import tencent
from providers.base import Billed, Fault, FileRole, JobState, ProviderError
from tests.providers.bench import Bench, on_bench
from tests.providers.test_hunyuan import CODES
from tests.vendors import things
from tests.vendors.tencent import PRO, RAPID

PICTURE = things.picture(size=(256, 256))
CLOSED_PORT = "http://127.0.0.1:9"
CHARSET = "application/json; charset=utf-8"


@pytest.fixture
def bench(settings: Any, tmp_path: Path) -> Iterator[Bench]:
    """Pro."""
    with on_bench(PRO, settings, tmp_path) as bench:
        yield bench


@pytest.fixture
def rapid(settings: Any, tmp_path: Path) -> Iterator[Bench]:
    """Rapid."""
    with on_bench(RAPID, settings, tmp_path) as bench:
        yield bench


@pytest.fixture
def remade(settings: Any) -> Any:
    """Makes a bench's provider anew, with other settings."""

    def make(bench: Bench, **changed: str) -> Any:
        settings.TENCENT = settings.TENCENT | changed
        bench.provider = tencent.models()
        return bench.provider

    return make


def error_of(call: Any, *arguments: Any, **options: Any) -> ProviderError:
    """What a call raises."""
    with pytest.raises(ProviderError) as caught:
        call(*arguments, **options)
    return caught.value


def sdk(vendor: Any) -> Any:
    """The official SDK, as it comes."""
    profile = ClientProfile(httpProfile=HttpProfile(protocol="http", endpoint=f"127.0.0.1:{vendor.port}"))
    return Ai3dClient(Credential(vendor.user, vendor.secret), "ap-guangzhou", profile)


class TestRequests:
    def test_pro_gets_the_picture_and_nothing_else(self, bench: Bench) -> None:
        bench.submit(image=PICTURE)
        assert json.loads(bench.vendor.asked[0].body) == {"ImageBase64": base64.b64encode(PICTURE).decode()}

    def test_rapid_is_asked_for_what_can_be_printed_and_has_its_texture(self, rapid: Bench) -> None:
        rapid.submit(image=PICTURE)
        sent = json.loads(rapid.vendor.asked[0].body)
        assert sent == {"ImageBase64": base64.b64encode(PICTURE).decode(), "ResultFormat": "OBJ"}

    @pytest.mark.parametrize(("edition", "name"), [("pro", "Pro"), ("rapid", "Rapid")])
    def test_bear_the_apis_names(self, bench: Bench, remade: Any, edition: str, name: str) -> None:
        remade(bench, edition=edition)
        bench.provider.poll(bench.submit().ref)
        submit, query = (dict(asked.headers) for asked in bench.vendor.asked)
        assert submit["X-TC-Action"] == f"SubmitHunyuanTo3D{name}Job"
        assert query["X-TC-Action"] == f"QueryHunyuanTo3D{name}Job"
        assert submit["X-TC-Version"] == "2025-05-13"
        assert submit["X-TC-Region"] == "ap-guangzhou"
        assert submit["X-TC-RequestClient"].endswith("; lumi")
        assert submit["Host"] == f"127.0.0.1:{bench.vendor.port}"
        assert submit["Content-Type"] == "application/json"

    def test_a_query_holds_the_jobs_id_alone(self, bench: Bench) -> None:
        ref = bench.submit().ref
        bench.provider.poll(ref)
        assert json.loads(bench.vendor.asked[1].body) == {"JobId": ref.removeprefix("pro:")}

    def test_a_job_in_work_outlives_a_change_of_the_edition(self, bench: Bench, remade: Any) -> None:
        report = bench.submit()
        remade(bench, edition="rapid")
        assert bench.follow(report).state == JobState.DONE

    def test_of_eight_megabytes_go_through(self, bench: Bench) -> None:
        picture = things.picture(size=(256, 256))
        bench.submit(image=picture + bytes(6_000_000 - len(picture)))
        assert len(bench.vendor.asked[0].body) > 8_000_000

    def test_cancel_asks_nothing(self, bench: Bench) -> None:
        ref = bench.submit().ref
        bench.provider.cancel(ref)
        assert len(bench.vendor.hits) == 1


class TestErrors:
    @pytest.mark.parametrize("content_type", ["application/json", CHARSET])
    @pytest.mark.parametrize(("code", "fault", "permanent", "billed"), CODES)
    def test_of_a_submit(
        self, bench: Bench, code: str, fault: Fault, permanent: bool, billed: Billed, content_type: str
    ) -> None:
        bench.vendor.content_type = content_type
        bench.vendor.will("submit", code)
        error = error_of(bench.submit)
        assert (error.fault, error.permanent, error.billed) == (fault, permanent, billed)
        assert code in error.evidence
        assert "RequestId" in error.evidence
        assert bench.vendor.count("submit") == 1

    def test_that_nobody_knows_leave_the_outcome_open(self, bench: Bench) -> None:
        bench.vendor.will("submit", "SomethingNew")
        error = error_of(bench.submit)
        assert (error.fault, error.permanent, error.billed) == (Fault.UNAVAILABLE, False, Billed.UNKNOWN)

    @pytest.mark.parametrize("error", ["text", None, {}, {"Code": None}, {"Code": 5}, []])
    def test_of_another_shape_are_no_success(self, bench: Bench, error: Any) -> None:
        bench.vendor.answers = {"Error": error, "JobId": None} if error is not None else {"JobId": None}
        assert error_of(bench.submit).billed == Billed.UNKNOWN

    @pytest.mark.parametrize("code", ["InvalidParameter", "InvalidParameterValue.JobId", "FailedOperation.JobNotFound"])
    def test_of_a_query_that_mean_an_unknown_job(self, bench: Bench, code: str) -> None:
        report = bench.submit()
        bench.vendor.will("poll", code)
        found = bench.provider.poll(report.ref)
        assert (found.state, found.error.fault) == (JobState.FAILED, Fault.JOB_LOST)
        assert code in found.error.evidence

    def test_of_a_query_cost_nothing(self, bench: Bench) -> None:
        report = bench.submit()
        bench.vendor.will("poll", "InternalError")
        assert error_of(bench.provider.poll, report.ref).billed == Billed.NO

    def test_that_the_sdk_takes_for_a_success_are_errors(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NO_PROXY", f"127.0.0.1,127.0.0.1:{bench.vendor.port}")
        bench.vendor.content_type = CHARSET
        bench.vendor.will("submit", "throttled", times=2)
        request = SubmitHunyuanTo3DProJobRequest()
        request.Prompt = "一只圆润的小猫"
        assert sdk(bench.vendor).SubmitHunyuanTo3DProJob(request).JobId is None
        assert error_of(bench.submit).fault == Fault.RATE_LIMITED

    def test_success_under_any_content_type_is_one(self, bench: Bench) -> None:
        bench.vendor.content_type = CHARSET
        assert bench.finished().files

    def test_a_rate_limit_and_one_more_submit_make_one_job(self, bench: Bench) -> None:
        bench.vendor.will("submit", "throttled")
        assert error_of(bench.submit).is_later
        bench.submit()
        assert (len(bench.vendor.jobs), bench.vendor.count("submit")) == (1, 2)

    def test_a_warning_of_deprecation_is_none_of_ours(self, bench: Bench) -> None:
        bench.vendor.answers = {"DeprecatedWarning": "this action is deprecated"}
        assert bench.submit().ref


class TestJobs:
    def test_wait_run_and_are_done(self, bench: Bench) -> None:
        ref = bench.submit().ref
        reports = [bench.provider.poll(ref) for _ in range(3)]
        assert [report.state for report in reports] == [JobState.QUEUED, JobState.RUNNING, JobState.DONE]
        assert [report.progress for report in reports] == [None, None, None]
        assert [report.units for report in reports] == [None, None, 20.0]
        assert [file.role for file in reports[2].files] == [FileRole.OBJ, FileRole.GLB, FileRole.PREVIEW]

    @pytest.mark.parametrize(
        ("fate", "fault", "permanent"),
        [
            ("failed", Fault.JOB_FAILED, False),
            ("refused", Fault.CONTENT_REFUSED, True),
            ("InvalidParameter", Fault.INVALID_INPUT, True),
            ("SomethingNew", Fault.JOB_FAILED, False),
        ],
    )
    def test_fail_and_are_not_charged(self, bench: Bench, fate: str, fault: Fault, permanent: bool) -> None:
        bench.vendor.will("work", fate)
        report = bench.follow(bench.submit())
        assert report.state == JobState.FAILED
        assert (report.error.fault, report.error.permanent, report.error.billed) == (fault, permanent, Billed.NO)
        assert report.units is None

    @pytest.mark.parametrize("answers", [{"Status": ""}, {"Status": "PAUSED"}, {"Status": 3}, {"ResultFile3Ds": []}])
    def test_of_an_answer_that_makes_no_sense_are_asked_for_again(self, bench: Bench, answers: dict[str, Any]) -> None:
        report = bench.submit()
        for _ in range(2):
            bench.provider.poll(report.ref)
        bench.vendor.answers = answers
        error = error_of(bench.provider.poll, report.ref)
        assert (error.fault, error.permanent, error.billed) == (Fault.BAD_ANSWER, False, Billed.NO)

    @pytest.mark.parametrize("id", ["", 5, {}])
    def test_without_an_id_are_of_unknown_outcome(self, bench: Bench, id: Any) -> None:
        bench.vendor.answers = {"JobId": id}
        error = error_of(bench.submit)
        assert (error.fault, error.billed, len(bench.vendor.charges)) == (Fault.BAD_ANSWER, Billed.UNKNOWN, 1)

    @pytest.mark.parametrize("ref", ["", "1357237233311637504", "ultra:1", "hy-3d-3.0:1"])
    def test_of_another_provider_are_lost(self, bench: Bench, ref: str) -> None:
        report = bench.provider.poll(ref)
        assert (report.state, report.error.fault) == (JobState.FAILED, Fault.JOB_LOST)
        assert not bench.vendor.hits


class TestCredits:
    def test_are_as_the_vendor_counts_them(self, bench: Bench) -> None:
        bench.vendor.answers = {"ResultCreditConsumed": 35.0}
        assert bench.finished().units == 35.0

    @pytest.mark.parametrize("consumed", [None, "20", -1])
    def test_are_the_price_lists_where_it_does_not_say(self, rapid: Bench, consumed: Any) -> None:
        rapid.vendor.answers = {"ResultCreditConsumed": consumed}
        assert rapid.finished().units == 15.0

    def test_of_pro_too(self, bench: Bench) -> None:
        bench.vendor.answers = {"ResultCreditConsumed": None}
        assert bench.finished().units == 20.0

    def test_are_what_is_bought(self, bench: Bench, settings: Any) -> None:
        assert f"{bench.provider.name}:{bench.provider.product}" in settings.PRICES


class TestResults:
    def test_of_a_zip_are_the_obj_its_library_and_the_texture_that_the_library_names(self, rapid: Bench) -> None:
        found = {result.role: result.path for result in rapid.fetch(rapid.finished().files)}
        assert found.keys() == RAPID.roles
        assert f"mtllib {found[FileRole.MTL].name}" in found[FileRole.OBJ].read_text()
        assert f"map_Kd {found[FileRole.TEXTURE].name}" in found[FileRole.MTL].read_text()

    def test_an_obj_that_is_in_no_zip_is_one_too(self, rapid: Bench) -> None:
        rapid.vendor.files["model.zip"] = things.FILES["model.obj"]
        assert {result.role for result in rapid.fetch(rapid.finished().files)} == {FileRole.OBJ, FileRole.PREVIEW}

    def test_without_their_preview_are_results(self, bench: Bench) -> None:
        del bench.vendor.files["preview.png"]
        roles = {result.role for result in bench.fetch(bench.finished().files)}
        assert roles == PRO.roles - {FileRole.PREVIEW}


class TestOnThisMachine:
    @pytest.fixture(autouse=True)
    def proxies(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A machine whose proxy leads nowhere."""
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, CLOSED_PORT)
            monkeypatch.setenv(name.lower(), CLOSED_PORT)

    def test_proxies_are_not_used(self, bench: Bench) -> None:
        assert bench.provider.check()
        assert bench.fetch(bench.finished().files)

    def test_twenty_threads_share_a_provider(self, bench: Bench) -> None:
        bench.vendor.slots = 20
        with ThreadPoolExecutor(20) as threads:
            reports = list(threads.map(lambda _: bench.finished(), range(20)))
        assert len({report.ref for report in reports}) == len(bench.vendor.charges) == 20


class TestSecrets:
    def test_are_in_no_log_however_much_is_logged(self, bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
        for name in ("", "tencentcloud_sdk_common", "urllib3"):  # the settings keep the two quiet
            caplog.set_level(logging.DEBUG, logger=name)
        bench.fetch(bench.finished().files)
        for how in ("bad_key", "html", "reset_after"):
            bench.vendor.will("submit", how)
            logging.getLogger("lumi").exception("as generation does", exc_info=error_of(bench.submit))
        assert "GetResponse" in caplog.text  # the SDK's own words
        assert bench.vendor.secret not in caplog.text
        assert "TC3-HMAC-SHA256" not in caplog.text

    def test_are_in_no_repr(self, bench: Bench) -> None:
        provider = bench.provider
        shown = [provider, provider.account, provider.wire, provider.asking, provider.paying, vars(provider)]
        shown += [vars(provider.asking), provider.asking.credential, vars(provider.asking.request)]
        assert bench.vendor.secret not in "".join(f"{thing!r} {thing}" for thing in shown)

    def test_a_secret_that_is_padded_is_not_shown(self, bench: Bench, remade: Any) -> None:
        error = error_of(remade(bench, key=f" {bench.vendor.secret}").check)
        assert bench.vendor.secret not in f"{error!r} {error.__cause__!r} {error.__context__!r} {error.evidence}"


class TestCheck:
    def test_creates_nothing(self, bench: Bench) -> None:
        assert "pro" in bench.provider.check()
        assert (bench.vendor.count("check"), len(bench.vendor.jobs), len(bench.vendor.charges)) == (1, 0, 0)

    @pytest.mark.parametrize("code", ["FailedOperation.JobNotExist", "InvalidParameter", "InvalidParameterValue"])
    def test_is_passed_by_any_answer_about_the_job(self, bench: Bench, code: str) -> None:
        bench.vendor.will("check", code)
        assert bench.provider.check()

    @pytest.mark.parametrize(
        ("how", "fault"),
        [
            ("bad_key", Fault.AUTHENTICATION),
            ("no_balance", Fault.QUOTA_EXHAUSTED),
            ("throttled", Fault.RATE_LIMITED),
            ("ActionOffline", Fault.UNAVAILABLE),
            ("html", Fault.BAD_ANSWER),
        ],
    )
    def test_is_failed_by_every_other(self, bench: Bench, how: str, fault: Fault) -> None:
        bench.vendor.will("check", how)
        assert error_of(bench.provider.check).fault == fault


def test_an_edition_that_does_not_exist_is_not_taken_for_another(settings: Any) -> None:
    settings.TENCENT = settings.TENCENT | {"edition": "ultra"}
    with pytest.raises(KeyError, match="ultra"):
        tencent.models()
