"""Aliyun: what is on the wire, what its codes mean, and how a lost submit is found."""

from collections.abc import Iterator
from typing import Any

import pytest

from providers import aliyun, results
from providers.aliyun import AVOIDED, DirectImages, TaskImages
from providers.base import (
    Billed,
    Fault,
    FileRole,
    ImageOrder,
    JobState,
    LooksUp,
    ModelOrder,
    ProviderError,
    Report,
)
from tests.providers.bench import QUICK
from tests.vendors import things
from tests.vendors.aliyun import AliyunVendor, settings_for
from tests.vendors.server import Asked, Reply

ORDER = ImageOrder(reference="job-1", prompt="一只圆润的小猫, 底座平稳")
MODEL, TRIPO = "qwen-image-plus", "Tripo/Tripo-P1.0"
SEED = 444_505_757  # of ORDER, for ever: the same order paints the same picture


class OnceAliyun(AliyunVendor):
    """Says at every call of one operation what it is told to."""

    says: Reply | None = None
    to = "submit"

    def route(self, operation: str, asked: Asked) -> Reply:
        """The told answer, or the usual one."""
        return self.says if self.says and operation == self.to else super().route(operation, asked)


@pytest.fixture
def vendor(settings: Any) -> Iterator[OnceAliyun]:
    """DashScope, and Lumi configured for it."""
    with OnceAliyun() as vendor:
        use(settings, vendor)
        settings.PROVIDER_SECONDS = QUICK
        settings.RESULTS_FROM_LOOPBACK = True
        yield vendor


def use(settings: Any, vendor: AliyunVendor, **chosen: str) -> None:
    """Configure another model."""
    settings.ALIYUN = settings_for(**chosen)(vendor)["ALIYUN"]


def raised(call: Any, *arguments: Any) -> ProviderError:
    """The error that a call raises."""
    with pytest.raises(ProviderError) as caught:
        call(*arguments)
    return caught.value


def model_order(**changed: Any) -> ModelOrder:
    """An order that Tripo takes."""
    usual = {"reference": "job-1", "prompt": "小猫", "name": "小猫", "image": things.picture(),
             "image_url": "https://lumi.example.com/cat.png"}  # fmt: skip
    return ModelOrder(**usual | changed)


