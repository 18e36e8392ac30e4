"""Mail through a real mail server: what arrives, and what people are told when nothing does."""

import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import environ
import pytest
import requests
import trustme
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings
from rest_framework.test import APIClient

from lumi.accounts.models import EmailVerificationCode, User
from tests.accounts.desk import ADDRESS, ask, failure, let_pass
from tests.accounts.mailserver import Mailbox, mail_server, silent_server, write_certificate
from tests.journeys.stack import Stack, running
from tests.services import free_port

pytestmark = pytest.mark.django_db
SPOKEN = {"zh-hans": ("你的", "验证码"), "en": ("Your code", "log in")}


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Who signs the server's certificate."""
    return trustme.CA()


@pytest.fixture
def mailbox(
    authority: trustme.CA, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Mailbox]:
    """A server, and Lumi set to use it as EMAIL_URL would."""
    monkeypatch.setenv("SSL_CERT_FILE", str(write_certificate(authority, tmp_path)))
    with mail_server(authority) as found:
        use(settings, found.url())
        yield found


def use(settings: Settings, url: str) -> None:
    """What lumi/settings.py makes of an EMAIL_URL."""
    for name, value in environ.Env.email_url_config(url).items():
        setattr(settings, name, value)
    settings.EMAIL_TIMEOUT = 5


def parts(mail: EmailMessage) -> tuple[str, str]:
    """Text and HTML."""
    assert mail.get_content_type() == "multipart/alternative"
    text, page = mail.iter_parts()
    assert (text.get_content_type(), page.get_content_type()) == ("text/plain", "text/html")
    return text.get_content(), page.get_content()


class TestArriving:
    """The whole way over TLS."""

    @pytest.mark.parametrize("language", SPOKEN)
    @pytest.mark.parametrize("purpose", ["LOGIN", "REGISTER"])
    def test_a_code_comes_as_text_and_as_a_page(self, mailbox: Mailbox, language: str, purpose: str) -> None:
        assert ask(APIClient(headers={"accept-language": language}), purpose=purpose).status_code == 200
        (mail,) = mailbox.mails
        text, page = parts(mail)
        (code,) = re.findall(r"\b[0-9]{6}\b", text)
        assert re.findall(r">([0-9]{6})<", page) == [code]
        assert code not in str(mail["Subject"])
        assert (mail["To"], mailbox.recipients) == (ADDRESS, [ADDRESS])
        assert mail["Auto-Submitted"] == "auto-generated"
        assert "X-Lumi-Code" not in mail
        assert f'<html lang="{language}">' in page
        chinese = re.search(r"[\u4e00-\u9fff]", str(mail["Subject"]) + text + page)
        assert bool(chinese) == (language == "zh-hans")

    def test_a_page_fetches_nothing_and_has_no_colours_of_its_own(self, mailbox: Mailbox) -> None:
        ask(APIClient())
        _, page = parts(mailbox.mails[0])
        assert re.findall(r"https?:|<img|<link|<script|src=|href=|url\(|background|[^-]color:", page) == []
        assert '<meta name="color-scheme" content="light dark">' in page

    def test_a_person_gets_mail_in_their_own_language(self, mailbox: Mailbox, alice: User) -> None:
        for language, asked in (("en", "zh-hans"), ("zh-hans", "en"), ("", "en")):
            let_pass(61)
            User.objects.update(language=language)
            ask(APIClient(headers={"accept-language": asked}))
            _, page = parts(mailbox.mails[-1])
            assert f'<html lang="{language or asked}">' in page


