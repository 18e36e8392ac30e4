"""People who use Lumi over HTTP, and nothing else."""

import time
from collections.abc import Callable
from email import message_from_bytes
from itertools import count
from typing import Any

import requests

from tests.journeys.stack import Stack

LONG_ENOUGH = 120  # a bound for what must happen, not a measure
numbers = count(1)


class Person:
    """Somebody with a browser; signed in or not."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.headers = {"Accept-Language": "en"}

    def send(self, method: str, path: str, body: Any = None) -> requests.Response:
        """One call; whatever the answer."""
        url = path if path.startswith("http") else f"{self.stack.url}{path}"
        return requests.request(method, url, json=body, headers=self.headers, timeout=60)

    def call(self, method: str, path: str, body: Any = None, *, expect: int = 200) -> Any:
        """The data of an answer with this status."""
        answer = self.send(method, path, body)
        assert answer.status_code == expect, f"{method} {path}: {answer.status_code} {answer.text}\n{self.stack.logs()}"
        return answer.json().get("data")

    def get(self, path: str, *, expect: int = 200) -> Any:
        """GET."""
        return self.call("GET", path, expect=expect)

    def post(self, path: str, body: Any = None, *, expect: int = 200) -> Any:
        """POST."""
        return self.call("POST", path, body, expect=expect)

    def ask_for(self, prompt: str) -> str:
        """A new request; its id."""
        return str(self.post("/api/requests", {"prompt": prompt}, expect=201)["request"]["id"])

    def choose(self, request_id: str, index: int = 0) -> str:
        """Choose a picture; the model's id."""
        chosen = self.post("/api/models", {"requestId": request_id, "imageIndex": index}, expect=201)
        return str(chosen["model"]["id"])

    def wait_for(self, request_id: str, *statuses: str) -> Any:
        """The request, once it has one of these statuses."""
        return self.wait_until(request_id, lambda request: request["status"] in statuses, " or ".join(statuses))

    def wait_until(self, request_id: str, condition: Callable[[Any], bool], wanted: str) -> Any:
        """The request, once the condition holds."""
        until = time.monotonic() + LONG_ENOUGH
        while not condition(request := self.get(f"/api/requests/{request_id}")):
            assert time.monotonic() < until, f"never {wanted}: {request}\n{self.stack.logs()}"
            time.sleep(0.1)
        return request


def sign_up(stack: Stack) -> Person:
    """A new person, by a code from a real mail."""
    person = Person(stack)
    email = f"person{next(numbers)}@example.com"
    person.post("/api/auth/send-code", {"email": email, "type": "REGISTER"})
    account = {"email": email, "code": mailed_code(stack, email), "name": email.partition("@")[0]}
    person.headers["Authorization"] = person.post("/api/auth/register", account, expect=201)["token"]
    return person


def mailed_code(stack: Stack, email: str) -> str:
    """The code in the newest mail to an address."""
    mails = [message_from_bytes(path.read_bytes()) for path in sorted(stack.mails.glob("*.eml"))]
    return str(next(mail["X-Lumi-Code"] for mail in reversed(mails) if mail["To"] == email))
