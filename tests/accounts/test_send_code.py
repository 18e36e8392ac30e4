"""Asking for a code."""

import logging
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from pytest_django import Settings
from rest_framework.test import APIClient

from generation import sweeps
from lumi import clock
from lumi.accounts.codes import hash_of
from lumi.accounts.models import EmailVerificationCode, User
from tests.accounts.desk import (
    ADDRESS,
    ask,
    at_once,
    code_in_last_mail,
    failure,
    let_pass,
    mailed_code,
    post_json,
    write_catalogue,
)

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("purpose", ["LOGIN", "REGISTER", "login", " Register "])
def test_a_code_is_mailed_and_only_its_hash_is_kept(as_nobody: APIClient, purpose: str) -> None:
    answer = ask(as_nobody, purpose=purpose)
    assert answer.status_code == 200
    assert answer.json()["data"]["expiresIn"] == 600
    assert answer.json()["data"]["retryAfter"] == 60
    code, row = code_in_last_mail(), EmailVerificationCode.objects.get()
    assert mail.outbox[0].to == [ADDRESS]
    assert code not in mail.outbox[0].subject  # mail servers log subjects
    assert code not in answer.content.decode()
    assert (row.email, row.purpose, row.attempts, row.used_at) == (ADDRESS, purpose.strip().upper(), 0, None)
    assert code not in row.code_hash
    assert timedelta(seconds=590) < row.expires_at - clock.now() <= timedelta(seconds=600)


def test_hashes_of_one_code_differ_by_address_and_purpose() -> None:
    hashes = {
        hash_of(email=email, purpose=purpose, code="123456")
        for email in ("a@example.com", "b@example.com")
        for purpose in ("LOGIN", "REGISTER")
    }
    assert len(hashes) == 4


def test_nobody_learns_whether_an_address_is_known(as_nobody: APIClient, alice: User) -> None:
    answers = []
    for email in (alice.email, "stranger@example.com"):
        for purpose in ("LOGIN", "REGISTER"):
            let_pass(61)
            answers.append(ask(as_nobody, email, purpose))
    assert {(answer.status_code, answer.content) for answer in answers} == {(200, answers[0].content)}
    assert len(mail.outbox) == 4


def test_one_mail_a_minute_for_each_address_whatever_it_is_for(as_nobody: APIClient) -> None:
    assert ask(as_nobody).status_code == 200
    for email, purpose in ((ADDRESS, "LOGIN"), (ADDRESS, "REGISTER"), (ADDRESS.upper(), "LOGIN")):
        answer = ask(as_nobody, email, purpose)
        assert failure(answer) == (429, "RATE_LIMITED")
        assert 1 <= int(answer["Retry-After"]) <= 60
        assert answer["Retry-After"] in answer.json()["data"]["message"]
    assert len(mail.outbox) == EmailVerificationCode.objects.count() == 1
    assert ask(as_nobody, "bob@example.com").status_code == 200
    let_pass(58)
    assert ask(as_nobody)["Retry-After"] in ("1", "2")
    let_pass(2.5)
    assert ask(as_nobody).status_code == 200


def test_the_pause_is_a_setting(as_nobody: APIClient, settings: Settings) -> None:
    settings.CODE_INTERVAL = timedelta(0)
    assert [ask(as_nobody).status_code for _ in range(3)] == [200, 200, 200]


@pytest.mark.django_db(transaction=True)
def test_at_the_same_moment_one_mail_goes_out() -> None:
    answers = at_once(8, lambda _: ask(APIClient()).status_code)
    assert sorted(answers) == [200] + 7 * [429]
    assert len(mail.outbox) == EmailVerificationCode.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_different_addresses_do_not_wait_for_each_other() -> None:
    answers = at_once(8, lambda number: ask(APIClient(), f"person{number}@example.com").status_code)
    assert answers == 8 * [200]


def test_codes_are_forgotten_after_a_week(as_nobody: APIClient) -> None:
    for email, days in (("old@example.com", 8), ("new@example.com", 6)):
        ask(as_nobody, email)
        lifetime = timedelta(days=days)
        EmailVerificationCode.objects.filter(email=email).update(expires_at=clock.now() - lifetime)
    sweeps.sweep()
    assert EmailVerificationCode.objects.get().email == "new@example.com"


BAD_BODIES: list[Any] = [
    {},
    [],
    None,
    "text",
    7,
    {"email": ADDRESS},
    {"type": "LOGIN"},
    {"email": None, "type": "LOGIN"},
    {"email": "", "type": "LOGIN"},
    {"email": "  ", "type": "LOGIN"},
    {"email": 7, "type": "LOGIN"},
    {"email": True, "type": "LOGIN"},
    {"email": [ADDRESS], "type": "LOGIN"},
    {"email": {"a": 1}, "type": "LOGIN"},
    {"email": "alice", "type": "LOGIN"},
    {"email": "alice@", "type": "LOGIN"},
    {"email": "@example.com", "type": "LOGIN"},
    {"email": "alice@a..b", "type": "LOGIN"},
    {"email": f"alice@{'a' * 64}.com", "type": "LOGIN"},
    {"email": "alice@example.com, bob@example.com", "type": "LOGIN"},
    {"email": "alice@example.com\nBcc: bob@example.com", "type": "LOGIN"},
    {"email": "a\0lice@example.com", "type": "LOGIN"},
    {"email": "\ud800@example.com", "type": "LOGIN"},
    {"email": "älice@example.com", "type": "LOGIN"},
    {"email": "ſam@example.com", "type": "LOGIN"},  # a long s, which MariaDB takes for an s
    {"email": f"{'a' * 250}@example.com", "type": "LOGIN"},
    {"email": ADDRESS, "type": None},
    {"email": ADDRESS, "type": ""},
    {"email": ADDRESS, "type": "RESET"},
    {"email": ADDRESS, "type": 1},
    {"email": ADDRESS, "type": ["LOGIN"]},
    {"email": ADDRESS, "type": {"LOGIN": 1}},
]