class TestFailing:
    """Nothing arrives: the person is told what to do, and the log whom it was for is not."""

    @pytest.fixture(autouse=True)
    def no_address_in_the_log(self, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
        """Whatever happens in these tests."""
        caplog.set_level(logging.DEBUG)
        yield
        said = [str(vars(record)) for record in caplog.get_records("call") if record.name != "mail.log"]
        assert any("mail not sent" in line for line in said)
        assert not [line for line in said if ADDRESS in line]

    def require_failure(self, status: int, code: str) -> None:
        """The answer; nothing was mailed, so that nobody need wait."""
        answer = ask(APIClient(headers={"accept-language": "en"}))
        assert (answer.status_code, (answer.json().get("data") or answer.json())["code"]) == (status, code)
        assert not EmailVerificationCode.objects.exists()

    def test_a_mailbox_that_there_is_not(self, mailbox: Mailbox) -> None:
        mailbox.refusals[ADDRESS] = "550 no such user"
        self.require_failure(400, "VALIDATION_ERROR")

    def test_a_mailbox_that_is_full_today(self, mailbox: Mailbox) -> None:
        mailbox.refusals[ADDRESS] = "452 too much mail"
        self.require_failure(503, "SERVICE_UNAVAILABLE")

    def test_a_wrong_password(self, mailbox: Mailbox, settings: Settings) -> None:
        use(settings, mailbox.url("wrong"))
        self.require_failure(503, "SERVICE_UNAVAILABLE")

    def test_no_password_where_one_is_asked_for(self, mailbox: Mailbox, settings: Settings) -> None:
        settings.EMAIL_HOST_USER = ""
        self.require_failure(503, "SERVICE_UNAVAILABLE")

    def test_a_server_whose_certificate_nobody_vouches_for(
        self, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(write_certificate(trustme.CA(), tmp_path)))
        self.require_failure(503, "SERVICE_UNAVAILABLE")
        assert mailbox.mails == []

    def test_a_server_that_is_down(self, settings: Settings) -> None:
        use(settings, f"smtp://127.0.0.1:{free_port()}")
        self.require_failure(503, "SERVICE_UNAVAILABLE")

    def test_a_server_that_says_nothing(self, settings: Settings) -> None:
        with silent_server() as url:
            use(settings, url)
            settings.EMAIL_TIMEOUT = 0.3
            self.require_failure(503, "SERVICE_UNAVAILABLE")


class TestNobodyLearns:
    """Whether an address is known."""

    @pytest.mark.parametrize("purpose", ["LOGIN", "REGISTER"])
    def test_the_work_is_the_same(self, mailbox: Mailbox, alice: User, purpose: str) -> None:
        made: list[Any] = []
        for email in (alice.email, "stranger@example.com"):
            with CaptureQueriesContext(connection) as statements:
                answer = ask(APIClient(), email, purpose)
            shapes = [re.sub(r"'[^']*'|SAVEPOINT .*", "?", one["sql"]) for one in statements]
            made.append((answer.status_code, answer.content, shapes))
        assert made[0] == made[1]
        texts = [re.sub(r"[0-9]{6}", "", parts(mail)[0]) for mail in mailbox.mails]
        assert texts[0] == texts[1]


def test_a_day_has_an_end_for_one_address_whoever_asks(mailbox: Mailbox, settings: Settings) -> None:
    settings.CODES_PER_DAY = 3
    statuses = []
    for number in range(5):
        let_pass(61)
        client = APIClient(headers={"accept-language": "en"}, REMOTE_ADDR=f"192.0.2.{number}")
        statuses.append(ask(client, purpose=("LOGIN", "REGISTER")[number % 2]).status_code)
    assert statuses == [200, 200, 200, 429, 429]
    refused = ask(APIClient(headers={"accept-language": "en"}))
    assert failure(refused) == (429, "RATE_LIMITED")
    assert 86_000 < int(refused["Retry-After"]) < 86_400
    assert len(mailbox.mails) == 3
    assert ask(APIClient(), "bob@example.com").status_code == 200
    let_pass(int(refused["Retry-After"]) + 1)
    assert ask(APIClient()).status_code == 200


@pytest.mark.journey
def test_an_installation_with_a_mail_server(authority: trustme.CA, tmp_path: Path) -> None:
    """`manage.py` reads EMAIL_URL; the mail arrives; neither address nor code is in its log, or in a folder."""
    with mail_server(authority) as mailbox:
        stack = Stack(tmp_path)
        stack.environment |= {"EMAIL_URL": mailbox.url(), "SSL_CERT_FILE": str(write_certificate(authority, tmp_path))}
        stack.environment |= {"LUMI_LOG_LEVEL": "DEBUG", "LUMI_MAIL_FROM": "Lumi <lumi@example.org>"}
        for _ in running(stack):
            asked = {"email": ADDRESS, "type": "REGISTER"}
            assert requests.post(f"{stack.url}/api/auth/send-code", json=asked, timeout=60).ok
            mailbox.refusals["refused@example.com"] = "550 no such user"
            refused = {"email": "refused@example.com", "type": "REGISTER"}
            assert requests.post(f"{stack.url}/api/auth/send-code", json=refused, timeout=60).status_code == 400
    (mail,) = mailbox.mails
    assert mail["From"] == "Lumi <lumi@example.org>"
    (code,) = re.findall(r"\b[0-9]{6}\b", parts(mail)[0])
    for name in stack.commands:
        said = stack.log(name).read_text()
        assert not [word for word in (ADDRESS, "refused@example.com", code) if word in said]
    assert not stack.mails.exists()


def test_the_time_that_a_mail_server_has_is_a_setting() -> None:
    show = [sys.executable, "-c", "from lumi import settings; print(settings.EMAIL_TIMEOUT, settings.EMAIL_USE_TLS)"]
    own = {"EMAIL_URL": "smtp+tls://a:b@mail.example.com:587", "LUMI_MAIL_TIMEOUT_SECONDS": "2.5"}
    shown = subprocess.run(show, env={**os.environ, **own}, capture_output=True, text=True, check=True)
    assert shown.stdout.split() == ["2.5", "True"]