class TestTheWire:
    def test_qwen_by_task(self, vendor: OnceAliyun) -> None:
        report = aliyun.images().submit(ORDER)
        assert report == Report(state=JobState.QUEUED, ref=next(iter(vendor.tasks)))
        assert vendor.charges == [{
            "path": "/api/v1/services/aigc/text2image/image-synthesis",
            "body": {
                "model": MODEL,
                "input": {"prompt": ORDER.prompt},
                "parameters": {
                    "size": "1328*1328", "n": 1, "prompt_extend": True, "watermark": False, "seed": SEED,
                    "negative_prompt": AVOIDED,
                },
            },
        }]  # fmt: skip

    def test_wan_looks_for_what_to_avoid_in_the_input(self, vendor: OnceAliyun, settings: Any) -> None:
        use(settings, vendor, image_model="wan2.2-t2i-flash", image_size="1024*1024")
        aliyun.images().submit(ORDER)
        body = vendor.charges[0]["body"]
        assert body["input"] == {"prompt": ORDER.prompt, "negative_prompt": AVOIDED}
        assert "negative_prompt" not in body["parameters"]

    def test_in_the_answer_itself(self, vendor: OnceAliyun, settings: Any) -> None:
        use(settings, vendor, image_model="qwen-image-2.0")
        report = aliyun.images().submit(ORDER)
        assert (report.state, report.ref, report.units, len(report.files)) == (JobState.DONE, "", 1, 1)
        assert vendor.charges == [{
            "path": "/api/v1/services/aigc/multimodal-generation/generation",
            "body": {
                "model": "qwen-image-2.0",
                "input": {"messages": [{"role": "user", "content": [{"text": ORDER.prompt}]}]},
                "parameters": {
                    "size": "1328*1328", "n": 1, "prompt_extend": True, "watermark": False, "seed": SEED,
                    "negative_prompt": AVOIDED,
                },
            },
        }]  # fmt: skip

    def test_z_image_is_told_what_it_knows(self, vendor: OnceAliyun, settings: Any) -> None:
        use(settings, vendor, image_model="z-image-turbo")
        aliyun.images().submit(ORDER)
        assert vendor.charges[0]["body"]["parameters"] == {"size": "1328*1328", "prompt_extend": True, "seed": SEED}

    def test_tripo(self, vendor: OnceAliyun) -> None:
        aliyun.models().submit(model_order())
        assert vendor.charges == [{
            "path": "/api/v1/services/aigc/video-generation/3d-generation",
            "body": {
                "model": TRIPO,
                "input": {"image": "https://lumi.example.com/cat.png"},
                "parameters": {"texture": True, "pbr": True, "texture_quality": "standard"},
            },
        }]  # fmt: skip

    def test_tripo_in_high_detail(self, vendor: OnceAliyun, settings: Any) -> None:
        use(settings, vendor, mesh_model="Tripo/Tripo-H3.1")
        assert aliyun.models().submit(model_order()).state == JobState.QUEUED

    def test_the_four_pictures_of_a_request_differ_and_the_same_order_does_not(self, vendor: OnceAliyun) -> None:
        provider = aliyun.images()
        for variant in (0, 1, 2, 3, 0):
            provider.submit(ImageOrder(reference="job-1", prompt="小猫", variant=variant))
        seeds = [charge["body"]["parameters"]["seed"] for charge in vendor.charges]
        assert (len(set(seeds)), seeds[0]) == (4, seeds[4])

    def test_what_to_avoid_is_no_longer_than_allowed(self) -> None:
        assert 0 < len(AVOIDED) <= 500


class TestWhichForm:
    @pytest.mark.parametrize(
        ("model", "form"),
        [
            ("qwen-image", TaskImages),
            ("qwen-image-plus", TaskImages),
            ("wan2.2-t2i-plus", TaskImages),
            ("wan2.5-t2i-preview", TaskImages),
            ("qwen-image-max", DirectImages),
            ("qwen-image-2.0", DirectImages),
            ("qwen-image-2.0-pro", DirectImages),
            ("qwen-image-3.0-pro", DirectImages),
            ("z-image-turbo", DirectImages),
            ("wan2.6-t2i", DirectImages),
            ("a model of tomorrow's", DirectImages),
        ],
    )
    def test_is_the_models(self, settings: Any, model: str, form: type) -> None:
        settings.ALIYUN = {**settings.ALIYUN, "image_model": model}
        provider = aliyun.images()
        assert (type(provider), provider.product, provider.name) == (form, model, "aliyun")
        assert isinstance(provider, LooksUp) is (form is TaskImages)

    def test_a_picture_in_the_answer_has_nothing_to_ask_for(self, settings: Any) -> None:
        settings.ALIYUN = {**settings.ALIYUN, "image_model": "qwen-image-max"}
        report = aliyun.images().poll("abc")
        assert (report.state, report.error and report.error.fault) == (JobState.FAILED, Fault.JOB_LOST)


