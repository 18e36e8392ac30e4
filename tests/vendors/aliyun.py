"""Aliyun's DashScope on the loopback: tasks and their list, pictures in the answer, Tripo; as strict as its documents.

Tasks go on by a state each time they are asked for. `zone`: in which the list reads times; `longest_page`: what it
gives at most, whatever is asked for; `add_task`: one of somebody else's.
"""

import ipaddress
import math
import re
import time
import uuid
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlsplit

from providers import aliyun
from providers.base import FileRole
from tests.vendors.cases import Case
from tests.vendors.server import Asked, Dial, Refused, Reply, Vendor

BEIJING = timezone(timedelta(hours=8))
TASKS = "/api/v1/tasks/"
SERVICES = "/api/v1/services/aigc/"
PAINT_LATER, PAINT_NOW = f"{SERVICES}text2image/image-synthesis", f"{SERVICES}multimodal-generation/generation"
BUILD = f"{SERVICES}video-generation/3d-generation"
QWEN_SIZES = ("1664*928", "1472*1104", "1328*1328", "1104*1472", "928*1664")
STAGES = ("PENDING", "RUNNING", "SUCCEEDED")
MODELS = {
    PAINT_LATER: ("qwen-image", "qwen-image-plus", "wan2.2-t2i-flash", "wan2.5-t2i-preview"),
    PAINT_NOW: (
        "qwen-image", "qwen-image-plus", "qwen-image-max", "qwen-image-2.0", "qwen-image-2.0-pro", "qwen-image-3.0-pro",
        "z-image-turbo",
    ),
    BUILD: ("Tripo/Tripo-P1.0", "Tripo/Tripo-H3.1"),
}  # fmt: skip
# Status, code and message.
SAID = {
    "throttled": (429, "Throttling.RateQuota", "Requests rate limit exceeded, please try again later."),
    "refused": (400, "DataInspectionFailed", "Input data may contain inappropriate content."),
    "bad_key": (401, "InvalidApiKey", "Invalid API-key provided."),
    "no_balance": (400, "Arrearage", "Access denied, please make sure your account is in good standing."),
    "invalid": (400, "InvalidParameter", "num_images_per_prompt must be 1"),
    "server_error": (500, "InternalError", "An internal error has occured, please try again later."),
    "not_sync": (403, "AccessDenied", "current user api does not support synchronous calls"),
    "not_async": (403, "AccessDenied", "current user api does not support asynchronous calls"),
    "no_model": (404, "ModelNotFound", "Model can not be found."),
    "not_pending": (
        400,
        "UnsupportedOperation",
        "Failed to cancel the task, please confirm if it is in PENDING status.",
    ),
    "no_path": (404, "InvalidURL", "The requested resource is not found."),
}


