"""Qwen by DashScope's OpenAI-compatible mode, on the loopback."""

from typing import Any

from providers import qwen
from tests.vendors.cases import Case
from tests.vendors.chat import ChatVendor
from tests.vendors.server import Reply

HELP = "For details, see: https://help.aliyun.com/zh/model-studio/error-code"
REQUEST, OVERDUE = "invalid_request_error", "Access denied, please make sure your account is in good standing."
INAPPROPRIATE = "Input data may contain inappropriate content."
# Status, code, type, message: by the word of the dial.
SAYS = {
    "throttled": (429, "limit_requests", "limit_requests", "You have exceeded your current request limit."),
    "burst": (429, "limit_burst_rate", "limit_burst_rate", "Request rate increased too quickly."),
    "tokens": (429, "insufficient_quota", "insufficient_quota", "You exceeded your current quota."),
    "free_used_up": (429, "insufficient_quota", "insufficient_quota", "Free allocated quota exceeded."),
    "free_only": (403, "AllocationQuota.FreeTierOnly", REQUEST, "The free tier of the model has been exhausted."),
    "no_balance": (400, "Arrearage", "Arrearage", f"{OVERDUE} {HELP}"),
    "bill": (429, "PostpaidBillOverdue", "PostpaidBillOverdue", "The postpaid bill is overdue."),
    "refused": (400, "data_inspection_failed", "data_inspection_failed", f"{INAPPROPRIATE} {HELP}"),
    "refused_inside": (
        400, "invalid_parameter_error", REQUEST, f"<400> InternalError.Algo.DataInspectionFailed: {INAPPROPRIATE}",
    ),
    "invalid": (400, "invalid_parameter_error", REQUEST, "Range of input length should be [1, 129024]"),
    "unknown_model": (404, "model_not_found", REQUEST, "The model does not exist or you do not have access to it."),
    "denied": (403, "access_denied", "access_denied", "Access denied."),
    "server_error": (500, "internal_error", "internal_error", "An internal error has occurred."),
    "overloaded": (503, "ModelServingError", "ModelServingError", "Too many requests to the model."),
}  # fmt: skip


class QwenVendor(ChatVendor):
    """Errors are nested, and repeat what they are about: also the key."""

    prefix = "/compatible-mode/v1"
    models = ("qwen-plus", "qwen-max")

    def said(self, how: str, why: str) -> Reply:
        """In its words."""
        if how == "bad_key":
            told = f"Incorrect API key provided: {self.secret}. {HELP}"
            return failure(401, "invalid_api_key", "invalid_request_error", told)
        status, code, kind, message = SAYS[how]
        return failure(status, code, kind, why or message)


def failure(status: int, code: str, kind: str, message: str) -> Reply:
    """The envelope."""
    error = {"message": message, "type": kind, "param": None, "code": code}
    return Reply(status, {"error": error, "request_id": "0f3e5a0c-9d5b-9f0e-8a0b-2a1c8c7d6e5f"})


def settings_of(vendor: QwenVendor, **changed: Any) -> dict[str, Any]:
    """What makes Lumi speak to it."""
    return {"QWEN": {"key": vendor.secret, "url": vendor.api, "model": "qwen-plus"} | changed}


CASES = (Case(name="qwen", kind="llm", make=qwen.llm, vendor=QwenVendor, settings=settings_of),)