NO, UNKNOWN = Billed.NO, Billed.UNKNOWN
# Status, code; fault, for good, billed, later.
ERRORS = [
    (400, "InvalidParameter", Fault.INVALID_INPUT, True, NO, False),
    (400, "InvalidParameter.DataInspection", Fault.INVALID_INPUT, True, NO, False),
    (400, "InvalidURL", Fault.INVALID_INPUT, True, NO, False),
    (400, "BadRequest.EmptyInput", Fault.INVALID_INPUT, True, NO, False),
    (413, "BadRequest.TooLarge", Fault.INVALID_INPUT, True, NO, False),
    (400, "DataInspectionFailed", Fault.CONTENT_REFUSED, True, NO, False),
    (400, "IPInfringementSuspect", Fault.CONTENT_REFUSED, True, NO, False),
    (400, "Arrearage", Fault.QUOTA_EXHAUSTED, True, NO, False),
    (401, "InvalidApiKey", Fault.AUTHENTICATION, True, NO, False),
    (403, "AccessDenied", Fault.AUTHENTICATION, True, NO, False),
    (403, "AccessDenied.Unpurchased", Fault.AUTHENTICATION, True, NO, False),
    (403, "Model.AccessDenied", Fault.AUTHENTICATION, True, NO, False),
    (403, "Workspace.AccessDenied", Fault.AUTHENTICATION, True, NO, False),
    (403, "AllocationQuota.FreeTierOnly", Fault.QUOTA_EXHAUSTED, True, NO, False),
    (404, "ModelNotFound", Fault.AUTHENTICATION, True, NO, False),
    (404, "WorkSpaceNotFound", Fault.AUTHENTICATION, True, NO, False),
    (429, "Throttling", Fault.RATE_LIMITED, False, NO, True),
    (429, "Throttling.RateQuota", Fault.RATE_LIMITED, False, NO, True),
    (429, "Throttling.BurstRate", Fault.RATE_LIMITED, False, NO, True),
    (429, "LimitRequests", Fault.RATE_LIMITED, False, NO, True),
    (429, "Throttling.AllocationQuota", Fault.QUOTA_EXHAUSTED, True, NO, False),
    (429, "PrepaidBillOverdue", Fault.QUOTA_EXHAUSTED, True, NO, False),
    (429, "PostpaidBillOverdue", Fault.QUOTA_EXHAUSTED, True, NO, False),
    (429, "CommodityNotPurchased", Fault.QUOTA_EXHAUSTED, True, NO, False),
    (500, "InternalError", Fault.UNAVAILABLE, False, UNKNOWN, False),
    (500, "InternalError.Algo", Fault.UNAVAILABLE, False, UNKNOWN, False),
    (500, "InternalError.Timeout", Fault.UNAVAILABLE, False, UNKNOWN, False),
    (500, "InternalError.Upload", Fault.UNAVAILABLE, False, UNKNOWN, False),
    (500, "SystemError", Fault.UNAVAILABLE, False, UNKNOWN, False),
    (500, "ModelServiceFailed", Fault.UNAVAILABLE, False, UNKNOWN, False),
    (500, "RequestTimeOut", Fault.UNAVAILABLE, False, UNKNOWN, False),
    (500, "RewriteFailed", Fault.UNAVAILABLE, False, UNKNOWN, False),
    (503, "ModelUnavailable", Fault.UNAVAILABLE, False, NO, False),
    (503, "ModelServingError", Fault.UNAVAILABLE, False, NO, False),
    (200, "InvalidParameter", Fault.INVALID_INPUT, True, NO, False),
    (200, "Throttling.RateQuota", Fault.RATE_LIMITED, False, NO, True),
    (200, "SomethingNew", Fault.UNAVAILABLE, False, UNKNOWN, False),
    (400, "SomethingNew", Fault.INVALID_INPUT, True, NO, False),
    (502, "SomethingNew", Fault.UNAVAILABLE, False, UNKNOWN, False),
]