class AliyunVendor(Vendor):
    """One account of DashScope's."""

    def __init__(self) -> None:
        super().__init__()
        self.tasks: dict[str, dict[str, Any]] = {}
        self.zone: Any = BEIJING
        self.longest_page = 1000
        self.shows_prompts = True

    # --- Requests -----------------------------------------------------------------------------------------------------

    def operation(self, asked: Asked) -> str:
        """By method and path; the smallest possible list is the check."""
        if asked.method == "POST":
            return "cancel" if asked.path.endswith("/cancel") else "submit"
        if asked.path == TASKS:
            return "check" if asked.query.get("page_size") == "1" else "list"
        return "poll"

    def answer(self, operation: str, asked: Asked, dial: Dial | None) -> Reply:
        """What is refused only while at work is seen at a poll."""
        if operation == "poll" and dial and dial.how == "refused":
            _, code, message = SAID["refused"]
            output = {"task_id": "x", "task_status": "FAILED", "code": code, "message": message}
            return Reply(200, {"request_id": new_id(), "output": output})
        return super().answer(operation, asked, dial)

    def route(self, operation: str, asked: Asked) -> Reply:
        """Nothing without the key."""
        if asked.headers.get("Authorization") != f"Bearer {self.secret}":
            raise Refused("bad_key")
        if operation == "submit":
            return self.submit(asked)
        if operation in ("check", "list"):
            return self.list(asked.query)
        task_id = asked.path.removeprefix(TASKS).removesuffix("/cancel")
        return self.cancel(task_id) if operation == "cancel" else self.poll(task_id)

    def said(self, how: str, why: str) -> Reply:
        """As the list of error codes has it; an unknown task is a state of its own."""
        if how == "unknown_job":
            return Reply(200, {"request_id": new_id(), "output": {"task_id": "x", "task_status": "UNKNOWN"}})
        status, code, message = SAID[how]
        return Reply(status, {"code": code, "message": f"{message} {why}".strip(), "request_id": new_id()})

    # --- Orders -------------------------------------------------------------------------------------------------------

    def submit(self, asked: Asked) -> Reply:
        """Take an order, by task or in the answer itself."""
        if asked.path not in MODELS:
            raise Refused("no_path")
        if asked.headers.get("Content-Type") != "application/json":
            raise Refused("invalid", "Content-Type")
        is_async = asked.headers.get("X-DashScope-Async")
        if asked.path == PAINT_NOW and is_async is not None:
            raise Refused("not_async")
        if asked.path != PAINT_NOW and is_async != "enable":
            raise Refused("not_sync")
        body = asked.json()
        only(body, "model", "input", "parameters")
        if body["model"] not in MODELS[asked.path]:
            raise Refused("no_model")
        prompt = CHECKS[asked.path](body)
        self.charge(path=asked.path, body=body)
        return self.paint() if asked.path == PAINT_NOW else self.take(body["model"], prompt)

    def paint(self) -> Reply:
        """A picture at once."""
        content = [{"image": self.address_of("picture.png")}]
        choice = {"finish_reason": "stop", "message": {"role": "assistant", "content": content}}
        usage = {"width": 1328, "height": 1328, "image_count": 1}
        return Reply(200, {"output": {"choices": [choice]}, "usage": usage, "request_id": new_id()})

    def take(self, model: str, prompt: str) -> Reply:
        """A task."""
        dial = self.next_dial("work")
        task_id = self.add_task(model=model, prompt=prompt, fails=dial is not None)
        return Reply(
            200,
            {"output": {"task_status": "PENDING", "task_id": task_id}, "request_id": self.tasks[task_id]["request"]},
        )

    def add_task(
        self, *, model: str, prompt: str, status: str = "PENDING", at: float | None = None, fails: bool = False
    ) -> str:
        """A task, of whoever's; `at`: seconds since 1970. Its id."""
        task_id = new_id()
        made = {"made": at or time.time(), "request": new_id(), "polls": 0}
        self.tasks[task_id] = {"model": model, "prompt": prompt, "status": status, "fails": fails, **made}
        return task_id

    # --- Tasks --------------------------------------------------------------------------------------------------------

    def poll(self, task_id: str) -> Reply:
        """How it stands; the next time it is a state further."""
        task = self.tasks.get(task_id)
        if task is None:
            raise Refused("unknown_job")
        if task["status"] in STAGES and task["polls"]:
            task["status"] = STAGES[min(STAGES.index(task["status"]) + 1, 2)]
        task["polls"] += 1
        if task["status"] == "SUCCEEDED" and task["fails"]:
            task["status"] = "FAILED"
        answer = {"request_id": new_id(), "output": self.output_of(task_id, task)}
        if task["status"] == "SUCCEEDED":
            answer["usage"] = self.usage_of(task)
        return Reply(200, answer)

    def output_of(self, task_id: str, task: dict[str, Any]) -> dict[str, Any]:
        """The task as it is shown."""
        made = datetime.fromtimestamp(task["made"], BEIJING).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
        said = {"task_id": task_id, "task_status": task["status"], "submit_time": made}
        if task["status"] == "PENDING":
            return said
        said["scheduled_time"] = made
        if task["status"] == "SUCCEEDED":
            return {**said, "end_time": made, "results": self.results_of(task)}
        if task["status"] == "FAILED":
            return {**said, "end_time": made, "code": "InternalError.Algo", "message": "inference error"}
        return said

    def results_of(self, task: dict[str, Any]) -> Any:
        """Pictures in a list, meshes by name."""
        if task["model"] in MODELS[BUILD]:
            return {
                "pbr_model_url": self.address_of("model.glb"),
                "rendered_image_url": self.address_of("preview.webp"),
            }
        words = (
            {"orig_prompt": task["prompt"], "actual_prompt": f"{task['prompt']}, 高清"} if self.shows_prompts else {}
        )
        return [{**words, "url": self.address_of("picture.png")}]

    def usage_of(self, task: dict[str, Any]) -> dict[str, Any]:
        """What is charged."""
        if task["model"] in MODELS[BUILD]:
            return {"count": 1, "type": "image-to-3d", "texture_quality": "standard"}
        return {"image_count": 1}

    def cancel(self, task_id: str) -> Reply:
        """Only what waits."""
        task = self.tasks.get(task_id)
        if task is None or task["status"] != "PENDING":
            raise Refused("not_pending")
        task["status"] = "CANCELED"
        return Reply(200, {"request_id": new_id()})

    def list(self, query: dict[str, str]) -> Reply:
        """A page of the tasks made in a span of at most a day, the newest first."""
        only(query, *(set(query) & {"start_time", "end_time", "model_name", "status", "page_no", "page_size"}))
        end = self.moment(query["end_time"]) if "end_time" in query else time.time()
        start = self.moment(query["start_time"]) if "start_time" in query else end - 86_400
        if not 0 <= end - start <= 86_400:
            raise Refused("invalid", "the span must not exceed 24 hours")
        rows = [self.row_of(one, task) for one, task in self.tasks.items() if start <= task["made"] <= end]
        rows = [row for row in rows if query.get("model_name") in (None, row["model_name"])]
        rows.sort(key=lambda row: -row["gmt_create"])
        size, page = min(int(query.get("page_size", 10)), self.longest_page), int(query.get("page_no", 1))
        answer = {"total": len(rows), "data": rows[size * (page - 1) : size * page], "page_no": page, "page_size": size}
        return Reply(200, {**answer, "total_page": math.ceil(len(rows) / size), "request_id": new_id()})

    def moment(self, stamp: str) -> float:
        """YYYYMMDDhhmmss in the list's zone, in seconds since 1970."""
        if not re.fullmatch(r"\d{14}", stamp):
            raise Refused("invalid", stamp)
        return datetime.strptime(stamp, "%Y%m%d%H%M%S").replace(tzinfo=self.zone).timestamp()

    def row_of(self, task_id: str, task: dict[str, Any]) -> dict[str, Any]:
        """A task as it is listed: neither its words nor its results."""
        made = int(task["made"] * 1000)
        row = {
            "api_key_id": "15", "caller_parent_id": "1", "caller_uid": "1", "gmt_create": made, "start_time": made + 20,
            "model_name": task["model"], "region": "cn-beijing", "request_id": task["request"],
            "status": task["status"], "task_id": task_id,
            "user_api_unique_key": f"apikey:v1:aigc:text2image:image-synthesis:{task['model']}",
        }  # fmt: skip
        return row if task["status"] in ("PENDING", "RUNNING") else {**row, "end_time": made + 9000}


