"""Hunyuan 3D behind its two doors: what it checks of a picture, and how a job goes from order to result."""

import base64
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from PIL import Image

from tests.vendors.server import Refused, Vendor

IMAGE_BYTES = 6_000_000
FILES = {"OBJ": "model.zip", "GLB": "model.glb", "STL": "model.stl"}  # an OBJ is a ZIP with material and texture


@dataclass
class Work:
    """One job. `fate`: how it ends, "done" or a word for why not."""

    id: str
    model: str
    formats: tuple[str, ...]
    fate: str
    polls: int = 0

    @property
    def is_running(self) -> bool:
        """Whether it takes a slot."""
        return self.polls < 3


class HunyuanVendor(Vendor):
    """Slots and jobs: waiting, running, then at their end; a poll each."""

    slots = 3

    def __init__(self) -> None:
        super().__init__()
        self.jobs: dict[str, Work] = {}
        self.numbers = itertools.count(1357237233311637504)

    def take(self, model: str, formats: tuple[str, ...], order: dict[str, Any]) -> Work:
        """Accept an order. Raises Refused while all slots are taken."""
        dial = self.next_dial("work")
        with self.lock:
            if sum(job.is_running for job in self.jobs.values()) >= self.slots:
                raise Refused("busy")
            job = Work(str(next(self.numbers)), model, formats, dial.how if dial else "done")
            self.jobs[job.id] = job
        self.charge(model=model, **order)
        return job

    def polled(self, id: str, model: str) -> Work:
        """A job, one poll older. Raises Refused for one that is not there, or another model's."""
        with self.lock:
            job = self.jobs.get(id)
            if job is None or job.model != model:
                raise Refused("unknown_job")
            job.polls += 1
            return job


Rule = Callable[[Any], bool]


def one_of(*words: Any) -> Rule:
    """A value out of a list."""
    return lambda value: type(value) is not int and value in words


def is_flag(value: Any) -> bool:
    """A boolean."""
    return isinstance(value, bool)


def check_fields(order: dict[str, Any], rules: dict[str, Rule]) -> None:
    """Nothing that is not documented, nothing that does not keep to its rule. Raises Refused."""
    for name, value in order.items():
        if name not in rules:
            raise Refused("unknown_field", f"The parameter `{name}` is not recognized.")
        if not rules[name](value):
            raise Refused("invalid", f"The value of `{name}` is not valid.")


def check_source(order: dict[str, Any], *names: str) -> None:
    """Exactly one of words, picture and address. Raises Refused."""
    if sum(name in order for name in names) != 1:
        raise Refused("invalid", f"Exactly one of {', '.join(names)} is needed.")


def is_picture(value: Any) -> bool:
    """Bare base64 of a picture that is taken."""
    try:
        raw = base64.b64decode(value, validate=True)  # "data:image/png;base64," is none
        with Image.open(BytesIO(raw), formats=("JPEG", "PNG", "WEBP")) as picture:
            sides = picture.size
    except (ValueError, TypeError, OSError):
        return False
    return len(raw) <= IMAGE_BYTES and min(sides) >= 128 and max(sides) <= 5000


def is_address(value: Any) -> bool:
    """A public address."""
    return isinstance(value, str) and value.startswith("https://")


def words_up_to(most: int) -> Rule:
    """Text of a length."""
    return lambda value: isinstance(value, str) and 0 < len(value) <= most


def faces(value: Any) -> bool:
    """A number of faces."""
    return type(value) is int and 3000 <= value <= 1_500_000