class TestErrors:
    @pytest.mark.parametrize(("status", "code", "fault", "permanent", "billed", "later"), ERRORS)
    def test_of_a_submit(
        self, vendor: OnceAliyun, status: int, code: str, fault: Fault, permanent: bool, billed: Billed, later: bool
    ) -> None:
        vendor.says = Reply(status, {"code": code, "message": "as documented", "request_id": "r"})
        error = raised(aliyun.images().submit, ORDER)
        assert (error.fault, error.permanent, error.billed, error.is_later) == (fault, permanent, billed, later)
        assert code in error.evidence
        assert vendor.count("submit") == 1

    def test_how_long_to_wait_is_the_vendors_word(self, vendor: OnceAliyun) -> None:
        vendor.will("submit", "throttled", retry_after=7)
        assert raised(aliyun.images().submit, ORDER).retry_after == 7.0

    @pytest.mark.parametrize("task_id", ["", None, 7, "../../x", "a" * 200])
    def test_an_order_that_was_taken_without_an_id(self, vendor: OnceAliyun, task_id: Any) -> None:
        vendor.says = Reply(200, {"output": {"task_status": "PENDING", "task_id": task_id}})
        error = raised(aliyun.images().submit, ORDER)
        assert (error.fault, error.billed) == (Fault.BAD_ANSWER, UNKNOWN)

    def test_an_answer_without_a_picture_may_have_cost_money(self, vendor: OnceAliyun, settings: Any) -> None:
        use(settings, vendor, image_model="qwen-image-2.0")
        vendor.says = Reply(200, {"output": {"choices": [{"finish_reason": "length", "message": {"content": "x"}}]}})
        error = raised(aliyun.images().submit, ORDER)
        assert (error.fault, error.billed) == (Fault.BAD_ANSWER, UNKNOWN)


class TestPolls:
    @pytest.mark.parametrize(
        ("code", "fault", "permanent"),
        [
            ("DataInspectionFailed", Fault.CONTENT_REFUSED, True),
            ("InvalidParameter", Fault.INVALID_INPUT, True),
            ("Arrearage", Fault.QUOTA_EXHAUSTED, True),
            ("InternalError.Algo", Fault.JOB_FAILED, False),
            ("Throttling.RateQuota", Fault.JOB_FAILED, False),
            ("SomethingNew", Fault.JOB_FAILED, False),
        ],
    )
    def test_a_failed_task(self, vendor: OnceAliyun, code: str, fault: Fault, permanent: bool) -> None:
        vendor.to, vendor.says = "poll", Reply(200, {"output": {"task_status": "FAILED", "code": code, "message": "m"}})
        report = aliyun.images().poll("abc")
        assert report.state == JobState.FAILED
        assert report.error is not None
        assert (report.error.fault, report.error.permanent, report.error.billed) == (fault, permanent, NO)

    @pytest.mark.parametrize(
        ("output", "state"),
        [
            ({"task_status": "PENDING"}, JobState.QUEUED),
            ({"task_status": "SUSPENDED"}, JobState.QUEUED),
            ({"task_status": "RUNNING"}, JobState.RUNNING),
            ({"task_status": "CANCELED"}, JobState.FAILED),
            ({"task_status": "UNKNOWN"}, JobState.FAILED),
            ({"task_status": "SUCCEEDED", "results": [{"code": "DataInspectionFailed"}]}, JobState.FAILED),
            ({"task_status": "SUCCEEDED", "results": [{"code": "x"}, {"url": "https://a/b.png"}]}, JobState.DONE),
        ],
    )
    def test_the_states(self, vendor: OnceAliyun, output: dict[str, Any], state: JobState) -> None:
        vendor.to, vendor.says = "poll", Reply(200, {"output": output})
        report = aliyun.images().poll("abc")
        assert (report.state, report.ref, report.progress) == (state, "abc", None)

    @pytest.mark.parametrize("output", [{}, {"task_status": ["RUNNING"]}, {"task_status": "SUCCEEDED", "results": 7}])
    def test_an_answer_that_cannot_be_understood_is_no_failure(self, vendor: OnceAliyun, output: Any) -> None:
        vendor.to, vendor.says = "poll", Reply(200, {"output": output})
        error = raised(aliyun.images().poll, "abc")
        assert (error.fault, error.permanent, error.billed) == (Fault.BAD_ANSWER, False, NO)

    def test_tripos_results(self, vendor: OnceAliyun) -> None:
        said = {"base_model_url": "https://a/b.glb", "rendered_image_url": "https://a/b.webp"}
        vendor.to, vendor.says = "poll", Reply(200, {"output": {"task_status": "SUCCEEDED", "results": said}})
        report = aliyun.models().poll("abc")
        assert [file.role for file in report.files] == [FileRole.GLB, FileRole.PREVIEW]
        assert report.units == 1

    def test_only_what_waits_is_cancelled(self, vendor: OnceAliyun) -> None:
        provider = aliyun.images()
        ref = provider.submit(ORDER).ref
        provider.cancel(ref)
        provider.cancel(ref)
        assert (vendor.tasks[ref]["status"], vendor.count("cancel")) == ("CANCELED", 2)

    def test_a_cancel_that_did_not_get_there_says_so(self, vendor: OnceAliyun) -> None:
        vendor.will("cancel", "server_error")
        assert raised(aliyun.images().cancel, "abc").fault == Fault.UNAVAILABLE


