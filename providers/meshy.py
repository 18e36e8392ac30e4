"""Meshy: a picture becomes a textured model, as GLB, STL, 3MF and OBJ (docs.meshy.ai).

A job that fails is refunded. A finished job is kept for three days, and each query gives fresh addresses.
"""

import base64
import math
import re
from io import BytesIO
from pathlib import Path
from typing import Any

from django.conf import settings
from PIL import Image

from providers import results
from providers.base import (
    Fault,
    FileRole,
    JobState,
    ModelOrder,
    ModelProvider,
    ProviderError,
    RemoteFile,
    Report,
    ResultFile,
)
from providers.http import BUSY, INVALID, NONSENSE, REFUSED, Account, Answer, Verdict, Wire, by_status, scrub

HOSTS = ("meshy.ai",)
TASKS = "/openapi/v1/image-to-3d"
TYPES = {"JPEG": "image/jpeg", "PNG": "image/png"}
MOST_BYTES = 10_000_000  # before base64; the vendor names no bound
FORMATS = ("glb", "stl", "3mf", "obj")  # 3MF comes only to those who ask for it
MOST_FACES = 100_000
CREDITS = 30.0  # a textured model, where an answer does not say
ID = re.compile(r"[A-Za-z0-9_-]{1,100}")
STATES = {"PENDING": JobState.QUEUED, "IN_PROGRESS": JobState.RUNNING}
FULL = ("NoMoreConcurrentTasks", "NoMorePendingTasks", "TooManyPendingTasks")  # a 429 that is about slots, not speed
POLICY = re.compile(r"moderat|content policy|polic(y|ies) violat|nsfw|sensitive|harmful|inappropriate", re.IGNORECASE)


def models() -> ModelProvider:
    """As the settings have it."""
    told = settings.MESHY
    return MeshyModels(Account(url=told["url"].rstrip("/"), secret=told["key"]), model=told["model"])


class MeshyModels:
    """3D models by Meshy."""

    name = "meshy"
    product = "credit"
    usual_units = CREDITS
    resubmit_is_free = False

    def __init__(self, account: Account, *, model: str) -> None:
        self.model = model
        self.wire = Wire(account.url, headers={"Authorization": f"Bearer {account.secret}"}, law=law)

    def check(self) -> str:
        """Ask for the balance. Raises ProviderError."""
        balance = number(self.wire.ask("GET", "/openapi/v1/balance").object.get("balance"))
        if balance is None:
            raise ProviderError(Fault.BAD_ANSWER, evidence="no balance")
        return f"the key is valid ({self.model}; {balance:g} credits left)"

    def cannot(self, order: ModelOrder) -> str:
        """Why this order is beyond the provider, or ""."""
        if len(order.image) > MOST_BYTES:
            return f"a picture larger than {MOST_BYTES // 1_000_000} MB"
        return "" if type_of(order.image) else "a picture that is no JPEG or PNG"

    def submit(self, order: ModelOrder) -> Report:
        """Hand the picture over. Raises ProviderError."""
        picture = base64.b64encode(order.image).decode()
        asked = {
            "image_url": f"data:{type_of(order.image)};base64,{picture}",
            "ai_model": self.model,
            "should_texture": True,
            "should_remesh": True,
            "target_polycount": MOST_FACES,
            "target_formats": list(FORMATS),
            "moderation": True,
        }
        answer = self.wire.pay(TASKS, json=asked)
        ref = answer.object.get("result")
        if not (isinstance(ref, str) and ID.fullmatch(ref)):
            raise answer.nonsense()
        return Report(state=JobState.QUEUED, ref=ref)

    def poll(self, ref: str) -> Report:
        """How the job stands. Raises ProviderError."""
        try:
            return report_of(self.wire.ask("GET", f"{TASKS}/{ref}"), ref)
        except ProviderError as error:
            if error.fault != Fault.JOB_LOST:
                raise
            return Report(state=JobState.FAILED, ref=ref, error=error)

    def fetch(self, files: tuple[RemoteFile, ...], folder: Path) -> list[ResultFile]:
        """Bring the results into the empty `folder`. Raises ProviderError."""
        return results.fetch(files, folder, hosts=HOSTS)

    def cancel(self, ref: str) -> None:
        """Delete the job: refunded while it is queued, refused while it is worked on. Raises ProviderError."""
        try:
            self.wire.ask("DELETE", f"{TASKS}/{ref}")
        except ProviderError as error:
            if error.fault not in (Fault.INVALID_INPUT, Fault.BUSY, Fault.JOB_LOST):
                raise


