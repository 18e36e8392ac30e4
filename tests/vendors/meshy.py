"""Meshy on the loopback, as strict as docs.meshy.ai describes it: a Bearer key, image-to-3d, errors of one message."""

import base64
import binascii
import time
import uuid
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from PIL import Image

from providers import meshy
from providers.base import FileRole
from tests.vendors import things
from tests.vendors.cases import Case
from tests.vendors.server import Asked, Refused, Reply, Vendor

TASKS = "/openapi/v1/image-to-3d"
MODELS = ("meshy-5", "meshy-6", "meshy-7", "latest")
FORMATS = ("glb", "obj", "fbx", "stl", "usdz", "3mf")
USUAL = ("glb", "obj", "fbx", "stl", "usdz")
CREDITS = {"meshy-5": 5}
CREDITS_OF_OTHERS, CREDITS_OF_TEXTURE = 20, 10
STEPS = (0, 42)  # progress in percent, query by query, before it is done
SAID = {
    "throttled": (429, "RateLimitExceeded"),
    "busy": (429, "NoMoreConcurrentTasks"),
    "refused": (400, "The image did not pass moderation"),
    "bad_key": (401, "Invalid API key"),
    "no_balance": (402, "Insufficient funds"),
    "invalid": (400, "Invalid values: image_url"),
    "server_error": (500, "The server had an error while processing your request"),
    "unknown_job": (404, "Task not found"),
    "running": (409, "Task is in progress"),
}
OPTIONS = {
    "ai_model": lambda value: value in MODELS,
    "model_type": lambda value: value in ("standard", "lowpoly"),
    "topology": lambda value: value in ("quad", "triangle"),
    "target_polycount": lambda value: type(value) is int and 100 <= value <= 300_000,
    "target_formats": lambda value: isinstance(value, list) and value and set(value) <= set(FORMATS),
    **dict.fromkeys(
        ("should_remesh", "should_texture", "enable_pbr", "moderation"), lambda value: isinstance(value, bool)
    ),
}


@dataclass
class Task:
    """One job. `fate`: what it comes to."""

    formats: tuple[str, ...]
    credits: int
    fate: str
    polls: int = 0
    id: str = field(default_factory=lambda: str(uuid.uuid4()))


class MeshyVendor(Vendor):
    """The generation of models. `answers`: other members than usual in what is said of a task; None leaves one out."""

    secret = "msy_loopback0123456789abcdef"

    def __init__(self) -> None:
        super().__init__()
        self.files["model.mtl"] = f"newmtl m\nmap_Kd {things.TEXTURE_NAME}\n".encode()
        self.tasks: dict[str, Task] = {}
        self.answers: dict[str, Any] = {}
        self.signed = 0

    def operation(self, asked: Asked) -> str:
        if asked.path == "/openapi/v1/balance":
            return "check"
        return {"POST": "submit", "GET": "poll", "DELETE": "cancel"}.get(asked.method, "other")

    def route(self, operation: str, asked: Asked) -> Reply:
        if asked.headers.get("Authorization") != f"Bearer {self.secret}":
            raise Refused("bad_key")
        if operation == "check":
            return Reply(200, {"balance": 970})
        if operation == "submit" and asked.path == TASKS:
            return self.submitted(asked)
        task = self.tasks.get(asked.path.removeprefix(f"{TASKS}/"))
        if task is None:
            raise Refused("unknown_job")
        return self.deleted(task) if operation == "cancel" else self.queried(task)

    def submitted(self, asked: Asked) -> Reply:
        """A task for an order. Raises Refused."""
        if asked.headers.get("Content-Type") != "application/json":
            raise Refused("invalid", "Content-Type must be application/json")
        order = asked.json()
        check_picture(order.pop("image_url", None))
        for name, value in order.items():
            if name not in OPTIONS or not OPTIONS[name](value):
                raise Refused("invalid", f"Invalid values: {name}")
        dial = self.next_dial("work")
        price = CREDITS.get(order.get("ai_model", ""), CREDITS_OF_OTHERS)
        price += CREDITS_OF_TEXTURE if order.get("should_texture", True) else 0
        task = Task(tuple(order.get("target_formats", USUAL)), price, dial.how if dial else "done")
        self.tasks[task.id] = task
        self.charge(image="a data URI", **order)
        return Reply(202, {"result": task.id})

    def queried(self, task: Task) -> Reply:
        """How a task stands; each answer has addresses of its own."""
        task.polls += 1
        found: dict[str, Any] = {"status": "PENDING", "progress": 0, "model_urls": {}, "task_error": {"message": ""}}
        if task.polls <= len(STEPS):
            progress = STEPS[task.polls - 1]
            found |= {"status": "IN_PROGRESS" if progress else "PENDING", "progress": progress}
        elif task.fate == "done":
            found |= {"status": "SUCCEEDED", "progress": 100, "consumed_credits": task.credits, **self.results(task)}
        elif task.fate == "canceled":
            found |= {"status": "CANCELED", "progress": 42}
        else:
            message = FAILURES.get(task.fate, task.fate)
            found |= {"status": "FAILED", "progress": 42, "consumed_credits": 0, "task_error": {"message": message}}
        common = {"id": task.id, "type": "image-to-3d", "created_at": int(time.time() * 1000), "preceding_tasks": 0}
        told = common | found | self.answers
        return Reply(200, {name: value for name, value in told.items() if value is not None})

    def results(self, task: Task) -> dict[str, Any]:
        """Where they lie."""
        addresses = {kind: self.address_of(f"model.{kind}") for kind in task.formats}
        if "obj" in addresses:
            addresses["mtl"] = self.address_of("model.mtl")
        textures = [{"base_color": self.address_of("picture.png")}]
        return {"model_urls": addresses, "texture_urls": textures, "thumbnail_url": self.address_of("preview.png")}

    def address_of(self, name: str) -> str:
        self.signed += 1
        return f"{super().address_of(name)}&Expires={self.signed}"

    def deleted(self, task: Task) -> Reply:
        """A task is forgotten, unless it is in work. Raises Refused."""
        if 0 < task.polls <= len(STEPS) and STEPS[task.polls - 1]:
            raise Refused("running")
        del self.tasks[task.id]
        return Reply(200, {})

    def said(self, how: str, why: str) -> Reply:
        status, message = SAID[how]
        return Reply(status, {"message": why or message})


FAILURES = {"failed": "An unexpected pipeline error occurred", "refused": "The input violates our content policy"}


def check_picture(value: Any) -> None:
    """An address, or a data URI of a JPEG or PNG that is one. Raises Refused."""
    if not isinstance(value, str):
        raise Refused("invalid")
    if value.startswith("https://"):
        return
    head, _, content = value.partition(",")
    formats = {"data:image/png;base64": "PNG", "data:image/jpeg;base64": "JPEG"}
    try:
        with Image.open(BytesIO(base64.b64decode(content, validate=True)), formats=[formats[head]]) as picture:
            picture.load()
    except (KeyError, OSError, binascii.Error) as error:
        raise Refused("invalid", "Invalid image data URI") from error


ROLES = frozenset({
    FileRole.GLB, FileRole.STL, FileRole.THREE_MF, FileRole.OBJ, FileRole.MTL, FileRole.TEXTURE, FileRole.PREVIEW,
})  # fmt: skip

CASES = (
    Case(
        name="meshy",
        kind="model",
        make=meshy.models,
        roles=ROLES,
        vendor=MeshyVendor,
        settings=lambda vendor: {"MESHY": {"key": vendor.secret, "url": vendor.url, "model": "meshy-6"}},
    ),
)
