"""What schemathesis loads beside its own checks: Lumi's promises over every answer, and files worth uploading."""

import json
from itertools import count
from typing import Any

import schemathesis
from hypothesis import strategies

from tests.fuzz.things import STL, picture

numbers = count(1)
schemathesis.openapi.format("binary", strategies.sampled_from([picture(), STL]) | strategies.binary(max_size=200))


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
    """An Idempotency-Key is new for each thing that is asked for, as the contract wants it: else the first answer comes
    again, also after what it speaks of was deleted, and a check takes it for something just made."""
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and 0 < len(key) < 200 and key.strip() == key:
        case.headers["Idempotency-Key"] = f"{key}-{next(numbers)}"


def is_envelope(status: int, body: Any) -> bool:
    """Whether it is the one of the three that goes with the status."""
    match body:
        case {"status": "success", "data": _}:
            return status < 400 and len(body) == 2
        case {"status": "fail", "data": {"message": str(), "code": str()}}:
            return 400 <= status < 500 and len(body) == 2
        case {"status": "error", "message": str(), "code": str()}:
            return status >= 500
    return False


@schemathesis.check
def jsend(context: Any, response: Any, case: Any) -> None:
    """Every answer that has a body is one of the three envelopes, but for files."""
    kind = response.headers.get("content-type", ["application/json"])[0]
    if response.content and not (response.status_code == 200 and kind == "application/zip"):
        assert is_envelope(response.status_code, json.loads(response.content)), "The answer is outside JSend"


@schemathesis.check
class Reached:
    """Every operation that the caller may call succeeded at least once, or the run would prove little."""

    def __init__(self, signed_in: bool, but: list[str]) -> None:
        self.signed_in, self.but = signed_in, set(but)
        self.open: set[str] = set()
        self.reached: set[str] = set()

    def after_response(self, context: Any, response: Any, case: Any) -> None:
        """Note it."""
        operation = case.operation.definition.raw
        if self.signed_in or {} in operation.get("security", [{}]):
            self.open.add(operation["operationId"])
        if response.status_code < 300 and case.method.upper() == case.operation.method.upper():
            self.reached.add(operation["operationId"])

    def after_run(self, context: Any) -> None:
        """Compare."""
        missed = self.open - self.reached - self.but
        assert not missed, f"Never a success: {sorted(missed)}"
