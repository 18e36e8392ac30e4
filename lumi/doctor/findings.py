"""What an examination finds, and how examinations are run: all at once, each for so long and no longer."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from django.db import connections

from lumi.chores import Tell, in_silence

SECONDS = 12.0  # for one examination, where it does not say otherwise


class Result(StrEnum):
    """How it is. WARN: it works, and somebody should look."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Finding:
    """One line: what is so, and how to mend it."""

    result: Result
    says: str
    mend: str = ""


def fine(says: str) -> Finding:
    """As it should be."""
    return Finding(Result.OK, says)


def doubtful(says: str, mend: str) -> Finding:
    """It works, and somebody should look."""
    return Finding(Result.WARN, says, mend)


def wrong(says: str, mend: str) -> Finding:
    """Lumi cannot do its work so."""
    return Finding(Result.BAD, says, mend)


def skipped(says: str, mend: str = "") -> Finding:
    """Not looked at."""
    return Finding(Result.SKIPPED, says, mend)


Look = Callable[[], Finding | Iterable[Finding]]


@dataclass
class Examination:
    """One thing to look at. `mend` is said where `look` raises, or takes longer than `seconds`; `needs` names another
    one without which this makes no sense."""

    name: str
    look: Look
    mend: str
    needs: str = ""
    seconds: float = SECONDS
    found: list[Finding] = field(default_factory=list)
    is_sound: bool = True
    thread: threading.Thread | None = None

    def start(self) -> None:
        """In a thread that keeps no process from ending: what hangs may hang."""
        self.thread = threading.Thread(target=self.run, name=f"doctor {self.name}", daemon=True)
        self.thread.start()

    def run(self) -> None:
        """Look; whatever that raises is a finding."""
        try:
            seen = self.look()
            self.found = [seen] if isinstance(seen, Finding) else list(seen)
        except Exception as error:  # noqa: BLE001  dozens of libraries, each with its own
            self.found = [wrong(f"{type(error).__name__}: {error}".strip(": "), self.mend)]
        finally:
            connections.close_all()

    def end(self, until: float) -> None:
        """Wait for it, but not for ever."""
        if self.thread:
            self.thread.join(max(0.0, until - time.monotonic()))
        self.found = self.found or [wrong(f"No answer within {self.seconds:.0f} seconds.", self.mend)]

    def pass_over(self) -> None:
        """What it needs is not as it should be."""
        self.found = [skipped(f"Needs the {self.needs}.")]
        self.is_sound = False

    def judge(self) -> None:
        """Whether what needs it makes sense."""
        self.is_sound = all(one.result != Result.BAD for one in self.found)


def examine(examinations: list[Examination], tell: Tell = in_silence) -> list[Examination]:
    """All of them, with what was found: those that need no other, then those that need these, and so on."""
    known: dict[str, Examination] = {"": Examination("", list, "")}
    left = examinations
    while left:
        ready = [one for one in left if one.needs in known]
        run([one for one in ready if known[one.needs].is_sound], tell)
        for one in ready:
            if known[one.needs].is_sound:
                one.judge()
            else:
                one.pass_over()
        known |= {one.name: one for one in ready}
        left = [one for one in left if one.name not in known]
    return examinations


def run(examinations: list[Examination], tell: Tell) -> None:
    """At once."""
    began = time.monotonic()
    for one in examinations:
        one.start()
    for number, one in enumerate(examinations, 1):
        one.end(began + one.seconds)
        tell("looking", number, len(examinations))


def counted(examinations: list[Examination]) -> Iterator[tuple[Result, int]]:
    """How many lines there are of each kind."""
    found = [one.result for examination in examinations for one in examination.found]
    yield from ((result, found.count(result)) for result in Result)
