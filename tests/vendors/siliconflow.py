"""SiliconFlow on the loopback: chat and pictures."""

from functools import partial
from typing import Any

from providers import siliconflow
from providers.base import FileRole
from tests.vendors import things
from tests.vendors.cases import Case
from tests.vendors.chat import ChatVendor
from tests.vendors.server import Asked, Refused, Reply

KOLORS, QWEN_IMAGE = "Kwai-Kolors/Kolors", "Qwen/Qwen-Image"
THINKS, THINKS_NOT = "Qwen/Qwen3-14B", "Qwen/Qwen3-30B-A3B-Instruct-2507"
SIZES = {
    KOLORS: ("1024x1024", "960x1280", "768x1024", "720x1440", "720x1280"),
    QWEN_IMAGE: ("1328x1328", "1664x928", "928x1664", "1472x1140", "1140x1472", "1584x1056", "1056x1584"),
}
MOST_AREA = 2_073_600
ANY_MEMBERS = {"model", "prompt", "negative_prompt", "image_size", "seed", "num_inference_steps", "image"}
OWN_MEMBERS = {KOLORS: {"batch_size", "guidance_scale"}, QWEN_IMAGE: {"cfg"}}
RANGES = {
    "batch_size": (1, 4), "seed": (0, 9_999_999_999), "num_inference_steps": (1, 100), "guidance_scale": (0, 20),
    "cfg": (0.1, 20),
}  # fmt: skip
COLORS = ("tomato", "seagreen", "royalblue", "gold")
# Status, code, message: by the word of the dial. Some throttling has no code.
SAYS = {
    "throttled": (429, 50604, "Request was rejected due to rate limiting. Details: IPM limit reached."),
    "tokens": (429, None, "Request was rejected due to rate limiting. Details: TPM limit reached."),
    "really_busy": (429, 20015, "System is really busy, please try again later"),
    "no_balance": (403, 30001, "Sorry, your account balance is insufficient"),
    "no_balance_402": (402, 30001, "Sorry, your account balance is insufficient"),
    "no_paid_balance": (403, 30011, "Paid balance is insufficient for this model."),
    "disabled": (403, 30003, "Model disabled."),
    "invalid": (400, 20015, "The parameter is invalid. Please check again."),
    "unknown_model": (400, 20012, "Model does not exist. Please check it carefully."),
    "cannot_think": (400, 20015, "Value error, current model does not support parameter `enable_thinking`."),
    "too_large": (413, 20042, "input must have less than 8192 tokens"),
    "server_error": (500, 50507, "Request failed: Unknown error."),
    "overloaded": (503, 50505, "Model service overloaded. Please try again later."),
}
NO_REFUSAL = {"refused": "it documents no answer to a content that it refuses"}
AT_ONCE = {
    "poll": "it paints within the call: there is no job to ask for",
    "work": "it paints within the call",
    "busy": "it counts pictures a minute, not slots",
} | NO_REFUSAL


class SiliconFlowVendor(ChatVendor):
    """As strict as its documentation."""

    models = (THINKS, THINKS_NOT, KOLORS, QWEN_IMAGE)

    def __init__(self) -> None:
        super().__init__()
        self.files |= {f"{color}.jpeg": things.picture("JPEG", color=color) for color in COLORS}
        self.paints = 4  # at most, whatever was asked for

    def operation(self, asked: Asked) -> str:
        """ "submit", beside what any chat knows."""
        if f"{asked.method} {asked.path}" == "POST /v1/images/generations":
            return "submit"
        return super().operation(asked)

    def route(self, operation: str, asked: Asked) -> Reply:
        """Chat, or pictures."""
        answered = super().route(operation, asked)
        return self.painted(asked) if operation == "submit" else answered

    def question(self, asked: Asked) -> dict[str, Any]:
        """Only a model that can think may be told not to. Raises Refused."""
        question = super().question(asked)
        if "enable_thinking" in question and question["model"] != THINKS:
            raise Refused("cannot_think")
        return question

    def painted(self, asked: Asked) -> Reply:
        """The pictures, and where they lie for an hour."""
        order = asked.json()
        check_order(order)
        self.charge(**order)
        names = [f"{color}.jpeg" for color in COLORS[: min(order.get("batch_size", 1), self.paints)]]
        images = [{"url": self.address_of(name)} for name in names]
        trace = {"x-siliconcloud-trace-id": "ti_5f7d0c"}
        return Reply(200, {"images": images, "timings": {"inference": 12.3}, "seed": order.get("seed", 1)}, trace)

    def said(self, how: str, why: str) -> Reply:
        """In its words. A wrong key gets a bare string."""
        if how == "bad_key":
            return Reply(401, "Invalid token")
        if how == "gateway":
            return Reply(504, b"<html><h1>504 Gateway Time-out</h1></html>", {"Content-Type": "text/html"})
        status, code, message = SAYS[how]
        told = {"message": why or message, "data": None}
        return Reply(status, told if code is None else {"code": code} | told)


def check_order(order: dict[str, Any]) -> None:
    """Raises Refused."""
    model = order.get("model")
    if model not in SIZES:
        raise Refused("unknown_model")
    unknown = set(order) - ANY_MEMBERS - OWN_MEMBERS[model]
    if unknown:
        raise Refused("invalid", f"unknown members: {sorted(unknown)}")
    if not str(order.get("prompt") or "").strip():
        raise Refused("invalid", "a prompt is required")
    if order.get("image_size") not in SIZES[model] or area(order["image_size"]) > MOST_AREA:
        raise Refused("invalid", "image_size is not one of the model's")
    for name, (least, most) in RANGES.items():
        if name in order and not least <= order[name] <= most:
            raise Refused("invalid", f"{name} must be in [{least}, {most}]")


def area(size: str) -> int:
    """Of "WxH", in pixels."""
    width, height = size.split("x")
    return int(width) * int(height)


def settings_of(vendor: SiliconFlowVendor, **changed: Any) -> dict[str, Any]:
    """What makes Lumi speak to it."""
    known = {
        "key": vendor.secret, "url": vendor.api, "image_model": QWEN_IMAGE, "image_size": "", "image_batch": 1,
        "model": THINKS,
    }  # fmt: skip
    return {"SILICONFLOW": known | changed}


painter = partial(
    Case, kind="image", make=siliconflow.images, vendor=SiliconFlowVendor, roles=frozenset({FileRole.IMAGE}),
    lacks=AT_ONCE,
)  # fmt: skip
CASES = (
    painter(name="siliconflow images", settings=settings_of),
    painter(name="kolors images", settings=partial(settings_of, image_model=KOLORS, image_batch=4)),
    Case(
        name="siliconflow llm", kind="llm", make=siliconflow.llm, vendor=SiliconFlowVendor, settings=settings_of,
        lacks=NO_REFUSAL,
    ),
)  # fmt: skip
