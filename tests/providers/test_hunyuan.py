"""What is the same by both doors to Hunyuan 3D: the codes, the pictures, the results."""

import math
from typing import Any

import pytest

from providers.base import Billed, Fault, FileRole, JobState, ProviderError
from providers.http import Answer
from providers.hunyuan import (
    HOSTS,
    MOST_BYTES,
    credits_in,
    failed,
    files_of,
    id_in,
    verdict_of,
    verdict_on_a_stranger,
    why_not,
)
from tests.vendors import things

# Code, fault, whether it is for good, whether a submit that is answered with it may have been accepted.
CODES = [
    ("RequestLimitExceeded.JobNumExceed", Fault.BUSY, False, Billed.NO),
    ("RequestLimitExceeded", Fault.RATE_LIMITED, False, Billed.NO),
    ("RequestLimitExceeded.UinLimitExceeded", Fault.RATE_LIMITED, False, Billed.NO),
    ("RequestLimitExceeded.IPLimitExceeded", Fault.RATE_LIMITED, False, Billed.NO),
    ("RequestLimitExceeded.GlobalRegionUinLimitExceeded", Fault.RATE_LIMITED, False, Billed.NO),
    ("LimitExceeded", Fault.RATE_LIMITED, False, Billed.NO),
    ("ResourceInUse", Fault.BUSY, False, Billed.NO),
    ("InternalError", Fault.UNAVAILABLE, False, Billed.UNKNOWN),
    ("InternalError.ModelInference", Fault.UNAVAILABLE, False, Billed.UNKNOWN),
    ("ServiceUnavailable", Fault.UNAVAILABLE, False, Billed.NO),
    ("AuthFailure.SignatureFailure", Fault.AUTHENTICATION, True, Billed.NO),
    ("AuthFailure.SecretIdNotFound", Fault.AUTHENTICATION, True, Billed.NO),
    ("AuthFailure.InvalidSecretId", Fault.AUTHENTICATION, True, Billed.NO),
    ("AuthFailure.SignatureExpire", Fault.AUTHENTICATION, True, Billed.NO),
    ("AuthFailure.InvalidAuthorization", Fault.AUTHENTICATION, True, Billed.NO),
    ("AuthFailure.MFAFailure", Fault.AUTHENTICATION, True, Billed.NO),
    ("AuthFailure.TokenFailure", Fault.AUTHENTICATION, True, Billed.NO),
    ("AuthFailure.UnauthorizedOperation", Fault.AUTHENTICATION, True, Billed.NO),
    ("UnauthorizedOperation", Fault.AUTHENTICATION, True, Billed.NO),
    ("IpInBlacklist", Fault.AUTHENTICATION, True, Billed.NO),
    ("IpNotInWhitelist", Fault.AUTHENTICATION, True, Billed.NO),
    ("OperationDenied", Fault.AUTHENTICATION, True, Billed.NO),
    ("OperationDenied.ImageIllegalDetected", Fault.CONTENT_REFUSED, True, Billed.NO),
    ("OperationDenied.TextIllegalDetected", Fault.CONTENT_REFUSED, True, Billed.NO),
    ("FailedOperation.ModerationFailed", Fault.CONTENT_REFUSED, True, Billed.NO),
    ("ResourceInsufficient", Fault.QUOTA_EXHAUSTED, True, Billed.NO),
    ("ResourceUnavailable.NotExist", Fault.QUOTA_EXHAUSTED, True, Billed.NO),
    ("ResourceUnavailable.InArrears", Fault.QUOTA_EXHAUSTED, True, Billed.NO),
    ("ResourceUnavailable.LowBalance", Fault.QUOTA_EXHAUSTED, True, Billed.NO),
    ("ResourceUnavailable.StopUsing", Fault.QUOTA_EXHAUSTED, True, Billed.NO),
    ("ResourcesSoldOut.ChargeStatusException", Fault.QUOTA_EXHAUSTED, True, Billed.NO),
    ("InvalidParameter", Fault.INVALID_INPUT, True, Billed.NO),
    ("InvalidParameterValue.ImageSize", Fault.INVALID_INPUT, True, Billed.NO),
    ("InvalidRequest", Fault.INVALID_INPUT, True, Billed.NO),
    ("MissingParameter", Fault.INVALID_INPUT, True, Billed.NO),
    ("UnknownParameter", Fault.INVALID_INPUT, True, Billed.NO),
    ("RequestSizeLimitExceeded", Fault.INVALID_INPUT, True, Billed.NO),
    ("FailedOperation", Fault.UNAVAILABLE, False, Billed.UNKNOWN),
    ("FailedOperation.InnerError", Fault.UNAVAILABLE, False, Billed.UNKNOWN),
    ("FailedOperation.ServerError", Fault.UNAVAILABLE, False, Billed.UNKNOWN),
    ("FailedOperation.RequestTimeout", Fault.UNAVAILABLE, False, Billed.UNKNOWN),
    ("FailedOperation.DownloadError", Fault.INVALID_INPUT, True, Billed.NO),
    ("FailedOperation.ImageDownloadError", Fault.INVALID_INPUT, True, Billed.NO),
    ("FailedOperation.ImageDecodeFailed", Fault.INVALID_INPUT, True, Billed.NO),
    ("FailedOperation.ImageSizeExceed", Fault.INVALID_INPUT, True, Billed.NO),
    ("FailedOperation.ImageResolutionExceed", Fault.INVALID_INPUT, True, Billed.NO),
    ("FailedOperation.JobNotExist", Fault.JOB_LOST, True, Billed.NO),
    ("FailedOperation.JobNotFound", Fault.JOB_LOST, True, Billed.NO),
    ("ResourceNotFound.TaskId", Fault.JOB_LOST, True, Billed.NO),
    ("InvalidAction", Fault.UNAVAILABLE, True, Billed.NO),
    ("ActionOffline", Fault.UNAVAILABLE, True, Billed.NO),
    ("NoSuchProduct", Fault.UNAVAILABLE, True, Billed.NO),
    ("NoSuchVersion", Fault.UNAVAILABLE, True, Billed.NO),
    ("UnsupportedOperation", Fault.UNAVAILABLE, True, Billed.NO),
    ("UnsupportedProtocol", Fault.UNAVAILABLE, True, Billed.NO),
    ("UnsupportedRegion", Fault.UNAVAILABLE, True, Billed.NO),
]


