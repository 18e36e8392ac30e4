"""SiliconFlow: its pictures, alone and four in a call, and what its errors mean."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from providers import results, siliconflow
from providers.base import Billed, Fault, FileRole, JobState, LooksUp, ProviderError, RemoteFile
from providers.siliconflow import SiliconFlowImages, seed_of
from tests.providers.bench import Bench, on_bench
from tests.vendors.cases import Case
from tests.vendors.server import Asked, Reply
from tests.vendors.siliconflow import CASES, COLORS, KOLORS, QWEN_IMAGE, SiliconFlowVendor, settings_of

PLAIN, BATCH, CHAT = CASES
WORDS = "一只圆润的小猫, 底座平稳"


class Told(SiliconFlowVendor):
    """Answers an order with what a test says."""

    says: Any = None
    status = 200

    def painted(self, asked: Asked) -> Reply:
        painted = super().painted(asked)
        return painted if self.says is None else Reply(self.status, self.says)


def benched(case: Case, settings: Any, folder: Path) -> Any:
    """A case, whose vendor can be told what to say."""
    return on_bench(replace(case, vendor=Told), settings, folder)


@pytest.fixture
def bench(settings: Any, tmp_path: Path) -> Iterator[Bench]:
    """Qwen-Image: one picture a call."""
    with benched(PLAIN, settings, tmp_path) as bench:
        yield bench


@pytest.fixture
def kolors(settings: Any, tmp_path: Path) -> Iterator[Bench]:
    """Kolors: up to four pictures a call."""
    with benched(BATCH, settings, tmp_path) as bench:
        yield bench


def failure(bench: Bench) -> ProviderError:
    """The error that an order ends with."""
    with pytest.raises(ProviderError) as caught:
        bench.submit()
    return caught.value


class TestTheOrder:
    def test_of_qwen_image_is_sent_exactly_so(self, bench: Bench) -> None:
        bench.submit(prompt=WORDS, reference="job-7")
        assert bench.vendor.charges == [
            {
                "model": QWEN_IMAGE,
                "prompt": WORDS,
                "negative_prompt": siliconflow.UNWANTED,
                "image_size": "1328x1328",
                "seed": seed_of("job-7"),
                "cfg": 4.0,
            }
        ]

    def test_of_kolors_is_sent_exactly_so(self, kolors: Bench) -> None:
        kolors.submit(prompt=WORDS, reference="job-7", count=3)
        assert kolors.vendor.charges == [
            {
                "model": KOLORS,
                "prompt": WORDS,
                "negative_prompt": siliconflow.UNWANTED,
                "image_size": "1024x1024",
                "seed": seed_of("job-7"),
                "guidance_scale": 7.5,
                "batch_size": 3,
            }
        ]

    def test_has_the_size_of_the_settings(self, settings: Any, tmp_path: Path) -> None:
        case = replace(PLAIN, settings=partial(settings_of, image_size="1664x928"))
        with on_bench(case, settings, tmp_path) as bench:
            bench.submit()
            assert bench.vendor.charges[0]["image_size"] == "1664x928"

    @pytest.mark.parametrize("size", ["1024x1024", "2048x2048", "1328*1328", "large"])
    def test_of_a_size_that_the_model_does_not_know_is_refused(self, settings: Any, tmp_path: Path, size: str) -> None:
        case = replace(PLAIN, settings=partial(settings_of, image_size=size))
        with on_bench(case, settings, tmp_path) as bench:
            error = failure(bench)
            assert (error.fault, error.permanent, bench.vendor.charges) == (Fault.INVALID_INPUT, True, [])

    def test_each_attempt_has_a_seed_of_its_own(self) -> None:
        seeds = [seed_of(f"job-{number}") for number in range(200)]
        assert len(set(seeds)) == 200
        assert min(seeds) >= 0
        assert 4_294_967_296 < max(seeds) <= 9_999_999_999
        assert seed_of("job-1") == seeds[1]

    def test_that_is_beyond_it_is_known_before(self, bench: Bench, kolors: Bench) -> None:
        assert "2000" in bench.provider.cannot(bench.order(prompt="猫" * 2001))
        assert "1 pictures" in bench.provider.cannot(bench.order(count=2))
        assert "4 pictures" in kolors.provider.cannot(kolors.order(count=5))
        assert kolors.provider.cannot(kolors.order(count=4)) == ""

    @pytest.mark.parametrize(
        ("model", "told", "batch"),
        [(KOLORS, 4, 4), (KOLORS, 9, 4), (KOLORS, 0, 1), (KOLORS, 2, 2), (QWEN_IMAGE, 4, 1), ("another/model", 4, 1)],
    )
    def test_several_in_a_call_only_where_the_model_can(self, model: str, told: int, batch: int) -> None:
        account = siliconflow.Account("http://127.0.0.1:9", "sk-x")
        assert SiliconFlowImages(account, model=model, batch=told).batch == batch


class TestFourInACall:
    def test_come_in_order_and_are_paid_in_one(self, kolors: Bench) -> None:
        report = kolors.submit(count=4)
        assert (report.state, report.units, report.ref) == (JobState.DONE, 4, "")
        found = kolors.fetch(report.files)
        assert [result.role for result in found] == [FileRole.IMAGE] * 4
        assert len({result.path for result in found}) == 4
        assert [nearest(result.path) for result in found] == list(COLORS)
        assert (len(kolors.vendor.charges), kolors.vendor.count("submit")) == (1, 1)

    def test_fewer_than_ordered_are_what_was_paid_for(self, kolors: Bench) -> None:
        kolors.vendor.paints = 3
        report = kolors.submit(count=4)
        assert (report.state, len(report.files), report.units) == (JobState.DONE, 3, 3)

    def test_one_that_cannot_be_had_is_missed(self, kolors: Bench) -> None:
        report = kolors.submit(count=4)
        del kolors.vendor.files[f"{COLORS[2]}.jpeg"]
        with pytest.raises(ProviderError) as caught:
            kolors.fetch(report.files)
        assert (caught.value.fault, caught.value.billed) == (Fault.RESULT_GONE, Billed.YES)


def nearest(path: Path) -> str:
    """The name of the colour that a picture has, as far as JPEG keeps it."""
    with Image.open(path) as picture:
        seen = picture.convert("RGB").getpixel((80, 80))
    return min(COLORS, key=lambda color: distance(seen, Image.new("RGB", (1, 1), color).getpixel((0, 0))))


def distance(one: Any, other: Any) -> int:
    """Between two colours."""
    return sum(abs(a - b) for a, b in zip(one, other, strict=True))


class TestAnswers:
    @pytest.mark.parametrize(
        "says",
        [
            {"images": []},
            {"images": None},
            {"images": {"url": "https://x"}},
            {"images": [{"b64_json": "…"}]},
            {"images": [{"url": None}]},
            {"images": ["https://x"]},
            {"code": 20000, "data": []},
            [],
            "a text",
        ],
        ids=str,
    )
    def test_without_pictures_may_have_been_paid_for(self, bench: Bench, says: Any) -> None:
        bench.vendor.says = says
        error = failure(bench)
        assert (error.fault, error.permanent, error.billed) == (Fault.BAD_ANSWER, False, Billed.UNKNOWN)
        assert bench.vendor.count("submit") == 1


REFUSALS = [
    ("bad_key", Fault.AUTHENTICATION, True, Billed.NO),
    ("disabled", Fault.AUTHENTICATION, True, Billed.NO),
    ("no_balance", Fault.QUOTA_EXHAUSTED, True, Billed.NO),
    ("no_balance_402", Fault.QUOTA_EXHAUSTED, True, Billed.NO),
    ("no_paid_balance", Fault.QUOTA_EXHAUSTED, True, Billed.NO),
    ("invalid", Fault.INVALID_INPUT, True, Billed.NO),
    ("unknown_model", Fault.INVALID_INPUT, True, Billed.NO),
    ("too_large", Fault.INVALID_INPUT, True, Billed.NO),
    ("throttled", Fault.RATE_LIMITED, False, Billed.NO),
    ("tokens", Fault.RATE_LIMITED, False, Billed.NO),
    ("really_busy", Fault.RATE_LIMITED, False, Billed.NO),
    ("server_error", Fault.UNAVAILABLE, False, Billed.UNKNOWN),
    ("overloaded", Fault.UNAVAILABLE, False, Billed.NO),
    ("gateway", Fault.UNAVAILABLE, False, Billed.UNKNOWN),
]


class TestRefusals:
    @pytest.mark.parametrize(("how", "fault", "permanent", "billed"), REFUSALS)
    def test_of_an_order(self, bench: Bench, how: str, fault: Fault, permanent: bool, billed: Billed) -> None:
        bench.vendor.will("submit", how, retry_after=30)
        error = failure(bench)
        assert (error.fault, error.permanent, error.billed) == (fault, permanent, billed)
        assert (error.retry_after, bench.vendor.charges) == (30.0, [])

    @pytest.mark.parametrize(("how", "fault", "permanent", "billed"), REFUSALS)
    def test_of_a_question(
        self, settings: Any, tmp_path: Path, how: str, fault: Fault, permanent: bool, billed: Billed
    ) -> None:
        with on_bench(CHAT, settings, tmp_path) as bench:
            bench.vendor.will("complete", how)
            with pytest.raises(ProviderError) as caught:
                bench.provider.complete(system="JSON", prompt=WORDS)
            error = caught.value
            assert (error.fault, error.permanent, error.billed) == (fault, permanent, billed)

    @pytest.mark.parametrize(
        ("status", "says"),
        [
            (400, {"code": 20015, "message": "The prompt contains sensitive words.", "data": None}),
            (400, {"code": 20015, "message": "提示词包含敏感内容", "data": None}),
            (403, {"code": 30005, "message": "内容违规", "data": None}),
            (451, {"message": "Unavailable For Legal Reasons", "data": None}),
            (451, "no"),
        ],
    )
    def test_of_a_content_has_no_code_but_words(self, bench: Bench, status: int, says: Any) -> None:
        bench.vendor.status, bench.vendor.says = status, says
        error = failure(bench)
        assert (error.fault, error.permanent, error.billed) == (Fault.CONTENT_REFUSED, True, Billed.NO)

    def test_are_kept_for_staff(self, bench: Bench) -> None:
        bench.vendor.will("submit", "no_balance")
        evidence = failure(bench).evidence
        assert "403" in evidence
        assert "30001" in evidence


class TestJobs:
    def test_there_are_none_to_ask_for(self, bench: Bench) -> None:
        report = bench.provider.poll("anything")
        assert (report.state, report.error.fault, report.error.permanent) == (JobState.FAILED, Fault.JOB_LOST, True)
        assert not isinstance(bench.provider, LooksUp)
        bench.provider.cancel("anything")
        assert bench.vendor.hits == []

    def test_the_models_that_paint_are_listed_for_nothing(self, bench: Bench) -> None:
        assert f"{QWEN_IMAGE} among" in bench.provider.check()
        assert bench.vendor.charges == []


class TestHosts:
    @pytest.mark.parametrize(
        "host", ["s3.siliconflow.cn", "sc-maas.oss-cn-shanghai.aliyuncs.com", "cdn.siliconflow.com", "siliconflow.cn"]
    )
    def test_of_the_vendor(self, settings: Any, host: str) -> None:
        settings.RESULTS_FROM_LOOPBACK = False
        url = f"https://{host}/outputs/cat.png?Signature=x"
        assert results.allowed(url, siliconflow.HOSTS) == url

    @pytest.mark.parametrize(
        "host",
        ["evil-siliconflow.cn", "siliconflow.cn.evil.com", "aliyuncs.com.evil.com", "127.0.0.1", "169.254.169.254"],
    )
    def test_of_others(self, bench: Bench, settings: Any, tmp_path: Path, host: str) -> None:
        settings.RESULTS_FROM_LOOPBACK = False
        file = RemoteFile(role=FileRole.IMAGE, url=f"https://{host}/outputs/cat.png")
        with pytest.raises(ProviderError) as caught:
            bench.fetch((file,))
        assert (caught.value.fault, caught.value.permanent) == (Fault.BAD_ANSWER, True)
