"""Tencent Cloud's ai3d on the loopback: it checks every signature (TC3-HMAC-SHA256), and answers its errors with
status 200."""

import hashlib
import hmac
import re
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from providers import tencent
from providers.base import FileRole
from tests.vendors.cases import Case
from tests.vendors.hunyuan import (
    FILES,
    HunyuanVendor,
    Rule,
    check_fields,
    check_source,
    faces,
    is_address,
    is_flag,
    is_picture,
    one_of,
    words_up_to,
)
from tests.vendors.server import Asked, Dial, Refused, Reply

SKEW = 300
SERVICE, VERSION, REGIONS = "ai3d", "2025-05-13", ("ap-guangzhou",)
NEEDED = ("X-TC-Action", "X-TC-Version", "X-TC-Region", "X-TC-Timestamp", "Authorization")
AUTHORIZATION = re.compile(
    r"TC3-HMAC-SHA256 Credential=([^/]+)/(\d{4}-\d\d-\d\d)/ai3d/tc3_request, "
    r"SignedHeaders=content-type;host, Signature=([0-9a-f]{64})"
)
OFFLINE = ("SubmitHunyuanTo3DJob", "QueryHunyuanTo3DJob", "SubmitProfileTo3DJob")
SAID = {
    "throttled": ("RequestLimitExceeded", "Your current request times equals to `21` in a second"),
    "busy": ("RequestLimitExceeded.JobNumExceed", "您提交的任务数已达1个上限，请等待已提交的任务完成后再提交。"),
    "refused": ("OperationDenied.ImageIllegalDetected", "图片包含违法违规信息，审核不通过。"),
    "bad_key": (
        "AuthFailure.SignatureFailure",
        "The provided credentials could not be validated. Please check your signature is correct.",
    ),
    "no_balance": ("ResourceUnavailable.LowBalance", "余额不足。"),
    "invalid": ("InvalidParameterValue", "参数取值错误。"),
    "unknown_field": ("UnknownParameter", ""),
    "missing": ("MissingParameter", ""),
    "server_error": ("InternalError", "内部错误。"),
    "unknown_job": ("FailedOperation.JobNotExist", "任务不存在。"),
    "failed": ("FailedOperation.InnerError", "服务内部错误：主体在图片中占比过小。"),
}
COMMON: dict[str, Rule] = {
    "ImageBase64": is_picture,
    "ImageUrl": is_address,
    "EnablePBR": is_flag,
}
RULES: dict[str, dict[str, Rule]] = {
    "SubmitHunyuanTo3DRapidJob": COMMON
    | {
        "Prompt": words_up_to(200),
        "ResultFormat": one_of("OBJ", "GLB", "STL", "USDZ", "FBX", "MP4"),
        "EnableGeometry": is_flag,
    },
    "SubmitHunyuanTo3DProJob": COMMON
    | {
        "Model": one_of("3.0", "3.1"),
        "Prompt": words_up_to(1024),
        "ResultFormat": one_of("STL", "USDZ", "FBX"),
        "FaceCount": faces,
        "GenerateType": one_of("Normal", "LowPoly", "Geometry", "Sketch"),
        "PolygonType": one_of("triangle", "quadrilateral"),
    },
    "QueryHunyuanTo3DRapidJob": {"JobId": words_up_to(64)},
    "QueryHunyuanTo3DProJob": {"JobId": words_up_to(64)},
}