class TestCodes:
    @pytest.mark.parametrize(("code", "fault", "permanent", "billed"), CODES)
    def test_of_the_documents(self, code: str, fault: Fault, permanent: bool, billed: Billed) -> None:
        verdict = verdict_of(code)
        assert verdict is not None
        assert (verdict.fault, verdict.permanent, verdict.billed) == (fault, permanent, billed)

    @pytest.mark.parametrize("code", ["", "SomethingNew", "SomethingNew.WithAPart", ".", "RequestLimitExceededX"])
    def test_that_nobody_knows_mean_nothing(self, code: str) -> None:
        assert verdict_of(code) is None

    @pytest.mark.parametrize(
        ("status", "fault", "billed"),
        [
            (200, Fault.BAD_ANSWER, Billed.UNKNOWN),
            (302, Fault.BAD_ANSWER, Billed.UNKNOWN),
            (400, Fault.BAD_ANSWER, Billed.UNKNOWN),
            (404, Fault.BAD_ANSWER, Billed.UNKNOWN),
            (429, Fault.RATE_LIMITED, Billed.NO),
            (502, Fault.UNAVAILABLE, Billed.UNKNOWN),
            (503, Fault.UNAVAILABLE, Billed.NO),
        ],
    )
    def test_of_a_gateway_on_the_way_are_its_status(self, status: int, fault: Fault, billed: Billed) -> None:
        verdict = verdict_on_a_stranger(Answer(status=status, headers={}, content=b"<html>"))
        assert (verdict.fault, verdict.billed) == (fault, billed)

    @pytest.mark.parametrize(
        ("code", "fault", "permanent"),
        [
            ("FailedOperation.InnerError", Fault.JOB_FAILED, False),
            ("FailedOperation.RequestTimeout", Fault.JOB_FAILED, False),
            ("RequestLimitExceeded", Fault.JOB_FAILED, False),
            ("AuthFailure", Fault.JOB_FAILED, False),
            ("SomethingNew", Fault.JOB_FAILED, False),
            ("", Fault.JOB_FAILED, False),
            ("InvalidParameter", Fault.INVALID_INPUT, True),
            ("FailedOperation.ImageDecodeFailed", Fault.INVALID_INPUT, True),
            ("FailedOperation.ModerationFailed", Fault.CONTENT_REFUSED, True),
            ("OperationDenied.ImageIllegalDetected", Fault.CONTENT_REFUSED, True),
            ("FailedOperation.JobNotExist", Fault.JOB_LOST, True),
        ],
    )
    def test_of_a_job_that_failed_and_was_not_charged(self, code: str, fault: Fault, permanent: bool) -> None:
        report = failed("pro:1", code, "主体占比过小")
        assert report.error is not None
        assert (report.state, report.ref) == (JobState.FAILED, "pro:1")
        assert (report.error.fault, report.error.permanent, report.error.billed) == (fault, permanent, Billed.NO)
        assert "主体占比过小" in report.error.evidence


