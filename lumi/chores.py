"""Work on a whole installation: how far it is, why it is refused, and its line in the audit trail."""

from collections.abc import Callable
from typing import Any

from lumi import audit

Tell = Callable[[str, int, int | None], None]  # what, how many are done, of how many (None: nobody knows)
WHOLE = ("instance", "")  # what the audit trail calls the whole installation


class Refused(Exception):
    """Not done, and nothing was changed. The text is a sentence for the operator."""


def in_silence(what: str, done: int, total: int | None = None) -> None:
    """Nobody waits for it."""


def note(action: str, **facts: Any) -> None:
    """One line of the audit trail for a whole run."""
    audit.record(action, WHOLE, after=facts)
