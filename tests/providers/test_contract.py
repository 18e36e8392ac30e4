"""The contract of images and models, unchanged over every provider: each vendor on the loopback, and the offline ones.

What is asserted is what generation relies on: what surely cost nothing says so, what may have cost something says so,
nothing is sent twice, and nothing that comes back is trusted.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from providers.base import Billed, Fault, FileRole, JobState, ProviderError
from tests.providers.bench import MESHES, Bench, on_bench
from tests.vendors.cases import cases
from tests.vendors.server import AFTER

LOSES = Fault.NETWORK, Fault.BAD_ANSWER


@pytest.fixture(params=cases("image", "model"), ids=str)
def bench(request: pytest.FixtureRequest, settings: Any, tmp_path: Path) -> Iterator[Bench]:
    """Each provider in turn."""
    with on_bench(request.param, settings, tmp_path) as bench:
        yield bench


def raised(call: Any, *arguments: Any) -> ProviderError:
    """The error that a call raises: ProviderError and nothing else."""
    with pytest.raises(ProviderError) as caught:
        call(*arguments)
    return caught.value


class TestSuccess:
    def test_brings_what_was_ordered(self, bench: Bench) -> None:
        results = bench.fetch(bench.finished().files)
        assert {result.role for result in results} == bench.case.roles
        assert all(result.path.stat().st_size for result in results)
        for result in results:
            if result.role in (FileRole.IMAGE, FileRole.PREVIEW, FileRole.TEXTURE):
                with Image.open(result.path) as picture:
                    picture.load()

    def test_a_model_can_be_printed(self, bench: Bench) -> None:
        if bench.case.kind != "model":
            pytest.skip("pictures are not printed")
        assert bench.case.roles & {FileRole.STL, FileRole.OBJ, FileRole.THREE_MF}
        assert bench.case.roles & MESHES

    def test_is_paid_once(self, bench: Bench) -> None:
        bench.fetch(bench.finished().files)
        if bench.wire:
            assert (len(bench.wire.charges), bench.wire.count("submit")) == (1, 1)

    def test_the_vendor_gets_what_was_ordered(self, bench: Bench) -> None:
        bench.finished()
        assert "小猫" in str(bench.vendor.charges[0]) or "image" in str(bench.vendor.charges[0]).lower()

    def test_a_reference_never_changes_the_price(self, bench: Bench) -> None:
        assert isinstance(bench.provider.resubmit_is_free, bool)
        assert bench.provider.resubmit_is_free is (bench.wire is None)

    def test_it_is_named_and_has_a_product(self, bench: Bench) -> None:
        assert bench.provider.name
        assert isinstance(bench.provider.product, str)
        assert bench.provider.cannot(bench.order()) == ""

    def test_signs_in(self, bench: Bench) -> None:
        assert bench.provider.check()


class TestRefusals:
    """The vendor says no. Nothing was accepted, nothing is paid."""

    def test_throttled(self, bench: Bench) -> None:
        vendor = bench.will("submit", "throttled", retry_after=7)
        error = raised(bench.submit)
        assert (error.fault, error.permanent, error.billed) == (Fault.RATE_LIMITED, False, Billed.NO)
        assert error.is_later
        assert error.retry_after in (7.0, None)
        assert (len(vendor.charges), vendor.count("submit")) == (0, 1)

    def test_after_a_throttled_submit_one_more_makes_one_job(self, bench: Bench) -> None:
        vendor = bench.will("submit", "throttled")
        raised(bench.submit)
        assert bench.follow(bench.submit()).state == JobState.DONE
        assert (len(vendor.charges), vendor.count("submit")) == (1, 2)

    def test_all_slots_busy_is_later_and_no_failure(self, bench: Bench) -> None:
        vendor = bench.will("submit", "busy")
        error = raised(bench.submit)
        assert (error.is_later, error.billed, len(vendor.charges)) == (True, Billed.NO, 0)

    @pytest.mark.parametrize(
        ("how", "fault"),
        [
            ("bad_key", Fault.AUTHENTICATION),
            ("no_balance", Fault.QUOTA_EXHAUSTED),
            ("invalid", Fault.INVALID_INPUT),
        ],
    )
    def test_for_good(self, bench: Bench, how: str, fault: Fault) -> None:
        vendor = bench.will("submit", how)
        error = raised(bench.submit)
        assert (error.fault, error.permanent, error.billed) == (fault, True, Billed.NO)
        assert (len(vendor.charges), vendor.count("submit")) == (0, 1)

    def test_a_content(self, bench: Bench) -> None:
        bench.will(bench.case.refused_at, "refused")
        error = bench.refusal()
        assert (error.fault, error.permanent, error.billed) == (Fault.CONTENT_REFUSED, True, Billed.NO)

    def test_a_wrong_key_is_found_out_by_the_check(self, bench: Bench) -> None:
        bench.will("check", "bad_key")
        assert raised(bench.provider.check).fault == Fault.AUTHENTICATION

    def test_nobody_there(self, bench: Bench) -> None:
        vendor = bench.vendor
        vendor.server.shutdown()
        vendor.server.server_close()
        error = raised(bench.submit)
        assert (error.fault, error.billed) == (Fault.NETWORK, Billed.NO)


class TestUnknownOutcomes:
    """No proper answer. The order may have been accepted: never repeated, never called free."""

    @pytest.mark.parametrize("how", ["hang_before", "reset_before"])
    def test_before_the_vendor_accepted(self, bench: Bench, how: str) -> None:
        vendor = bench.will("submit", how)
        error = raised(bench.submit)
        assert (error.fault, error.billed, error.permanent) == (Fault.NETWORK, Billed.UNKNOWN, False)
        assert (len(vendor.charges), vendor.count("submit")) == (0, 1)

    @pytest.mark.parametrize("how", AFTER)
    def test_after_the_vendor_accepted(self, bench: Bench, how: str) -> None:
        vendor = bench.will("submit", how)
        error = raised(bench.submit)
        assert error.fault in LOSES
        assert error.billed == Billed.UNKNOWN
        assert (len(vendor.charges), vendor.count("submit")) == (1, 1)

    def test_a_server_error_leaves_it_open_or_says_no(self, bench: Bench) -> None:
        vendor = bench.will("submit", "server_error")
        error = raised(bench.submit)
        assert (error.fault, error.permanent, vendor.count("submit")) == (Fault.UNAVAILABLE, False, 1)


class TestPolls:
    def test_a_question_that_fails_is_no_failure_of_the_job(self, bench: Bench) -> None:
        for how in ("hang_before", "reset_before", "html", "broken_json", "nonsense", "truncated", "server_error"):
            bench.will("poll", how, times=2)  # a broken connection may be asked once more
            report = bench.submit()
            error = raised(bench.provider.poll, report.ref)
            assert (error.permanent, error.billed) == (False, Billed.NO), how
            bench.vendor.dials.clear()
            assert bench.follow(report).state == JobState.DONE

    def test_throttled(self, bench: Bench) -> None:
        bench.will("poll", "throttled", times=2)
        assert raised(bench.provider.poll, bench.submit().ref).fault == Fault.RATE_LIMITED

    def test_an_unknown_job_is_lost(self, bench: Bench) -> None:
        bench.will("poll", "unknown_job")
        report = bench.provider.poll(bench.submit().ref)
        assert (report.state, report.error.fault) == (JobState.FAILED, Fault.JOB_LOST)

    def test_a_job_that_fails_is_a_report(self, bench: Bench) -> None:
        bench.will("work", "failed")
        report = bench.follow(bench.submit())
        assert (report.state, report.error.fault) == (JobState.FAILED, Fault.JOB_FAILED)

    def test_a_job_may_be_cancelled(self, bench: Bench) -> None:
        bench.provider.cancel(bench.submit().ref or "none")


class TestResults:
    """Nothing that comes back is trusted."""

    @pytest.mark.parametrize(
        ("how", "fault", "permanent"),
        [
            ("gone", Fault.RESULT_GONE, True),
            ("empty", Fault.BAD_ANSWER, False),
            ("huge", Fault.BAD_ANSWER, True),
            ("huge_undeclared", Fault.BAD_ANSWER, True),
            ("truncated", Fault.NETWORK, False),
            ("reset", Fault.NETWORK, False),
            ("hang", Fault.NETWORK, False),
            ("server_error", Fault.UNAVAILABLE, False),
            ("wrong_type", Fault.BAD_ANSWER, True),
            ("html", Fault.BAD_ANSWER, True),
            ("zip_bomb", Fault.BAD_ANSWER, True),
            ("redirect_private", Fault.BAD_ANSWER, True),
            ("redirect_loop", Fault.BAD_ANSWER, True),
        ],
    )
    def test_of_a_bad_kind(self, bench: Bench, how: str, fault: Fault, permanent: bool) -> None:
        done = bench.finished() if bench.wire else None
        bench.will("fetch", how, times=None)
        assert done is not None
        error = raised(bench.fetch, done.files)
        assert (error.fault, error.permanent) == (fault, permanent)
        written = sum(path.stat().st_size for path in bench.folder.rglob("*") if path.is_file())
        assert written < 310 * 1024 * 1024


class TestSecrets:
    def test_are_in_no_error_and_no_repr(self, bench: Bench) -> None:
        secret = bench.vendor.secret
        told = [repr(bench.provider), str(vars(bench.provider))]
        for how in ("bad_key", "server_error", "html", "reset_after", "invalid"):
            if how not in bench.case.lacks:
                bench.vendor.will("submit", how)
                error = raised(bench.submit)
                told += [str(error), repr(error), error.evidence, repr(error.__cause__), str(error.__cause__)]
        assert secret not in "".join(told)