class TencentVendor(HunyuanVendor):
    """Pro and Rapid. `clock` is its own; `content_type` may become the one that the SDK does not look into; `asked`
    are the requests as they came."""

    secret = "Gu5t9xGARNpq86cd98joQYCN3EXAMPLE"
    user = "AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE"
    content_type = "application/json"

    def __init__(self) -> None:
        super().__init__()
        self.clock: Callable[[], float] = time.time
        self.asked: list[Asked] = []
        self.answers: dict[str, Any] = {}  # other members than usual, in an answer about a job; None leaves one out

    def operation(self, asked: Asked) -> str:
        self.asked.append(asked)
        action = asked.headers.get("X-TC-Action", "")
        if action.startswith("Query"):
            return "check" if b'"JobId": "0"' in asked.body else "poll"
        return "submit" if action.startswith("Submit") else "other"

    def answer(self, operation: str, asked: Asked, dial: Dial | None) -> Reply:
        reply = super().answer(operation, asked, dial)
        return Reply(reply.status, reply.content, {"Content-Type": self.content_type} | reply.headers)

    def said(self, how: str, why: str) -> Reply:
        """An error in the envelope; `how` may be a code as well."""
        code, message = SAID.get(how, (how, "出错了。"))
        return enveloped(Error={"Code": code, "Message": why or message})

    def route(self, operation: str, asked: Asked) -> Reply:
        self.check_headers(asked)
        self.check_signature(asked)
        action, order = asked.headers["X-TC-Action"], asked.json()
        check_action(action)
        check_fields(order, RULES[action])
        return self.submitted(action, order) if operation == "submit" else self.queried(action, order)

    # --- Signing in ---------------------------------------------------------------------------------------------------

    def check_headers(self, asked: Asked) -> None:
        """All that is needed, and a body that is plain JSON. Raises Refused."""
        for name in NEEDED:
            if name not in asked.headers:
                raise Refused("missing", f"The request misses a required parameter `{name}`.")
        if (asked.method, asked.path, asked.query) != ("POST", "/", {}):
            raise Refused("InvalidParameter", "not POST /")
        if asked.headers["Content-Type"] != "application/json":
            raise Refused("InvalidParameter", "the content type is not application/json")
        if asked.headers["X-TC-Region"] not in REGIONS:
            raise Refused("UnsupportedRegion")
        if asked.headers["X-TC-Version"] != VERSION:
            raise Refused("NoSuchVersion")

    def check_signature(self, asked: Asked) -> None:
        """TC3. Raises Refused."""
        found = AUTHORIZATION.fullmatch(asked.headers["Authorization"])
        if not found:
            raise Refused("AuthFailure.InvalidAuthorization")
        user, date, signature = found.groups()
        moment = int(asked.headers["X-TC-Timestamp"])
        if user != self.user:
            raise Refused("AuthFailure.SecretIdNotFound")
        if abs(self.clock() - moment) > SKEW or date != datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d"):
            raise Refused("AuthFailure.SignatureExpire")
        if not hmac.compare_digest(signature, signed(self.secret, date, asked)):
            raise Refused("bad_key")

    # --- Jobs ---------------------------------------------------------------------------------------------------------

    def submitted(self, action: str, order: dict[str, Any]) -> Reply:
        """A job for an order. Raises Refused."""
        if order.get("GenerateType") != "Sketch":
            check_source(order, "Prompt", "ImageBase64", "ImageUrl")
        if "PolygonType" in order and order.get("GenerateType") != "LowPoly":
            raise Refused("invalid", "PolygonType is for LowPoly only.")
        if order.get("EnableGeometry") and order.get("ResultFormat") == "OBJ":
            raise Refused("invalid", "There is no OBJ without a texture.")
        edition = edition_of(action)
        usual = ("OBJ",) if edition == "Rapid" else ("OBJ", "GLB")
        formats = (order["ResultFormat"],) if "ResultFormat" in order else usual
        return self.about_job(JobId=self.take(edition, formats, order).id)

    def queried(self, action: str, order: dict[str, Any]) -> Reply:
        """How a job stands. Raises Refused."""
        if "JobId" not in order:
            raise Refused("missing", "The request misses a required parameter `JobId`.")
        job = self.polled(order["JobId"], edition_of(action))
        found: dict[str, Any] = {"Status": "WAIT", "ErrorCode": "", "ErrorMessage": "", "ResultFile3Ds": []}
        if job.is_running:
            found["Status"] = ("WAIT", "RUN")[job.polls - 1]
        elif job.fate == "done":
            found |= {"Status": "DONE", "ResultFile3Ds": [self.file(kind) for kind in job.formats]}
            if job.model == "Pro":
                found |= {"ResultCreditDetails": "Generate-Normal：20", "ResultCreditConsumed": 20.0}
        else:
            code, message = SAID.get(job.fate, (job.fate, job.fate))
            found |= {"Status": "FAIL", "ErrorCode": code, "ErrorMessage": message}
        return self.about_job(**found)

    def about_job(self, **members: Any) -> Reply:
        """An answer, or what it is told to be."""
        return enveloped(**{name: value for name, value in (members | self.answers).items() if value is not None})

    def file(self, kind: str) -> dict[str, str]:
        """One of the results."""
        url, preview = self.address_of(FILES[kind]), self.address_of("preview.png")
        return {"Type": kind, "Url": url, "PreviewImageUrl": preview}


class RapidVendor(TencentVendor):
    """An account of Rapid: one slot."""

    slots = 1


def enveloped(**members: Any) -> Reply:
    """An answer."""
    return Reply(200, {"Response": {**members, "RequestId": str(uuid.uuid4())}})


def edition_of(action: str) -> str:
    """ "Pro" or "Rapid"."""
    return "Rapid" if "Rapid" in action else "Pro"


def check_action(action: str) -> None:
    """One that is there. Raises Refused."""
    if action in OFFLINE:
        raise Refused("ActionOffline")
    if action not in RULES:
        raise Refused("InvalidAction")


def signed(secret: str, date: str, asked: Asked) -> str:
    """The signature that a request must bear."""
    head = f"content-type:{asked.headers['Content-Type']}\nhost:{asked.headers['Host']}\n"
    canonical = f"POST\n/\n\n{head}\ncontent-type;host\n{hashlib.sha256(asked.body).hexdigest()}"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    text = f"TC3-HMAC-SHA256\n{asked.headers['X-TC-Timestamp']}\n{date}/{SERVICE}/tc3_request\n{digest}"
    key = f"TC3{secret}".encode()
    for part in (date, SERVICE, "tc3_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def settings_of(edition: str) -> Callable[[TencentVendor], dict[str, Any]]:
    """What makes the provider speak to a vendor, in an edition."""
    return lambda vendor: {
        "TENCENT": {
            "id": vendor.user, "key": vendor.secret, "url": vendor.url, "region": "ap-guangzhou", "edition": edition,
        }
    }  # fmt: skip


TEXTURED = frozenset({FileRole.OBJ, FileRole.MTL, FileRole.TEXTURE, FileRole.PREVIEW})
PRO = Case(
    name="tencent pro",
    kind="model",
    make=tencent.models,
    roles=TEXTURED | {FileRole.GLB},
    vendor=TencentVendor,
    settings=settings_of("pro"),
)
RAPID = Case(
    name="tencent rapid",
    kind="model",
    make=tencent.models,
    roles=TEXTURED,
    vendor=RapidVendor,
    settings=settings_of("rapid"),
)
CASES = (PRO, RAPID)