@pytest.mark.parametrize("body", BAD_BODIES)
def test_bad_input_is_named_and_changes_nothing(as_nobody: APIClient, body: Any) -> None:
    answer = post_json(as_nobody, "/api/auth/send-code", body)
    assert failure(answer) == (400, "VALIDATION_ERROR")
    assert not EmailVerificationCode.objects.exists()
    assert not mail.outbox


@pytest.mark.parametrize(
    ("content", "content_type", "expected"),
    [
        (b"{", "application/json", (400, "VALIDATION_ERROR")),
        (b"", "application/json", (400, "VALIDATION_ERROR")),
        (b"\xff\xfe", "application/json", (400, "VALIDATION_ERROR")),
        (b'{"email": NaN, "type": "LOGIN"}', "application/json", (400, "VALIDATION_ERROR")),
        (b"email=alice@example.com&type=LOGIN", "application/x-www-form-urlencoded", (415, "VALIDATION_ERROR")),
    ],
)
def test_broken_bodies(as_nobody: APIClient, content: bytes, content_type: str, expected: tuple[int, str]) -> None:
    answer = as_nobody.generic("POST", "/api/auth/send-code", content, content_type)
    assert failure(answer) == expected
    assert not mail.outbox


def test_an_international_domain_is_kept_in_ascii(as_nobody: APIClient) -> None:
    assert ask(as_nobody, "user@EXÄMPLE.com").status_code == 200
    assert EmailVerificationCode.objects.get().email == "user@xn--exmple-cua.com"
    assert mail.outbox[0].to == ["user@xn--exmple-cua.com"]


def test_mail_and_answer_are_in_the_language_of_the_request(settings: Settings, tmp_path: Path) -> None:
    words = {
        "Your code for Lumi": "您的 Lumi 验证码",
        "Your code to log in:": "登录验证码：",
        "We have sent you a code. Please look into your mailbox.": "验证码已发送，请查收邮件。",
    }
    settings.LOCALE_PATHS = [write_catalogue(tmp_path / "locale", words)]
    answer = ask(APIClient())
    assert answer.json()["data"]["message"] == "验证码已发送，请查收邮件。"
    assert mail.outbox[0].subject == "您的 Lumi 验证码"
    assert f"登录验证码：\n\n{code_in_last_mail()}\n" in mail.outbox[0].body
    answer = ask(APIClient(headers={"accept-language": "en-GB,en;q=0.9"}), "bob@example.com")
    assert answer.json()["data"]["message"] == "We have sent you a code. Please look into your mailbox."
    assert mail.outbox[1].subject == "Your code for Lumi"
    assert f"Your code to log in:\n\n{code_in_last_mail()}\n" in mail.outbox[1].body


@pytest.mark.parametrize("server", ["SilentServer", "PickyServer"])
def test_a_mail_that_cannot_be_sent_is_said_and_forgotten(
    as_nobody: APIClient, settings: Settings, caplog: pytest.LogCaptureFixture, server: str
) -> None:
    working, settings.EMAIL_BACKEND = settings.EMAIL_BACKEND, f"tests.accounts.desk.{server}"
    with caplog.at_level(logging.DEBUG):
        answer = ask(as_nobody)
    if server == "SilentServer":
        assert (answer.status_code, answer.json()["code"]) == (503, "SERVICE_UNAVAILABLE")
    else:
        assert failure(answer) == (400, "VALIDATION_ERROR")
        assert "email" in answer.json()["data"]["details"]
    assert "mail not sent" in caplog.text
    assert ADDRESS not in caplog.text
    settings.EMAIL_BACKEND = working
    assert mailed_code(as_nobody)  # at once: nothing was sent a moment ago


def test_a_valid_or_expired_token_does_not_matter(as_alice: APIClient) -> None:
    assert ask(as_alice).status_code == 200
    as_alice.credentials(HTTP_AUTHORIZATION="Bearer rubbish")
    assert ask(as_alice, "bob@example.com").status_code == 200


@pytest.mark.parametrize("path", ["send-code", "register", "login", "refresh", "logout"])
def test_only_post(as_nobody: APIClient, path: str) -> None:
    assert failure(as_nobody.get(f"/api/auth/{path}")) == (405, "METHOD_NOT_ALLOWED")
    assert failure(as_nobody.post(f"/api/auth/{path}/")) == (404, "NOT_FOUND")
