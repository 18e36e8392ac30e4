"""SiliconFlow: pictures, by a synchronous API, and language models (docs.siliconflow.cn)."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from django.conf import settings

from providers import results
from providers.base import (
    Fault,
    FileRole,
    ImageOrder,
    ImageProvider,
    JobState,
    LanguageModel,
    ProviderError,
    RemoteFile,
    Report,
    ResultFile,
)
from providers.chat import ChatModel, law_of, seen
from providers.http import MONEY, REFUSED, Account, Answer, Wire

KOLORS = "Kwai-Kolors/Kolors"
SQUARES = {KOLORS: "1024x1024", "Qwen/Qwen-Image": "1328x1328"}
# What makes a model keep to the words, as it is named there.
GUIDANCE: dict[str, dict[str, float]] = {KOLORS: {"guidance_scale": 7.5}, "Qwen/Qwen-Image": {"cfg": 4.0}}
MOST_PICTURES = 4  # of one call, Kolors only
MOST_WORDS = 2000
SEEDS = 10_000_000_000
HOSTS = ("siliconflow.cn", "siliconflow.com", "aliyuncs.com")  # its buckets have changed their names before
UNWANTED = "文字, 水印, 人手, 杂乱背景, 多个物体, 裁切, 镂空, 网格, 尖刺, 毛发, 细丝, 悬浮部件, 透明, 模糊"
# By code or text, where the status says less. For a refused content it documents no code: these are its words.
WORDS = {
    "30001": MONEY,
    "30011": MONEY,
    "balance": MONEY,
    "sensitive": REFUSED,
    "inappropriate": REFUSED,
    "敏感": REFUSED,
    "违规": REFUSED,
}
LAW = law_of(WORDS)


def account() -> Account:
    """Ours."""
    return Account(settings.SILICONFLOW["url"], settings.SILICONFLOW["key"])


def llm() -> LanguageModel:
    """As the settings have it."""
    return ChatModel("siliconflow", account(), model=settings.SILICONFLOW["model"], law=LAW)


def images() -> ImageProvider:
    """As the settings have it."""
    told = settings.SILICONFLOW
    return SiliconFlowImages(account(), model=told["image_model"], size=told["image_size"], batch=told["image_batch"])


class SiliconFlowImages:
    """Pictures within one call. `size`: "1328x1328", or "" for the model's square; `batch`: pictures a call."""

    name = "siliconflow"
    resubmit_is_free = False

    def __init__(self, account: Account, *, model: str, size: str = "", batch: int = 1) -> None:
        self.product = model
        self.size = size or SQUARES.get(model, "1024x1024")
        self.batch = max(1, min(batch, MOST_PICTURES)) if model == KOLORS else 1
        self.wire = Wire(account.url, headers={"Authorization": f"Bearer {account.secret}"}, law=LAW)

    def check(self) -> str:
        """List the models that paint, which costs nothing. Raises ProviderError."""
        return seen(self.wire.ask("GET", "/models", params={"type": "image"}), self.product)

    def cannot(self, order: ImageOrder) -> str:
        """Too many words, or more pictures than a call gives."""
        if len(order.prompt) > MOST_WORDS:
            return f"a prompt of more than {MOST_WORDS} characters"
        return f"more than {self.batch} pictures in one call" if order.count > self.batch else ""

    def submit(self, order: ImageOrder) -> Report:
        """Paint: DONE at once, with as many pictures as came. Raises ProviderError."""
        answer = self.wire.pay("/images/generations", json=self.body(order))
        files = tuple(RemoteFile(role=FileRole.IMAGE, url=url) for url in addresses(answer))
        return Report(state=JobState.DONE, files=files, units=len(files))

    def body(self, order: ImageOrder) -> dict[str, Any]:
        """What is asked for. Each attempt has a seed of its own, or it would give the same picture."""
        batch = {"batch_size": order.count} if self.product == KOLORS else {}
        return {
            "model": self.product,
            "prompt": order.prompt,
            "negative_prompt": UNWANTED,
            "image_size": self.size,
            "seed": seed_of(order.reference),
            **GUIDANCE.get(self.product, {}),
            **batch,
        }

    def poll(self, ref: str) -> Report:
        """There is nothing to ask for: what was not answered at once is lost."""
        return Report(state=JobState.FAILED, ref=ref, error=ProviderError(Fault.JOB_LOST, permanent=True, evidence=ref))

    def fetch(self, files: tuple[RemoteFile, ...], folder: Path) -> list[ResultFile]:
        """Bring the pictures, in order, within the hour for which they are kept. Raises ProviderError."""
        return results.fetch(files, folder, hosts=HOSTS)

    def cancel(self, ref: str) -> None:
        """It cannot: the call is the job."""


def addresses(answer: Answer) -> list[str]:
    """Where the pictures lie: at least one. Raises ProviderError."""
    try:
        found = [image["url"] for image in answer.object["images"]]
    except (LookupError, TypeError) as error:
        raise answer.nonsense() from error
    if not found or not all(isinstance(url, str) for url in found):
        raise answer.nonsense()
    return found


def seed_of(reference: str) -> int:
    """Always the same for one attempt: 0..9 999 999 999."""
    return int.from_bytes(hashlib.sha256(reference.encode()).digest()[:8]) % SEEDS
