"""Ids of others' private things: the answer is the very same as for an id that nothing has."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from lumi.ids import new_id
from tests.attacks.contract import Operation, those
from tests.attacks.test_assignment import rows

IDS = {name for operation in those(lambda one: one.names("path")) for name in operation.names("path")}
# Whatever might mean something on the way to a row, a file or a log. All of it is the id of nothing.
STRANGE = [
    "%00", "a%00b", "%0d%0aX-Evil:%201", "%ed%a0%80", "%ff", "..", "%2e%2e", "..%2f..%2fetc%2fpasswd", "%2f", "%5c..",
    "*", "%25", "_", "'%20OR%20'1'='1", "1;DROP%20TABLE%20users", "null", "None", "undefined", "true", "0", "-1", "1e9",
    "{}", "[]", "${7*7}", "{{7*7}}", "%3Cscript%3E", "a" * 37, "a" * 5000, "%F0%9F%90%88", "%e2%80%ae", "%20",
]  # fmt: skip


def answered(answer: Any) -> tuple[int, bytes, list[tuple[str, str]]]:
    """All that a caller sees."""
    return answer.status_code, answer.content, sorted(answer.items())


def state() -> str:
    """Everything in the database."""
    return json.dumps(list(rows()), default=str)


@pytest.mark.parametrize("operation", those(lambda one: one.names("path")), ids=str)
class TestAnId:
    def test_of_another_is_the_id_of_nothing(
        self,
        operation: Operation,
        as_bob: APIClient,
        ids: dict[str, str],
        good: Callable[[Operation], dict[str, Any]],
    ) -> None:
        alices = dict(ids)  # a good body may be for a thing of its own
        body = good(operation) if operation.takes else None
        before = state()
        nothing = operation.call(as_bob, body, **dict.fromkeys(IDS, new_id()))
        assert nothing.status_code == 404
        assert answered(operation.call(as_bob, body, **alices)) == answered(nothing)
        assert state() == before

    def test_of_another_is_nothing_to_nobody_either(
        self, operation: Operation, as_nobody: APIClient, ids: dict[str, str]
    ) -> None:
        body = operation.example if operation.takes else None
        nothing = operation.call(as_nobody, body, **dict.fromkeys(IDS, new_id()))
        assert nothing.status_code in (401, 404)
        assert answered(operation.call(as_nobody, body, **ids)) == answered(nothing)

    def test_may_be_anything(self, operation: Operation, as_alice: APIClient) -> None:
        body = operation.example if operation.takes else None
        for strange in STRANGE:
            answer = operation.call(as_alice, body, **dict.fromkeys(IDS, strange))
            assert answer.status_code in (400, 404, 405), (strange, answer.content)
            assert answer.json()["status"] == "fail"
            assert "X-Evil" not in answer


def test_a_request_of_another_cannot_be_chosen_from(as_bob: APIClient, ids: dict[str, str]) -> None:
    choices = ({"requestId": request_id, "imageIndex": 0} for request_id in (new_id(), ids["request_id"]))
    nothing, anothers = (as_bob.post("/api/models", choice) for choice in choices)
    assert nothing.status_code == 404
    assert answered(anothers) == answered(nothing)


def test_a_model_that_is_no_longer_public_is_nothing(
    as_alice: APIClient, as_bob: APIClient, ids: dict[str, str]
) -> None:
    path = f"/api/models/{ids['model_id']}"
    as_alice.post(f"{path}/publish")
    assert as_bob.get(path).status_code == 200
    as_alice.post(f"{path}/unpublish")
    assert answered(as_bob.get(path)) == answered(as_bob.get(f"/api/models/{new_id()}"))
