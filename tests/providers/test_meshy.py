"""Meshy: what the contract suite does not know of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from providers.base import Billed, Fault, FileRole, JobState, ProviderError
from providers.http import Answer
from providers.meshy import HOSTS, files_of, law
from tests.providers.bench import Bench, on_bench
from tests.vendors import things
from tests.vendors.meshy import CASES, STEPS, MeshyVendor


@pytest.fixture
def bench(settings: Any, tmp_path: Path) -> Iterator[Bench]:
    """The provider and its vendor."""
    with on_bench(CASES[0], settings, tmp_path) as bench:
        yield bench


def vendor_of(bench: Bench) -> MeshyVendor:
    """The loopback vendor."""
    assert isinstance(bench.wire, MeshyVendor)
    return bench.wire


def raised(call: Any, *arguments: Any) -> ProviderError:
    """What a call raises."""
    with pytest.raises(ProviderError) as caught:
        call(*arguments)
    return caught.value


class TestSubmit:
    def test_asks_for_what_can_be_printed_and_seen(self, bench: Bench) -> None:
        bench.submit()
        (order,) = vendor_of(bench).charges
        assert order["target_formats"] == ["glb", "stl", "3mf", "obj"]
        assert (order["ai_model"], order["should_texture"], order["moderation"]) == ("meshy-6", True, True)

    @pytest.mark.parametrize("format", ["PNG", "JPEG"])
    def test_sends_the_picture_itself(self, bench: Bench, format: str) -> None:
        assert bench.submit(image=things.picture(format)).state == JobState.QUEUED

    @pytest.mark.parametrize(
        ("image", "why"),
        [
            (things.picture("WEBP"), "no JPEG or PNG"),
            (things.picture("GIF"), "no JPEG or PNG"),
            (b"<html>", "no JPEG or PNG"),
            (b"", "no JPEG or PNG"),
            (bytes(10_000_001), "larger than 10 MB"),
        ],
        ids=["WebP", "GIF", "page", "nothing", "too large"],
    )
    def test_what_it_cannot_is_known_without_asking(self, bench: Bench, image: bytes, why: str) -> None:
        assert why in bench.provider.cannot(bench.order(image=image))
        assert not vendor_of(bench).hits

    @pytest.mark.parametrize("ref", [None, 7, "", "a/../b", "x" * 101, "a b", ["a"]])
    def test_an_answer_without_an_id_leaves_the_outcome_open(self, bench: Bench, ref: Any) -> None:
        def route(*_: Any) -> Any:
            reply = MeshyVendor.route(vendor_of(bench), *_)
            reply.content = {"result": ref}
            return reply

        vendor_of(bench).route = route  # type: ignore[method-assign]
        error = raised(bench.submit)
        assert (error.fault, error.billed, error.permanent) == (Fault.BAD_ANSWER, Billed.UNKNOWN, False)


class TestPoll:
    def test_tells_the_vendors_own_progress(self, bench: Bench) -> None:
        ref = bench.submit().ref
        reports = [bench.provider.poll(ref) for _ in range(len(STEPS) + 1)]
        assert [report.progress for report in reports] == [0, 42, 100]
        assert [report.state for report in reports] == [JobState.QUEUED, JobState.RUNNING, JobState.DONE]

    @pytest.mark.parametrize(("told", "progress"), [(33.9, 33), (250, 100), (-1, None), ("42", None), (None, None)])
    def test_a_progress_that_is_none(self, bench: Bench, told: Any, progress: int | None) -> None:
        vendor_of(bench).answers = {"progress": told}
        assert bench.provider.poll(bench.submit().ref).progress == progress

    @pytest.mark.parametrize(
        ("told", "units"), [(30, 30.0), (0, 0.0), (15.5, 15.5), (None, 30.0), ("30", 30.0), (-5, 30.0)]
    )
    def test_credits_are_the_vendors_or_the_price_lists(self, bench: Bench, told: Any, units: float) -> None:
        vendor_of(bench).answers = {"consumed_credits": told}
        assert bench.finished().units == units

    def test_each_answer_has_fresh_addresses(self, bench: Bench) -> None:
        report = bench.finished()
        again = bench.provider.poll(report.ref)
        assert {file.role for file in again.files} == {file.role for file in report.files}
        assert not {file.url for file in again.files} & {file.url for file in report.files}

    @pytest.mark.parametrize(
        ("fate", "fault", "permanent"),
        [
            ("failed", Fault.JOB_FAILED, False),
            ("The server is busy", Fault.JOB_FAILED, False),
            ("refused", Fault.CONTENT_REFUSED, True),
            ("Blocked: NSFW content detected", Fault.CONTENT_REFUSED, True),
            ("canceled", Fault.JOB_FAILED, True),
        ],
    )
    def test_a_failed_job_is_refunded(self, bench: Bench, fate: str, fault: Fault, permanent: bool) -> None:
        vendor_of(bench).will("work", fate)
        report = bench.follow(bench.submit())
        assert report.error is not None
        assert (report.state, report.error.fault, report.error.permanent) == (JobState.FAILED, fault, permanent)
        assert report.error.billed == Billed.NO

    @pytest.mark.parametrize(
        "answers",
        [
            {"status": "DREAMING"}, {"status": None}, {"status": 7}, {"status": ["FAILED"]},
            {"status": "SUCCEEDED", "model_urls": {}}, {"status": "SUCCEEDED", "model_urls": None},
            {"status": "SUCCEEDED", "model_urls": {"usdz": "https://assets.meshy.ai/a.usdz"}},
            {"status": "SUCCEEDED", "model_urls": {"glb": 7}},
        ],
    )  # fmt: skip
    def test_what_cannot_be_understood_may_be_better_next_time(self, bench: Bench, answers: dict[str, Any]) -> None:
        vendor_of(bench).answers = answers
        error = raised(bench.provider.poll, bench.submit().ref)
        assert (error.fault, error.permanent, error.billed) == (Fault.BAD_ANSWER, False, Billed.NO)


class TestErrors:
    @pytest.mark.parametrize(
        ("status", "message", "fault", "permanent", "billed"),
        [
            (400, "Invalid values: image_url", Fault.INVALID_INPUT, True, Billed.NO),
            (400, "The image did not pass moderation", Fault.CONTENT_REFUSED, True, Billed.NO),
            (422, "Harmful content detected", Fault.CONTENT_REFUSED, True, Billed.NO),
            (422, "Unprocessable", Fault.INVALID_INPUT, True, Billed.NO),
            (401, "Invalid API key", Fault.AUTHENTICATION, True, Billed.NO),
            (402, "Insufficient funds", Fault.QUOTA_EXHAUSTED, True, Billed.NO),
            (403, "Forbidden", Fault.AUTHENTICATION, True, Billed.NO),
            (404, "Task not found", Fault.JOB_LOST, True, Billed.NO),
            (429, "RateLimitExceeded", Fault.RATE_LIMITED, False, Billed.NO),
            (429, "NoMoreConcurrentTasks", Fault.BUSY, False, Billed.NO),
            (429, "NoMorePendingTasks", Fault.BUSY, False, Billed.NO),
            (500, "Internal error", Fault.UNAVAILABLE, False, Billed.UNKNOWN),
            (503, "Service unavailable", Fault.UNAVAILABLE, False, Billed.NO),
        ],
    )
    def test_are_told_by_status_and_message(
        self, status: int, message: str, fault: Fault, permanent: bool, billed: Billed
    ) -> None:
        verdict = law(Answer(status=status, headers={}, content=f'{{"message": "{message}"}}'.encode()))
        assert verdict is not None
        assert (verdict.fault, verdict.permanent, verdict.billed) == (fault, permanent, billed)

    @pytest.mark.parametrize("content", [b"<html>404</html>", b"", b"[]", b'"no"'])
    @pytest.mark.parametrize("status", [404, 400])
    def test_a_gateways_page_says_nothing_of_a_job_or_an_order(self, status: int, content: bytes) -> None:
        verdict = law(Answer(status=status, headers={}, content=content))
        assert verdict is not None
        assert (verdict.fault, verdict.permanent, verdict.billed) == (Fault.BAD_ANSWER, False, Billed.UNKNOWN)

    def test_no_balance_is_told_by_the_check(self, bench: Bench) -> None:
        assert "970 credits left" in bench.provider.check()
        vendor_of(bench).will("check", "nonsense")
        assert raised(bench.provider.check).fault == Fault.BAD_ANSWER


class TestCancel:
    def test_a_queued_job_is_deleted(self, bench: Bench) -> None:
        ref = bench.submit().ref
        bench.provider.cancel(ref)
        assert not vendor_of(bench).tasks
        assert bench.provider.poll(ref).error.fault == Fault.JOB_LOST

    def test_one_in_work_goes_on(self, bench: Bench) -> None:
        ref = bench.submit().ref
        for _ in STEPS:
            bench.provider.poll(ref)
        bench.provider.cancel(ref)
        assert bench.provider.poll(ref).state == JobState.DONE

    def test_one_that_is_gone_is_no_error(self, bench: Bench) -> None:
        bench.provider.cancel("00000000-0000-0000-0000-000000000000")
        assert vendor_of(bench).count("cancel") == 1

    def test_that_could_not_be_asked_is(self, bench: Bench) -> None:
        vendor_of(bench).will("cancel", "server_error")
        assert raised(bench.provider.cancel, bench.submit().ref).fault == Fault.UNAVAILABLE


class TestFiles:
    ADDRESSES = {kind: f"https://assets.meshy.ai/model.{kind}" for kind in ("glb", "obj", "mtl", "usdz")}

    def test_come_from_the_vendors_machines(self) -> None:
        assert HOSTS == ("meshy.ai",)

    @pytest.mark.parametrize(
        "textures",
        [[{"base_color": "https://assets.meshy.ai/t.png"}], {"base_color": "https://assets.meshy.ai/t.png"}],
    )
    def test_an_obj_comes_with_its_library_and_texture(self, textures: Any) -> None:
        found = files_of({"model_urls": self.ADDRESSES, "texture_urls": textures})
        assert [file.role for file in found] == [FileRole.GLB, FileRole.OBJ, FileRole.MTL, FileRole.TEXTURE]

    @pytest.mark.parametrize("textures", [None, [], "none", [None], [{}], {"base_color": None}])
    def test_an_obj_without_a_texture_is_one(self, textures: Any) -> None:
        found = files_of({"model_urls": self.ADDRESSES, "texture_urls": textures})
        assert [file.role for file in found] == [FileRole.GLB, FileRole.OBJ, FileRole.MTL]