def law(answer: Answer) -> Verdict | None:
    """By the status; what is in an error's message tells a full queue from haste, and a policy from a mistake."""
    if answer.status < 300:
        return None
    try:
        message = str(answer.object.get("message") or "")
    except ProviderError:  # not the vendor but a gateway on the way, which knows nothing of orders and jobs
        verdict = by_status(answer)
        return NONSENSE if verdict == INVALID else verdict
    if answer.status == 404:
        return Verdict(fault=Fault.JOB_LOST, permanent=True)
    if answer.status == 429 and any(word in message for word in FULL):
        return BUSY
    if answer.status in (400, 403, 422) and POLICY.search(message):
        return REFUSED
    return by_status(answer)


def report_of(answer: Answer, ref: str) -> Report:
    """What an answer to a query says. Raises ProviderError."""
    task = answer.object
    status = str(task.get("status"))
    if status in STATES:
        return Report(state=STATES[status], ref=ref, progress=progress_in(task))
    if status in ("FAILED", "CANCELED"):
        return Report(state=JobState.FAILED, ref=ref, error=failure_in(task))
    files = files_of(task)
    if status != "SUCCEEDED" or not any(file.role in FORMATS for file in files):
        raise answer.nonsense()
    credits_used = number(task.get("consumed_credits"))
    units = CREDITS if credits_used is None else credits_used
    return Report(state=JobState.DONE, ref=ref, progress=100, files=files, units=units)


def failure_in(task: dict[str, Any]) -> ProviderError:
    """Why a job came to nothing; it is refunded. One that was cancelled was cancelled by a person."""
    evidence = scrub(f"{task['status']} {task.get('task_error')}")
    if POLICY.search(evidence):
        return ProviderError(Fault.CONTENT_REFUSED, permanent=True, evidence=evidence)
    return ProviderError(Fault.JOB_FAILED, permanent=task["status"] == "CANCELED", evidence=evidence)


def files_of(task: dict[str, Any]) -> tuple[RemoteFile, ...]:
    """The results: meshes, the OBJ's library and texture, a preview."""
    addresses = members(task.get("model_urls"))
    textures = task.get("texture_urls")
    texture = members(textures[0] if isinstance(textures, list) and textures else textures)
    known: dict[FileRole, Any] = {FileRole(kind): addresses.get(kind) for kind in FORMATS}
    if known[FileRole.OBJ] and addresses.get("mtl"):
        known |= {FileRole.MTL: addresses["mtl"], FileRole.TEXTURE: texture.get("base_color")}
    known[FileRole.PREVIEW] = task.get("thumbnail_url")
    return tuple(RemoteFile(role=role, url=url) for role, url in known.items() if isinstance(url, str) and url)


def members(value: Any) -> dict[str, Any]:
    """An object, or an empty one."""
    return value if isinstance(value, dict) else {}


def progress_in(task: dict[str, Any]) -> int | None:
    """In percent, by the vendor's word."""
    progress = number(task.get("progress"))
    return None if progress is None else int(min(progress, 100))


def number(value: Any) -> float | None:
    """A number that counts something, or None."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) and value >= 0 else None


def type_of(image: bytes) -> str | None:
    """A picture's media type, by its header; None where it is not taken."""
    try:
        with Image.open(BytesIO(image), formats=list(TYPES)) as picture:
            return TYPES.get(picture.format or "")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning):
        return None
