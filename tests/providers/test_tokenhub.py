"""Hunyuan 3D by TokenHub: the exact bodies, errors in every shape, jobs. What all providers have in common is in
test_contract.py, what both doors have in common in test_hunyuan.py."""

import base64
import json
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from providers import tokenhub
from providers.base import Billed, Fault, FileRole, JobState, ProviderError
from tests.providers.bench import Bench, on_bench
from tests.providers.test_hunyuan import CODES
from tests.vendors import things
from tests.vendors.tokenhub import CASES

PICTURE = things.picture(size=(256, 256))
ENCODED = base64.b64encode(PICTURE).decode()
CLOSED_PORT = "http://127.0.0.1:9"
SHAPES = ["gateway", "cloud", "flat", "flat_job"]


@pytest.fixture
def bench(settings: Any, tmp_path: Path) -> Iterator[Bench]:
    """Model hy-3d-3.0."""
    with on_bench(CASES[0], settings, tmp_path) as bench:
        yield bench


@pytest.fixture
def remade(settings: Any) -> Any:
    """Makes a bench's provider anew, with other settings."""

    def make(bench: Bench, **changed: str) -> Any:
        settings.TOKENHUB = settings.TOKENHUB | changed
        bench.provider = tokenhub.models()
        return bench.provider

    return make


def error_of(call: Any, *arguments: Any, **options: Any) -> ProviderError:
    """What a call raises."""
    with pytest.raises(ProviderError) as caught:
        call(*arguments, **options)
    return caught.value


def asked(bench: Bench, path: str, **order: Any) -> ProviderError:
    """What the vendor says to a question of our own."""
    return error_of(bench.provider.wire.ask, "POST", path, json=order)


class TestRequests:
    def test_a_submit_holds_the_model_and_the_picture(self, bench: Bench) -> None:
        bench.submit(image=PICTURE)
        (sent,) = bench.vendor.asked
        assert (sent.method, sent.path) == ("POST", "/v1/api/3d/submit")
        assert json.loads(sent.body) == {"model": "hy-3d-3.0", "image_base64": ENCODED}
        assert sent.headers["Authorization"] == f"Bearer {bench.vendor.secret}"

    def test_express_is_asked_for_what_can_be_printed_and_has_its_texture(self, bench: Bench, remade: Any) -> None:
        remade(bench, model="hy-3d-express")
        bench.submit(image=PICTURE)
        sent = json.loads(bench.vendor.asked[0].body)
        assert sent == {"model": "hy-3d-express", "image_base64": ENCODED, "result_format": "obj"}

    def test_a_query_names_the_model_again(self, bench: Bench) -> None:
        ref = bench.submit().ref
        bench.provider.poll(ref)
        sent = bench.vendor.asked[1]
        assert (sent.method, sent.path) == ("POST", "/v1/api/3d/query")
        assert json.loads(sent.body) == {"model": "hy-3d-3.0", "id": ref.removeprefix("hy-3d-3.0:")}

    def test_a_job_in_work_outlives_a_change_of_the_model(self, bench: Bench, remade: Any) -> None:
        report = bench.submit()
        remade(bench, model="hy-3d-3.1")
        assert bench.follow(report).state == JobState.DONE

    def test_a_slash_at_the_end_of_the_address_is_no_matter(self, bench: Bench, remade: Any) -> None:
        assert remade(bench, url=f"{bench.vendor.url}/v1/").check()

    def test_cancel_asks_nothing(self, bench: Bench) -> None:
        bench.provider.cancel(bench.submit().ref)
        assert len(bench.vendor.hits) == 1


class TestTheVendorIsStrict:
    """Else the other tests would show little."""

    @pytest.mark.parametrize(
        "order",
        [
            {},
            {"model": "hy-3d-3.0"},
            {"model": "hy-3d-2.0", "prompt": "cat"},
            {"prompt": "cat"},
            {"model": "hy-3d-3.0", "prompt": "cat", "image_base64": ENCODED},
            {"model": "hy-3d-3.0", "image_base64": f"data:image/png;base64,{ENCODED}"},
            {"model": "hy-3d-3.0", "ImageBase64": ENCODED},
            {"model": "hy-3d-3.0", "prompt": "cat", "result_format": "obj"},
            {"model": "hy-3d-express", "prompt": "cat", "result_format": "OBJ"},
            {"model": "hy-3d-3.0", "prompt": "c" * 1025},
        ],
    )
    def test_with_orders(self, bench: Bench, order: dict[str, Any]) -> None:
        assert asked(bench, "/api/3d/submit", **order).fault == Fault.INVALID_INPUT
        assert not bench.vendor.jobs

    @pytest.mark.parametrize("query", [{"id": "1"}, {"model": "hy-3d-3.0"}, {"model": "hy-3d-3.0", "id": "1", "n": 1}])
    def test_with_queries(self, bench: Bench, query: dict[str, Any]) -> None:
        assert asked(bench, "/api/3d/query", **query).fault == Fault.INVALID_INPUT

    def test_with_a_query_for_another_model(self, bench: Bench) -> None:
        ref = bench.submit().ref.removeprefix("hy-3d-3.0:")
        assert bench.provider.poll(f"hy-3d-3.1:{ref}").error.fault == Fault.JOB_LOST

    def test_with_slots(self, bench: Bench) -> None:
        reports = [bench.submit() for _ in range(3)]
        error = error_of(bench.submit)
        assert (error.fault, error.is_later) == (Fault.BUSY, True)
        bench.follow(reports[0])
        assert bench.submit().state == JobState.QUEUED


