"""What the tests of accounts do again and again: ask for a code, read the mail, let time pass, act all at once."""

import json
import re
import smtplib
import struct
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection
from django.db.models import F
from rest_framework.response import Response
from rest_framework.test import APIClient

from lumi.accounts.models import EmailVerificationCode, User

ADDRESS = "alice@example.com"


def ask(client: APIClient, email: str = ADDRESS, purpose: str = "LOGIN") -> Response:
    """Ask for a code."""
    return client.post("/api/auth/send-code", {"email": email, "type": purpose})


def code_in_last_mail() -> str:
    """What a person reads in the newest mail."""
    (code,) = re.findall(r"\b[0-9]{6}\b", mail.outbox[-1].body)
    return code


def mailed_code(client: APIClient, email: str = ADDRESS, purpose: str = "LOGIN") -> str:
    """Ask for a code and read the mail."""
    assert ask(client, email, purpose).status_code == 200
    return code_in_last_mail()


def another(code: str) -> str:
    """A well-formed code that is not this one."""
    return f"{(int(code) + 1) % 1_000_000:06}"


def log_in(client: APIClient, email: str = ADDRESS) -> dict[str, Any]:
    """The whole way in; what login answers."""
    let_pass(61)
    answer = client.post("/api/auth/login", {"email": email, "code": mailed_code(client, email)})
    assert answer.status_code == 200, answer.content
    return answer.json()["data"]


def let_pass(seconds: float) -> None:
    """As if the codes had been sent earlier."""
    ago = timedelta(seconds=seconds)
    EmailVerificationCode.objects.update(expires_at=F("expires_at") - ago, created_at=F("created_at") - ago)


def post_json(client: APIClient, path: str, body: Any) -> Response:
    """Post whatever JSON can say, also halves of surrogate pairs."""
    return client.generic("POST", path, json.dumps(body), "application/json")


def failure(answer: Response) -> tuple[int, str]:
    """Status and code of a failure, whose envelope must be right."""
    body = answer.json()
    assert body["status"] == "fail", body
    assert body["data"]["message"], body
    return answer.status_code, body["data"]["code"]


def late_answer(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
    """A statement whose answer, if it is a look, comes 30 ms late."""
    answer = execute(sql, *rest)
    if sql.startswith("SELECT"):
        time.sleep(0.03)
    return answer


def at_once(times: int, work: Callable[[int], Any]) -> list[Any]:
    """What `work` gives in so many threads that all start at the same moment.

    Their database answers every SELECT late, so that whoever looks and then writes is caught between the two.
    """
    gate = Barrier(times)

    def one(number: int) -> Any:
        gate.wait(timeout=20)
        try:
            with connection.execute_wrapper(late_answer):
                return work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(times) as pool:
        return list(pool.map(one, range(times)))


def write_catalogue(folder: Path, words: dict[str, str]) -> Path:
    """A compiled Chinese catalogue with these words, so that a test needs no gettext tools."""
    pairs = sorted({"": "Content-Type: text/plain; charset=UTF-8\n", **words}.items())
    count, place, tables, texts = len(pairs), 28 + 16 * len(pairs), ([], []), b""
    for column in (0, 1):
        for pair in pairs:
            text = pair[column].encode()
            tables[column].append(struct.pack("<II", len(text), place + len(texts)))
            texts += text + b"\0"
    head = struct.pack("<7I", 0x950412DE, 0, count, 28, 28 + 8 * count, 0, 0)
    path = folder / "zh_Hans" / "LC_MESSAGES" / "django.mo"
    path.parent.mkdir(parents=True)
    path.write_bytes(head + b"".join(tables[0] + tables[1]) + texts)
    return folder


class SilentServer(BaseEmailBackend):
    """A mail server that does not answer."""

    def send_messages(self, email_messages: list[Any]) -> int:
        """Raises TimeoutError."""
        raise TimeoutError(f"timed out with {email_messages[0].to}")


class PickyServer(BaseEmailBackend):
    """A mail server that knows no such mailbox."""

    def send_messages(self, email_messages: list[Any]) -> int:
        """Raises SMTPRecipientsRefused, which quotes the address."""
        raise smtplib.SMTPRecipientsRefused({email_messages[0].to[0]: (550, b"no such user")})


def count_nothing(user: User) -> int:
    """A number that costs no statement."""
    return 7


def count_codes(user: User) -> int:
    """A number that costs one statement."""
    return EmailVerificationCode.objects.filter(email=user.email).count()
