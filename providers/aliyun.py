"""Aliyun's Model Studio: pictures by Qwen-Image, Wan and Z-Image, 3D models by Tripo; one key for all.

Newer models paint in the answer itself; older ones, and 3D, are tasks.
"""

import hashlib
import ipaddress
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from PIL import Image

from providers import printable, results
from providers.base import (
    Fault,
    FileRole,
    ImageOrder,
    ImageProvider,
    JobState,
    ModelOrder,
    ModelProvider,
    ProviderError,
    RemoteFile,
    Report,
    ResultFile,
)
from providers.dashscope import DashScope, Tasks, listed, member, output_of, text
from providers.http import Account

PAINT_LATER = "/api/v1/services/aigc/text2image/image-synthesis"
PAINT_NOW = "/api/v1/services/aigc/multimodal-generation/generation"
BUILD = "/api/v1/services/aigc/video-generation/3d-generation"

HOSTS = ("aliyuncs.com",)
MOST_PROMPT = 800
AVOIDED = (
    "镂空, 网格, 蕾丝, 细丝, 细杆, 尖刺, 利齿, 爪子, 毛发, 火焰, 悬浮部件, 薄片, 透明材质, 多个物体, 人手, 画面裁切, "
    "杂乱背景, 文字, 水印, 模糊, 低画质"
)  # what cannot be printed, and what spoils the picture that a model is built from
# The models that paint by tasks, and the part of the order in which they look for what to avoid. All others paint now.
TASK_MODELS = {
    "qwen-image": "parameters",
    "qwen-image-plus": "parameters",
    "wanx2.0-t2i-turbo": "input",
    "wanx2.1-t2i-turbo": "input",
    "wanx2.1-t2i-plus": "input",
    "wan2.2-t2i-flash": "input",
    "wan2.2-t2i-plus": "input",
    "wan2.5-t2i-preview": "input",
}
UNKNOWN_TO = {"z-image-turbo": ("negative_prompt", "n", "watermark")}  # parameters that a model does not have
LEAST_SIDE, MOST_SIDE, MOST_BYTES = 20, 6000, 20_000_000  # of a picture to build from


def images() -> ImageProvider:
    """As the settings have it: by tasks for the models that know them."""
    told = settings.ALIYUN
    make = TaskImages if told["image_model"] in TASK_MODELS else DirectImages
    return make(account_of(told), model=told["image_model"], size=told["image_size"])


def models() -> ModelProvider:
    """As the settings have it."""
    return TripoModels(account_of(settings.ALIYUN), model=settings.ALIYUN["mesh_model"])


def account_of(told: dict[str, str]) -> Account:
    """Who we are there."""
    return Account(url=told["url"].rstrip("/"), secret=told["key"])


# --- Pictures ---------------------------------------------------------------------------------------------------------


class Images(DashScope):
    """One picture an order."""

    batch = 1

    def __init__(self, account: Account, *, model: str, size: str) -> None:
        super().__init__(account, model=model)
        self.size = size

    def cannot(self, order: ImageOrder) -> str:
        """Why this order is beyond the provider, or ""."""
        if order.count > self.batch:
            return "more than one picture an order"
        return f"a prompt of more than {MOST_PROMPT} characters" if len(order.prompt) > MOST_PROMPT else ""

    def parameters(self, order: ImageOrder) -> dict[str, Any]:
        """What is the same in both forms. The same order has the same seed."""
        digest = hashlib.sha256(f"{order.reference}|{order.variant}".encode()).digest()
        seed = int.from_bytes(digest[:4], "big") >> 1  # 0..2147483647
        return {"size": self.size, "n": 1, "prompt_extend": True, "watermark": False, "seed": seed}

    def fetch(self, files: tuple[RemoteFile, ...], folder: Path) -> list[ResultFile]:
        """Bring the picture into the empty `folder`. Raises ProviderError."""
        return results.fetch(files, folder, hosts=HOSTS)


class TaskImages(Images, Tasks):
    """Pictures by tasks."""

    def submit(self, order: ImageOrder) -> Report:
        """Hand the words over. Raises ProviderError."""
        parts = {"input": {"prompt": order.prompt}, "parameters": self.parameters(order)}
        parts[TASK_MODELS[self.product]]["negative_prompt"] = AVOIDED
        return self.ordered(PAINT_LATER, {"model": self.product, **parts})

    def files_in(self, output: dict[str, Any]) -> tuple[RemoteFile, ...]:
        """The picture; an entry without an address is one that failed."""
        urls = [url for entry in listed(output.get("results")) if (url := text(entry, "url"))]
        return tuple(RemoteFile(role=FileRole.IMAGE, url=url) for url in urls[:1])


