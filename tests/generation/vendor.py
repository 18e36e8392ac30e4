"""A vendor whose every answer a test writes down beforehand, and who charges on arrival and keeps a ledger.

It is told what to say by `script`: for each submit (or poll, or fetch) one entry, taken from the front; an exception is
raised, a Report is answered, and an empty script means that all goes well.
"""

from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from providers.base import Completion, FileRole, JobState, RemoteFile, Report, ResultFile

RESULTS = {
    "image": {FileRole.IMAGE: "picture.png"},
    "model": {
        FileRole.OBJ: "model.obj",
        FileRole.MTL: "model.mtl",
        FileRole.TEXTURE: "texture.png",
        FileRole.GLB: "model.glb",
        FileRole.STL: "model.stl",
        FileRole.PREVIEW: "preview.png",
    },
}
CONTENTS = {"model.obj": b"mtllib model.mtl\nv 0 0 0\n", "model.mtl": b"newmtl m\nmap_Kd texture.png\n"}


def png(color: str = "red") -> bytes:
    """A small picture."""
    out = BytesIO()
    Image.new("RGB", (64, 64), color).save(out, "PNG")
    return out.getvalue()


@dataclass
class Vendor:
    """A provider of images or models. `ledger`: the reference of each order that it took, and so was paid for."""

    kind: str
    at_once: bool = True  # answers a submit with the result, as image vendors do
    resubmit_is_free: bool = False
    name: str = "scripted"
    product: str = "work"
    batch: int = 1
    beyond: str = ""  # why it cannot do an order
    script: dict[str, list[Any]] = field(default_factory=lambda: {"submit": [], "poll": [], "fetch": []})
    ledger: list[str] = field(default_factory=list)
    orders: list[Any] = field(default_factory=list)
    polls: list[str] = field(default_factory=list)
    fetched: list[tuple[str, ...]] = field(default_factory=list)  # the addresses of each fetch
    cancelled: list[str] = field(default_factory=list)
    during: dict[str, Any] = field(default_factory=dict)  # what happens in the world while a call is under way

    def say(self, call: str, *answers: Any) -> None:
        """What the next calls are answered."""
        self.script[call].extend(answers)

    def cannot(self, order: Any) -> str:
        """What the test says."""
        return self.beyond

    def submit(self, order: Any) -> Report:
        """Take the order, and charge for it, unless the script refuses."""
        self.orders.append(order)
        self.happen("submit")
        answer = self.next("submit")
        if answer is None:
            self.ledger.append(order.reference)
            ref, count = f"job-{order.reference}", getattr(order, "count", 1)
            return self.done(ref, count) if self.at_once else self.running(ref, 0)
        if getattr(answer, "billed", None) in (None, "UNKNOWN", "YES"):
            self.ledger.append(order.reference)
        return self.give(answer)

    def poll(self, ref: str) -> Report:
        """How the job stands: done, unless the script says otherwise."""
        self.polls.append(ref)
        self.happen("poll")
        answer = self.next("poll")
        return self.done(ref) if answer is None else self.give(answer)

    def fetch(self, files: tuple[RemoteFile, ...], folder: Path) -> list[ResultFile]:
        """Small files of the right kinds."""
        self.fetched.append(tuple(file.url for file in files))
        self.happen("fetch")
        answer = self.next("fetch")
        if answer is not None:
            return self.give(answer)
        return [self.result(FileRole(file.role), folder) for file in files]

    def cancel(self, ref: str) -> None:
        """Note it."""
        self.cancelled.append(ref)

    def result(self, role: FileRole, folder: Path) -> ResultFile:
        """One file."""
        path = folder / RESULTS[self.kind][role]
        path.write_bytes(png() if path.suffix == ".png" else CONTENTS.get(path.name, b"mesh"))
        return ResultFile(role=role, path=path)

    def done(self, ref: str, count: int = 1) -> Report:
        """A report of success, with the results of so many orders."""
        files = tuple(
            RemoteFile(role=role.value, url=f"https://vendor.test/{number or ''}{name}")
            for number in range(count)
            for role, name in RESULTS[self.kind].items()
        )
        return Report(state=JobState.DONE, ref=ref, files=files)

    def running(self, ref: str, progress: int | None) -> Report:
        """A report of work."""
        return Report(state=JobState.RUNNING, ref=ref, progress=progress)

    def next(self, call: str) -> Any:
        """The next line of the script."""
        return self.script[call].pop(0) if self.script[call] else None

    def give(self, answer: Any) -> Any:
        """Raise it or return it."""
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def happen(self, call: str) -> None:
        """Let the world go on during a call."""
        if call in self.during:
            self.during.pop(call)()


@dataclass
class Writer:
    """An LLM that answers what it is told."""

    answers: list[Any] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    name: str = "scripted"

    product: str = "words"

    def complete(self, *, system: str, prompt: str) -> Completion:
        """The next answer, else four designs."""
        self.asked.append(prompt)
        answer = (
            self.answers.pop(0) if self.answers else '{"designs": ["圆润的猫", "写实的猫", "几何的猫", "浮雕的猫"]}'
        )
        if isinstance(answer, BaseException):
            raise answer
        return answer if isinstance(answer, Completion) else Completion(text=answer)