# --- What an order must be like ---------------------------------------------------------------------------------------


def new_id() -> str:
    """As the vendor makes them."""
    return str(uuid.uuid4())


def only(said: Any, *required: str, optional: tuple[str, ...] = ()) -> None:
    """Raises Refused unless it is an object of these members and no others."""
    if not isinstance(said, dict) or not set(required) <= set(said) <= {*required, *optional}:
        raise Refused("invalid", f"members must be {required}")


def must(fine: bool, why: str) -> None:
    """Raises Refused."""
    if not fine:
        raise Refused("invalid", why)


def check_painting(said: dict[str, Any], model: str) -> None:
    """Parameters that the Qwen and Wan models have in common."""
    only(said, "size", optional=("n", "prompt_extend", "watermark", "seed", "negative_prompt"))
    must(said.get("n", 1) == 1, "n must be 1")
    must(all(isinstance(said.get(name, True), bool) for name in ("prompt_extend", "watermark")), "must be a boolean")
    seed = said.get("seed", 0)
    must(type(seed) is int and 0 <= seed <= 2_147_483_647, "seed")
    must(is_size(said["size"], model), f"size of {model}")


def is_size(size: str, model: str) -> bool:
    """Five for the first Qwen models, free within bounds for the others."""
    if re.fullmatch(r"qwen-image(-plus|-max)?", model):
        return size in QWEN_SIZES
    match = re.fullmatch(r"(\d+)\*(\d+)", size)
    width, height = (int(match[1]), int(match[2])) if match else (0, 0)
    return 512 * 512 <= width * height <= 2048 * 2048