class TestResults:
    def test_lie_behind_tls_whatever_the_address_says(self) -> None:
        plain = "http://dashscope-result-bj.oss-cn-beijing.aliyuncs.com/a.png?Expires=1"
        assert results.allowed(plain, aliyun.HOSTS) == plain.replace("http:", "https:")

    @pytest.mark.parametrize("host", ["aliyuncs.com.evil.cn", "evilaliyuncs.com", "127.0.0.1", "100.100.100.200"])
    def test_come_from_nowhere_else(self, host: str) -> None:
        assert raised(results.allowed, f"https://{host}/a.png", aliyun.HOSTS).permanent


class TestCannot:
    def test_long_words_and_many_pictures(self, vendor: OnceAliyun) -> None:
        provider = aliyun.images()
        assert provider.cannot(ImageOrder(reference="r", prompt="猫" * 800)) == ""
        assert "800" in provider.cannot(ImageOrder(reference="r", prompt="猫" * 801))
        assert provider.cannot(ImageOrder(reference="r", prompt="猫", count=2))

    @pytest.mark.parametrize(
        ("url", "is_fine"),
        [
            ("https://lumi.example.com/cat.png", True),
            ("http://8.8.8.8/cat.png", True),
            ("", False),
            ("/media/cat.png", False),
            ("ftp://lumi.example.com/cat.png", False),
            ("https://localhost/cat.png", False),
            ("https://minio:9000/cat.png", False),
            ("http://127.0.0.1:8000/cat.png", False),
            ("http://10.1.2.3/cat.png", False),
            ("http://[::1]/cat.png", False),
            ("http://[", False),
            ("https://nas.local/cat.png", False),
        ],
    )
    def test_pictures_that_the_vendor_cannot_fetch(self, settings: Any, url: str, is_fine: bool) -> None:
        settings.RESULTS_FROM_LOOPBACK = False
        assert (aliyun.models().cannot(model_order(image_url=url)) == "") is is_fine

    def test_a_trial_vendor_fetches_from_this_machine(self, vendor: OnceAliyun) -> None:
        assert aliyun.models().cannot(model_order(image_url="http://127.0.0.1:8000/cat.png")) == ""

    @pytest.mark.parametrize(
        ("image", "why"),
        [
            (things.picture("JPEG"), ""),
            (things.picture("WEBP"), "no JPEG or PNG"),
            (b"no picture", "no JPEG or PNG"),
            (things.picture(size=(10, 300)), "20 to 6000"),
            (things.picture() + bytes(20_000_000), "20 MB"),
        ],
    )
    def test_pictures_of_a_wrong_kind(self, image: bytes, why: str) -> None:
        assert why in aliyun.models().cannot(model_order(image=image))
        assert bool(aliyun.models().cannot(model_order(image=image))) is bool(why)
