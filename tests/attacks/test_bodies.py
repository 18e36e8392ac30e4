"""Bodies made to break whoever reads them: each gets a 4xx in its envelope, and changes nothing."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.attacks.contract import FORM, JSON, Operation, named, those
from tests.attacks.test_assignment import rows

Body = Callable[[Operation], dict[str, Any]]
TAKES_JSON = those(lambda one: one.takes == JSON)
NUL, HALVES = "a\0b", ["\ud800", "a\udfffb", "\udc00\ud800"]
TEXTS = [
    (operation, name, text)
    for operation in those(lambda one: one.takes)
    for name, schema in operation.members.items()
    if "string" in str(schema.get("type")) and schema.get("format") != "binary"
    for text in [NUL, *(HALVES if operation.takes == JSON else [])]
]
MEGABYTES_10 = 10 * 1024 * 1024
DEEP = 50_000
OTHER_TYPES = ["text/plain", "text/html", "application/xml", "application/x-www-form-urlencoded", "application/x-yaml",
               "application/json-patch+json", "image/png", "nonsense", "application/json/json", ";", ""]  # fmt: skip


def send(client: APIClient, operation: Operation, content: bytes, kind: str, ids: dict[str, str]) -> Any:
    """Bytes as they are."""
    return client.generic(operation.method, operation.path.format(**ids), content, kind)


def refused(answer: Any, *statuses: int) -> None:
    """A failure of the caller's, in the envelope."""
    assert answer.status_code in statuses, answer.content
    assert answer.json()["status"] == "fail"
    assert answer.json()["data"]["code"] == "VALIDATION_ERROR"


@pytest.mark.parametrize(("operation", "member", "text"), TEXTS, ids=ascii)
def test_signs_that_no_database_takes(
    operation: Operation, member: str, text: str, as_alice: APIClient, good: Body, ids: dict[str, str]
) -> None:
    body = {**good(operation), member: text}
    before = list(rows())
    refused(operation.call(as_alice, body, **ids), 400)
    assert list(rows()) == before


@pytest.mark.parametrize("operation", TAKES_JSON, ids=str)
class TestJson:
    def test_of_ten_megabytes(self, operation: Operation, as_alice: APIClient, ids: dict[str, str]) -> None:
        content = json.dumps({**operation.example, "padding": "x" * MEGABYTES_10}).encode()
        refused(send(as_alice, operation, content, JSON, ids), 413)

    def test_that_is_deep(self, operation: Operation, as_alice: APIClient, ids: dict[str, str]) -> None:
        for opening, closing in (("[", "]"), ('{"a":', "}"), ('{"prompt":[', "]}")):
            for content in (opening * DEEP, opening * DEEP + "1" + closing * DEEP):
                refused(send(as_alice, operation, content.encode(), JSON, ids), 400)

    def test_with_numbers_that_are_none(self, operation: Operation, as_alice: APIClient, ids: dict[str, str]) -> None:
        for number in ("1e999", "-Infinity", "NaN", "9" * 5000, "1" + "0" * 4400, "0." + "1" * 5000):
            members = ",".join(f'"{name}": {number}' for name in operation.members)
            refused(send(as_alice, operation, f"{{{members}}}".encode(), JSON, ids), 400)

    def test_that_is_called_otherwise(
        self, operation: Operation, as_alice: APIClient, good: Body, ids: dict[str, str]
    ) -> None:
        content = json.dumps(good(operation)).encode()
        before = list(rows())
        for kind in OTHER_TYPES:
            refused(send(as_alice, operation, content, kind, ids), 400, 415)
        assert list(rows()) == before


def test_a_member_that_comes_twice_is_the_last_of_them_everywhere(as_alice: APIClient) -> None:
    content = b'{"prompt": "first", "prompt": "last"}'
    answer = as_alice.generic("POST", "/api/requests", content, JSON)
    assert answer.json()["data"]["request"]["prompt"] == "last"


@pytest.mark.parametrize("operation", those(lambda one: one.names("query")), ids=str)
def test_queries_that_are_none(operation: Operation, as_alice: APIClient, ids: dict[str, str]) -> None:
    path = operation.path.format(**ids)
    for text in ("%00", "%ed%a0%80", "1%00", "9" * 10_000, "%D9%A1", "1;limit=2", "[]", "1&" * 2000):
        answer = as_alice.get(f"{path}?{'&'.join(f'{name}={text}' for name in operation.names('query'))}")
        assert answer.status_code in (200, 400), text
        assert answer.json()["status"] in ("success", "fail")


class TestForms:
    @pytest.mark.parametrize("name", ["uploadModel", "uploadRequest", "setAvatar"])
    @pytest.mark.parametrize(
        "content",
        [
            b"--x\r\n" * 100_000,
            b"".join(
                b'--x\r\nContent-Disposition: form-data; name="a%d"\r\n\r\n1\r\n' % number for number in range(2000)
            ),
            b"".join(
                b'--x\r\nContent-Disposition: form-data; name="f"; filename="%d"\r\n\r\n1\r\n' % number
                for number in range(500)
            ),
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="' + b"a" * 100_000 + b'"\r\n\r\n1\r\n--x--',
            b"--x\r\n" + b"X-Header: 1\r\n" * 10_000 + b"\r\n1\r\n--x--",
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\nContent-Transfer-Encoding: base64'
            b"\r\n\r\n!!!!\r\n--x--",
        ],
        ids=["only boundaries", "many fields", "many files", "a long name", "many headers", "bad base64"],
    )
    def test_that_are_none(self, name: str, content: bytes, as_alice: APIClient) -> None:
        operation = named(name)
        answer = as_alice.generic(operation.method, operation.path, content, f"{FORM}; boundary=x")
        refused(answer, 400, 413)