def check_words(prompt: Any, avoided: Any) -> str:
    """The prompt, if its length is allowed, and that of what to avoid."""
    must(isinstance(prompt, str) and 0 < len(prompt) <= 800, "prompt must be 1 to 800 characters")
    must(isinstance(avoided, str) and len(avoided) <= 500, "negative_prompt")
    return prompt


def check_later(body: dict[str, Any]) -> str:
    """A picture by task: Qwen's looks for what to avoid in the parameters, Wan's in the input."""
    is_qwen = body["model"].startswith("qwen")
    only(body["input"], "prompt", optional=() if is_qwen else ("negative_prompt",))
    must(is_qwen or "negative_prompt" not in body["parameters"], "negative_prompt belongs in input")
    check_painting(body["parameters"], body["model"])
    place = body["parameters"] if is_qwen else body["input"]
    return check_words(body["input"]["prompt"], place.get("negative_prompt", ""))


def check_now(body: dict[str, Any]) -> str:
    """A picture in the answer."""
    only(body["input"], "messages")
    must(len(body["input"]["messages"]) == 1, "one message")
    (message,) = body["input"]["messages"]
    only(message, "role", "content")
    must(message["role"] == "user" and len(message["content"]) == 1, "one text of the user's")
    only(message["content"][0], "text")
    if body["model"] == "z-image-turbo":
        only(body["parameters"], "size", optional=("prompt_extend", "seed"))
    check_painting(body["parameters"], body["model"])
    return check_words(message["content"][0]["text"], body["parameters"].get("negative_prompt", ""))


def check_build(body: dict[str, Any]) -> str:
    """A model from one picture that can be fetched."""
    only(body["input"], "image")
    address = urlsplit(body["input"]["image"])
    must(address.scheme in ("http", "https") and is_open(address.hostname or ""), "image must be a public URL")
    finer = ("geometry_quality",) if body["model"].endswith("H3.1") else ()
    only(body["parameters"], optional=("texture", "pbr", "texture_quality", *finer))
    must(body["parameters"].get("texture_quality", "standard") in ("standard", "detailed"), "texture_quality")
    return ""


def is_open(host: str) -> bool:
    """Whether it looks like a host of the open network."""
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return "." in host


CHECKS = {PAINT_LATER: check_later, PAINT_NOW: check_now, BUILD: check_build}


# --- For the contract suite -------------------------------------------------------------------------------------------

QUEUED = "tasks beyond the account's slots wait as PENDING: none is refused"
AT_ONCE = "the picture is in the answer: there is no task"


def settings_for(**chosen: str) -> Any:
    """The settings that make the provider speak to a vendor."""
    usual = {"image_model": "qwen-image-plus", "image_size": "1328*1328", "mesh_model": "Tripo/Tripo-P1.0"}
    return lambda vendor: {"ALIYUN": {"key": vendor.secret, "url": vendor.url, **usual, **chosen}}


IMAGE = frozenset({FileRole.IMAGE})
MODEL = frozenset({FileRole.GLB, FileRole.STL, FileRole.PREVIEW})
CASES = (
    Case(
        name="aliyun tasks", kind="image", make=aliyun.images, roles=IMAGE, vendor=AliyunVendor,
        settings=settings_for(), lacks={"busy": QUEUED},
    ),
    Case(
        name="aliyun wan", kind="image", make=aliyun.images, roles=IMAGE, vendor=AliyunVendor, refused_at="poll",
        settings=settings_for(image_model="wan2.2-t2i-flash", image_size="1024*1024"), lacks={"busy": QUEUED},
    ),
    Case(
        name="aliyun direct", kind="image", make=aliyun.images, roles=IMAGE, vendor=AliyunVendor,
        settings=settings_for(image_model="qwen-image-2.0"),
        lacks={"busy": "too many at once is answered as too fast", "poll": AT_ONCE, "work": AT_ONCE},
    ),
    Case(
        name="aliyun models", kind="model", make=aliyun.models, roles=MODEL, vendor=AliyunVendor,
        settings=settings_for(), lacks={"busy": QUEUED},
    ),
)  # fmt: skip