class TestErrors:
    @pytest.mark.parametrize(
        ("how", "fault", "permanent", "billed"),
        [
            ("throttled", Fault.RATE_LIMITED, False, Billed.NO),
            ("busy", Fault.BUSY, False, Billed.NO),
            ("refused", Fault.CONTENT_REFUSED, True, Billed.NO),
            ("bad_key", Fault.AUTHENTICATION, True, Billed.NO),
            ("no_balance", Fault.QUOTA_EXHAUSTED, True, Billed.NO),
            ("used_up", Fault.QUOTA_EXHAUSTED, True, Billed.NO),
            ("forbidden", Fault.AUTHENTICATION, True, Billed.NO),
            ("invalid", Fault.INVALID_INPUT, True, Billed.NO),
            ("server_error", Fault.UNAVAILABLE, False, Billed.UNKNOWN),
        ],
    )
    @pytest.mark.parametrize("shape", [*SHAPES, "text"])
    def test_of_the_gateway(
        self, bench: Bench, shape: str, how: str, fault: Fault, permanent: bool, billed: Billed
    ) -> None:
        if (shape, how) == ("text", "busy"):
            fault = Fault.RATE_LIMITED  # in a sentence there is no code to go by: later, in any case
        bench.vendor.shape = shape
        bench.vendor.will("submit", how)
        error = error_of(bench.submit)
        assert (error.fault, error.permanent, error.billed) == (fault, permanent, billed)

    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize(("code", "fault", "permanent", "billed"), CODES)
    def test_from_behind_the_gateway(
        self, bench: Bench, shape: str, code: str, fault: Fault, permanent: bool, billed: Billed
    ) -> None:
        bench.vendor.shape = shape
        bench.vendor.will("submit", code)
        error = error_of(bench.submit)
        assert (error.fault, error.permanent, error.billed) == (fault, permanent, billed)
        assert code in error.evidence
        assert bench.vendor.count("submit") == 1

    def test_that_nobody_knows_leave_the_outcome_open(self, bench: Bench) -> None:
        bench.vendor.will("submit", "SomethingNew")
        error = error_of(bench.submit)
        assert (error.fault, error.permanent, error.billed) == (Fault.UNAVAILABLE, False, Billed.UNKNOWN)

    @pytest.mark.parametrize(
        ("error", "fault"),
        [
            ("the model is overloaded", Fault.UNAVAILABLE),
            ({"code": "RequestLimitExceeded"}, Fault.RATE_LIMITED),
            ({"message": "?"}, Fault.UNAVAILABLE),
        ],
    )
    def test_under_the_status_of_a_success_are_errors(self, bench: Bench, error: Any, fault: Fault) -> None:
        bench.vendor.answers = {"error": error, "id": None, "status": None}
        assert error_of(bench.submit).fault == fault

    @pytest.mark.parametrize("how", ["unknown_job", "invalid", "FailedOperation.JobNotFound", "ResourceNotFound"])
    @pytest.mark.parametrize("shape", SHAPES)
    def test_of_a_query_that_mean_an_unknown_job(self, bench: Bench, how: str, shape: str) -> None:
        report = bench.submit()
        bench.vendor.shape = shape
        bench.vendor.will("poll", how)
        found = bench.provider.poll(report.ref)
        assert (found.state, found.error.fault) == (JobState.FAILED, Fault.JOB_LOST)