class TestPictures:
    @pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
    @pytest.mark.parametrize("size", [(128, 128), (128, 5000), (1328, 1328)])
    def test_that_are_taken(self, format: str, size: tuple[int, int]) -> None:
        assert why_not(things.picture(format, size)) == ""

    @pytest.mark.parametrize(
        ("image", "why"),
        [
            (things.picture(size=(127, 400)), "side"),
            (things.picture(size=(400, 127)), "side"),
            (things.picture(size=(5001, 200)), "side"),
            (things.picture(size=(12_000, 12_000)), "side"),
            (things.picture("GIF", (400, 400)), "no JPEG"),
            (things.picture("BMP", (400, 400)), "no JPEG"),
            (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "no JPEG"),
            (b"", "no JPEG"),
            (things.picture()[:20], "no JPEG"),
            (things.picture(size=(400, 400)) + bytes(MOST_BYTES), "6 MB"),
        ],
        ids=["narrow", "low", "long", "bomb", "gif", "bmp", "svg", "nothing", "a piece", "heavy"],
    )
    def test_that_are_not(self, image: bytes, why: str) -> None:
        assert why in why_not(image)


class TestResults:
    FILES = [
        {"Type": "GIF", "Url": "https://x.tencentcos.cn/a.gif"},
        {"Type": "GLB", "Url": "https://x.tencentcos.cn/a.glb", "PreviewImageUrl": "https://x.tencentcos.cn/a.png"},
        {"Type": "OBJ", "Url": "https://x.tencentcos.cn/a.zip", "PreviewImageUrl": "https://x.tencentcos.cn/b.png"},
        {"Type": "OBJ", "Url": "https://x.tencentcos.cn/second.zip"},
        {"Type": "POSTPROCESS_OBJ", "Url": "https://x.tencentcos.cn/c.zip"},
        {"Type": "FBX", "Url": "https://x.tencentcos.cn/a.fbx"},
    ]

    def test_are_one_of_each_kind_that_is_kept_and_one_preview(self) -> None:
        found = [(file.role, file.url.rpartition("/")[2]) for file in files_of(self.FILES)]
        assert found == [(FileRole.OBJ, "a.zip"), (FileRole.GLB, "a.glb"), (FileRole.PREVIEW, "a.png")]

    def test_are_named_in_either_way(self) -> None:
        listed = [{"type": "stl", "url": "https://x/a.stl", "preview_image_url": "https://x/a.png"}]
        assert {file.role for file in files_of(listed)} == {FileRole.STL, FileRole.PREVIEW}

    @pytest.mark.parametrize(
        "listed",
        [
            None,
            [],
            {},
            "OBJ",
            [None],
            ["OBJ"],
            [{}],
            [{"Type": "OBJ"}],
            [{"Type": "OBJ", "Url": ""}],
            [{"Type": "OBJ", "Url": 3}],
            [{"Type": 3, "Url": "https://x/a"}],
            [{"Type": "GIF", "Url": "https://x/a"}],
        ],
    )
    def test_without_a_mesh_are_no_answer(self, listed: Any) -> None:
        with pytest.raises(ProviderError) as caught:
            files_of(listed)
        assert (caught.value.fault, caught.value.permanent) == (Fault.BAD_ANSWER, False)

    def test_lie_in_the_vendors_own_store(self) -> None:
        assert HOSTS == ("myqcloud.com", "tencentcos.cn")


class TestNumbers:
    @pytest.mark.parametrize(("value", "units"), [(20.0, 20.0), (35, 35.0), (0, 0.0)])
    def test_of_credits_are_believed(self, value: Any, units: float) -> None:
        assert credits_in(value, 15.0) == units

    @pytest.mark.parametrize("value", [None, "20", True, -1, math.nan, math.inf, [20]])
    def test_that_are_none_give_way_to_the_price_list(self, value: Any) -> None:
        assert credits_in(value, 15.0) == 15.0


class TestIds:
    @pytest.mark.parametrize("said", [{}, {"id": None}, {"id": ""}, {"id": 5}, {"id": ["1"]}, {"id": "1" * 201}])
    def test_that_are_none_leave_the_outcome_unknown(self, said: dict[str, Any]) -> None:
        with pytest.raises(ProviderError) as caught:
            id_in(said, "id")
        assert (caught.value.fault, caught.value.billed) == (Fault.BAD_ANSWER, Billed.UNKNOWN)

    def test_are_text(self) -> None:
        assert id_in({"id": "1357237233311637504"}, "id") == "1357237233311637504"