class DirectImages(Images):
    """Pictures in the answer itself: there is no id, and nothing to ask for or to stop."""

    def submit(self, order: ImageOrder) -> Report:
        """Paint the words now (20 to 60 seconds): DONE. Raises ProviderError."""
        message = {"role": "user", "content": [{"text": order.prompt}]}
        asked = {**self.parameters(order), "negative_prompt": AVOIDED}
        known = {name: value for name, value in asked.items() if name not in UNKNOWN_TO.get(self.product, ())}
        body = {"model": self.product, "input": {"messages": [message]}, "parameters": known}
        answer = self.wire.pay(PAINT_NOW, json=body)
        choices = listed(output_of(answer).get("choices"))
        parts = [part for choice in choices for part in listed(member(choice, "message").get("content"))]
        urls = [url for part in parts if (url := text(part, "image"))]
        if not urls:
            raise answer.nonsense()
        return Report(state=JobState.DONE, files=(RemoteFile(role=FileRole.IMAGE, url=urls[0]),), units=1)

    def poll(self, ref: str) -> Report:
        """No such job, whatever its id."""
        error = ProviderError(Fault.JOB_LOST, permanent=True, evidence=f"{self.product} has no tasks")
        return Report(state=JobState.FAILED, ref=ref, error=error)

    def cancel(self, ref: str) -> None:
        """Nothing is under way: pictures are painted within submit."""


# --- 3D ---------------------------------------------------------------------------------------------------------------


class TripoModels(Tasks):
    """3D models by Tripo, as GLB; an STL is made here. The vendor fetches the picture itself."""

    def cannot(self, order: ModelOrder) -> str:
        """Why this order is beyond the provider, or ""."""
        return why_not_address(order.image_url) or why_not_picture(order.image)

    def submit(self, order: ModelOrder) -> Report:
        """Hand the picture's address over. Raises ProviderError."""
        parameters = {"texture": True, "pbr": True, "texture_quality": "standard"}
        body = {"model": self.product, "input": {"image": order.image_url}, "parameters": parameters}
        return self.ordered(BUILD, body)

    def files_in(self, output: dict[str, Any]) -> tuple[RemoteFile, ...]:
        """The GLB and the preview."""
        said = member(output, "results")
        mesh, preview = text(said, "pbr_model_url") or text(said, "base_model_url"), text(said, "rendered_image_url")
        named = {FileRole.GLB: mesh, FileRole.PREVIEW: preview} if mesh else {}
        return tuple(RemoteFile(role=role, url=url) for role, url in named.items() if url)

    def fetch(self, files: tuple[RemoteFile, ...], folder: Path) -> list[ResultFile]:
        """Bring the results into the empty `folder`, and make an STL. Raises ProviderError."""
        return printable.with_stl(results.fetch(files, folder, hosts=HOSTS), folder)


def why_not_address(url: str) -> str:
    """Why the vendor cannot fetch a picture from there, or ""."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return "a picture's address that is none"
    if settings.RESULTS_FROM_LOOPBACK and parts.scheme == "http":
        return ""
    if parts.scheme not in ("http", "https") or not is_public(host):
        return "a picture that the vendor cannot fetch: its address is not on the open network (LUMI_PUBLIC_URL)"
    return ""


def is_public(host: str) -> bool:
    """Whether a name, or an address, is one of the open network. Asks nobody."""
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        last = host.rstrip(".").rpartition(".")
        return bool(last[0]) and last[2] not in ("local", "localhost", "internal", "lan", "test")


def why_not_picture(image: bytes) -> str:
    """Why a picture is not taken, or "". Its header is read, not its pixels."""
    if len(image) > MOST_BYTES:
        return f"a picture larger than {MOST_BYTES // 1_000_000} MB"
    try:
        with Image.open(BytesIO(image), formats=("JPEG", "PNG")) as picture:
            sides = picture.size
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        sides = (MOST_SIDE + 1, MOST_SIDE + 1)
    except (OSError, ValueError, SyntaxError):
        return "a picture that is no JPEG or PNG"
    if min(sides) < LEAST_SIDE or max(sides) > MOST_SIDE:
        return f"a picture with a side that is not {LEAST_SIDE} to {MOST_SIDE} pixels"
    return ""