class TestJobs:
    def test_queue_run_and_are_done(self, bench: Bench) -> None:
        ref = bench.submit().ref
        reports = [bench.provider.poll(ref) for _ in range(3)]
        assert [report.state for report in reports] == [JobState.QUEUED, JobState.RUNNING, JobState.DONE]
        assert [report.units for report in reports] == [None, None, 20.0]
        assert [file.role for file in reports[2].files] == [FileRole.OBJ, FileRole.GLB, FileRole.PREVIEW]

    @pytest.mark.parametrize("status", ["failed", "cancelled", "canceled", "error", "FAILED"])
    @pytest.mark.parametrize(
        ("told", "fault"),
        [
            ({"error_code": "FailedOperation.InnerError", "error_message": "?"}, Fault.JOB_FAILED),
            ({"error_code": "FailedOperation.ModerationFailed"}, Fault.CONTENT_REFUSED),
            ({"error": {"code": "InvalidParameter", "message": "?"}}, Fault.INVALID_INPUT),
            ({"error": {"Code": "OperationDenied.TextIllegalDetected"}}, Fault.CONTENT_REFUSED),
            ({"error": "no reason is given"}, Fault.JOB_FAILED),
            ({}, Fault.JOB_FAILED),
        ],
    )
    def test_fail_and_are_not_charged(self, bench: Bench, status: str, told: dict[str, Any], fault: Fault) -> None:
        report = bench.submit()
        bench.vendor.answers = {"status": status} | told
        found = bench.provider.poll(report.ref)
        assert (found.state, found.error.fault, found.error.billed) == (JobState.FAILED, fault, Billed.NO)
        assert found.units is None

    @pytest.mark.parametrize("answers", [{"status": None}, {"status": "paused"}, {"status": 3}, {"data": []}])
    def test_of_an_answer_that_makes_no_sense_are_asked_for_again(self, bench: Bench, answers: dict[str, Any]) -> None:
        report = bench.submit()
        for _ in range(2):
            bench.provider.poll(report.ref)
        bench.vendor.answers = answers
        error = error_of(bench.provider.poll, report.ref)
        assert (error.fault, error.permanent, error.billed) == (Fault.BAD_ANSWER, False, Billed.NO)

    @pytest.mark.parametrize("id", [None, "", 5])
    def test_without_an_id_are_of_unknown_outcome(self, bench: Bench, id: Any) -> None:
        bench.vendor.answers = {"id": id}
        error = error_of(bench.submit)
        assert (error.fault, error.billed, len(bench.vendor.charges)) == (Fault.BAD_ANSWER, Billed.UNKNOWN, 1)


class TestCredits:
    @pytest.mark.parametrize(("model", "units"), [("hy-3d-express", 15.0), ("hy-3d-3.0", 20.0), ("hy-3d-3.1", 20.0)])
    def test_are_the_price_lists(self, bench: Bench, remade: Any, model: str, units: float) -> None:
        remade(bench, model=model)
        assert bench.finished().units == units

    def test_are_the_vendors_where_it_counts_them(self, bench: Bench) -> None:
        bench.vendor.answers = {"result_credit_consumed": 25}
        assert bench.finished().units == 25.0

    def test_are_what_is_bought(self, bench: Bench, settings: Any) -> None:
        assert f"{bench.provider.name}:{bench.provider.product}" in settings.PRICES


class TestResults:
    def test_of_a_zip_are_the_obj_its_library_and_the_texture_that_the_library_names(self, bench: Bench) -> None:
        found = {result.role: result.path for result in bench.fetch(bench.finished().files)}
        assert found.keys() == CASES[0].roles
        assert f"mtllib {found[FileRole.MTL].name}" in found[FileRole.OBJ].read_text()
        assert f"map_Kd {found[FileRole.TEXTURE].name}" in found[FileRole.MTL].read_text()


class TestCheck:
    def test_lists_the_models_and_creates_nothing(self, bench: Bench) -> None:
        assert "hy-3d-3.0" in bench.provider.check()
        assert bench.vendor.hits == [("check", "/v1/models")]
        assert not bench.vendor.jobs

    def test_without_a_list_of_models_has_not_signed_in(self, bench: Bench) -> None:
        bench.vendor.will("check", "nonsense")
        assert error_of(bench.provider.check).fault == Fault.BAD_ANSWER


class TestOnThisMachine:
    def test_proxies_are_not_used(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, CLOSED_PORT)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        assert bench.provider.check()
        assert bench.fetch(bench.finished().files)

    def test_twenty_threads_share_a_provider(self, bench: Bench) -> None:
        bench.vendor.slots = 20
        with ThreadPoolExecutor(20) as threads:
            reports = list(threads.map(lambda _: bench.finished(), range(20)))
        assert len({report.ref for report in reports}) == len(bench.vendor.charges) == 20


class TestSecrets:
    def test_are_in_no_log_however_much_is_logged(self, bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        bench.provider.check()
        bench.fetch(bench.finished().files)
        for how in ("bad_key", "html", "reset_after"):
            bench.vendor.will("submit", how)
            logging.getLogger("lumi").exception("as generation does", exc_info=error_of(bench.submit))
        assert "as generation does" in caplog.text
        assert bench.vendor.secret not in caplog.text

    def test_are_in_no_repr(self, bench: Bench) -> None:
        shown = [bench.provider, bench.provider.wire, vars(bench.provider)]
        assert bench.vendor.secret not in "".join(f"{thing!r} {thing}" for thing in shown)

    @pytest.mark.parametrize("key", ["sk-secret\r\n", "sk-secret\nX-Other: 1", "sk-secret-密钥"])
    def test_a_key_that_no_header_can_bear_asks_nobody_and_is_not_shown(
        self, bench: Bench, remade: Any, key: str
    ) -> None:
        provider = remade(bench, key=key)
        for call in (provider.check, lambda: provider.submit(bench.order()), lambda: provider.poll("hy-3d-3.0:1")):
            error = error_of(call)
            assert (error.fault, error.permanent, error.billed) == (Fault.AUTHENTICATION, True, Billed.NO)
            assert "secret" not in f"{error!r} {error.__cause__!r} {error.evidence}"
        assert not bench.vendor.hits
