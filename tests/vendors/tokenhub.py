"""Tencent's TokenHub on the loopback: a key, a plain REST API, small letters."""

import time
import uuid
from typing import Any

from providers import tokenhub
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
from tests.vendors.server import Asked, Refused, Reply

MODELS = ("hy-3d-express", "hy-3d-3.0", "hy-3d-3.1")
OPERATIONS = {"/v1/api/3d/submit": "submit", "/v1/api/3d/query": "poll", "/v1/models": "check"}
# Status, type, code and text, as its page on errors has them; a code from behind the gateway where there is one.
SAID: dict[str, tuple[int, str, str, str, str]] = {
    "throttled": (429, "rate_limit_error", "429001", "rate limit exceeded on dimension: rpm", ""),
    "busy": (429, "rate_limit_error", "429001", "任务数已达上限", "RequestLimitExceeded.JobNumExceed"),
    "refused": (451, "content_filter_error", "451001", "content was filtered by safety policy", ""),
    "bad_key": (401, "authentication_error", "401002", "invalid api key", ""),
    "no_balance": (402, "permission_error", "401007", "endpoint is inactive: FREE_QUOTA_EXHAUSTED", ""),
    "used_up": (401, "authentication_error", "401002", "the quota of this resource is used up", ""),
    "forbidden": (403, "permission_error", "403001", "access denied: client IP 203.0.113.9", ""),
    "invalid": (400, "invalid_request_error", "400001", "invalid parameter 'model': model is required", ""),
    "unknown_field": (400, "invalid_request_error", "400002", "unknown parameter", ""),
    "server_error": (502, "upstream_error", "502001", "provider error", ""),
    "unknown_job": (404, "invalid_request_error", "404001", "job not found", "FailedOperation.JobNotExist"),
}
QUERY: dict[str, Rule] = {"model": one_of(*MODELS), "id": words_up_to(64)}
SUBMIT: dict[str, Rule] = {
    "model": one_of(*MODELS),
    "prompt": words_up_to(1024),
    "image_base64": is_picture,
    "image_url": is_address,
    "enable_pbr": is_flag,
}
EXPRESS = SUBMIT | {"result_format": one_of("obj", "glb", "stl", "usdz", "fbx", "mp4"), "enable_geometry": is_flag}
OTHERS = SUBMIT | {
    "result_format": one_of("stl", "usdz", "fbx"),
    "face_count": faces,
    "generate_type": one_of("Normal", "LowPoly", "Geometry", "Sketch"),
    "polygon_type": one_of("triangle", "quadrilateral"),
}


class TokenHubVendor(HunyuanVendor):
    """The generation of models. `shape`: how its errors look, for this is not the same everywhere; `asked`: the
    requests as they came."""

    secret = "sk-tokenhub-0123456789abcdef"

    def __init__(self) -> None:
        super().__init__()
        self.shape = "gateway"
        self.asked: list[Asked] = []
        self.answers: dict[str, Any] = {}  # other members than usual, in an answer about a job; None leaves one out

    def operation(self, asked: Asked) -> str:
        self.asked.append(asked)
        return OPERATIONS.get(asked.path, "other")

    def route(self, operation: str, asked: Asked) -> Reply:
        if asked.headers.get("Authorization") != f"Bearer {self.secret}":
            raise Refused("bad_key")
        if operation == "check" and asked.method == "GET":
            listed = [{"id": model, "object": "model"} for model in MODELS]
            return Reply(200, {"object": "list", "data": listed})
        if operation not in ("submit", "poll") or asked.method != "POST":
            raise Refused("invalid", "no such operation")
        if asked.headers.get("Content-Type") != "application/json":
            raise Refused("invalid", "the content type is not application/json")
        order = asked.json()
        return self.submitted(order) if operation == "submit" else self.queried(order)

    def submitted(self, order: dict[str, Any]) -> Reply:
        """A job for an order. Raises Refused."""
        is_express = order.get("model") == "hy-3d-express"
        check_fields(order, EXPRESS if is_express else OTHERS)
        if "model" not in order:
            raise Refused("invalid")
        check_source(order, "prompt", "image_base64", "image_url")
        usual = ("obj",) if is_express else ("obj", "glb")
        formats = (order["result_format"],) if "result_format" in order else usual
        job = self.take(order["model"], formats, {name: value for name, value in order.items() if name != "model"})
        return self.about_job(id=job.id, status="queued")

    def queried(self, order: dict[str, Any]) -> Reply:
        """How a job stands. Raises Refused."""
        check_fields(order, QUERY)
        if order.keys() != QUERY.keys():
            raise Refused("invalid", "model and id are required")
        job = self.polled(order["id"], order["model"])
        found: dict[str, Any] = {"status": "in_progress"}
        if job.is_running:
            found["status"] = ("queued", "in_progress")[job.polls - 1]
        elif job.fate == "done":
            data = [self.file(kind) for kind in job.formats]
            found = {"status": "completed", "completed_at": int(time.time()), "data": data}
        else:
            code = "FailedOperation.InnerError" if job.fate == "failed" else job.fate
            found = {"status": "failed", "error_code": code, "error_message": "主体在图片中占比过小"}
        return self.about_job(**found)

    def about_job(self, **members: Any) -> Reply:
        """An answer, or what it is told to be."""
        common = {"request_id": str(uuid.uuid4()), "object": "3d_job", "created_at": int(time.time())}
        told = common | members | self.answers
        return Reply(200, {name: value for name, value in told.items() if value is not None})

    def file(self, kind: str) -> dict[str, str]:
        """One of the results."""
        url, preview = self.address_of(FILES[kind.upper()]), self.address_of("preview.png")
        return {"type": kind, "url": url, "preview_image_url": preview}

    def said(self, how: str, why: str) -> Reply:
        """An error; `how` may be a code from behind the gateway as well."""
        status, type_, code, message, upstream = SAID.get(how, (502, "upstream_error", "502001", how, how))
        return Reply(status, shaped(self.shape, type_, code, why or message, upstream))


def shaped(shape: str, type_: str, code: str, message: str, upstream: str) -> dict[str, Any]:
    """An error as the page on errors has it, and as others have met it."""
    request_id = str(uuid.uuid4())
    if shape == "cloud":
        return {"Response": {"Error": {"Code": upstream or code, "Message": message}, "RequestId": request_id}}
    if shape == "flat":
        return {"code": upstream or code, "message": message, "request_id": request_id}
    if shape == "flat_job":
        return {"error_code": upstream or code, "error_message": message}
    if shape == "text":
        return {"error": f"{upstream or code} {message}"}
    error = {"type": type_, "code": code, "message": message, "source": "gateway", "request_id": request_id}
    behind = {"source": "upstream", "upstream_code": upstream, "upstream_status": 200}
    return {"error": error | (behind if upstream else {})}


CASES = (
    Case(
        name="tokenhub",
        kind="model",
        make=tokenhub.models,
        roles=frozenset({FileRole.OBJ, FileRole.MTL, FileRole.TEXTURE, FileRole.GLB, FileRole.PREVIEW}),
        vendor=TokenHubVendor,
        settings=lambda vendor: {
            "TOKENHUB": {"key": vendor.secret, "url": f"{vendor.url}/v1", "model": "hy-3d-3.0"},
        },
    ),
)
