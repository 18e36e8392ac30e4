"""Mail on a new machine."""

import email
import io
import os
import re
import subprocess
import sys
from email import policy
from pathlib import Path

import pytest
from django.core.mail import EmailMessage, get_connection
from django.utils import translation
from pytest_django import Settings
from rest_framework.test import APIClient

from lumi.accounts.mail import code_mail
from tests.accounts.desk import ADDRESS, ask, write_catalogue

BACKEND = "lumi.accounts.mail.FolderBackend"


@pytest.fixture
def folder(settings: Settings) -> Path:
    """Where mails go; not there yet."""
    settings.EMAIL_BACKEND = BACKEND
    return Path(settings.EMAIL_FILE_PATH)


@pytest.mark.django_db
def test_a_person_with_cat_and_a_script_find_the_code(
    as_nobody: APIClient, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not folder.exists()
    assert ask(as_nobody).status_code == 200
    (path,) = folder.iterdir()
    text = path.read_text()
    (code,) = re.findall(r"^X-Lumi-Code: ([0-9]{6})$", text, re.MULTILINE)
    assert f"Your code to log in:\n\n{code}\n" in text
    shown = capsys.readouterr().out
    assert shown.count("\n") == 1
    for part in (ADDRESS, "Your code for Lumi", code, str(path)):
        assert part in shown
    answer = as_nobody.post("/api/auth/login", {"email": ADDRESS, "code": code})
    assert answer.status_code == 404  # the code is right; there is no account


@pytest.mark.django_db
def test_a_chinese_body_stands_as_it_is(folder: Path, settings: Settings, tmp_path: Path) -> None:
    words = {"Your code for Lumi": "您的 Lumi 验证码", "Your code to register:": "注册验证码："}
    settings.LOCALE_PATHS = [write_catalogue(tmp_path / "locale", words)]
    assert ask(APIClient(), purpose="REGISTER").status_code == 200
    (path,) = folder.iterdir()
    parsed = email.message_from_bytes(path.read_bytes(), policy=policy.default)
    assert f"注册验证码：\n\n{parsed['X-Lumi-Code']}\n" in path.read_text(encoding="utf-8")
    assert parsed["Subject"] == "您的 Lumi 验证码"
    assert parsed["To"] == ADDRESS


def test_one_file_a_mail_in_order(folder: Path) -> None:
    mails = [EmailMessage(f"number {number}", "words", to=[ADDRESS]) for number in range(20)]
    assert get_connection().send_messages(mails) == 20
    names = sorted(path.name for path in folder.iterdir())
    subjects = [re.findall(r"number \d+", (folder / name).read_text())[0] for name in names]
    assert subjects == [f"number {number}" for number in range(20)]
    assert all(name.endswith(".eml") for name in names)


def test_other_mails_carry_no_code(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    EmailMessage("123456", "654321", to=[ADDRESS]).send()
    (path,) = folder.iterdir()
    assert "X-Lumi-Code" not in path.read_text()
    assert "code:" not in capsys.readouterr().out


def test_a_console_without_chinese_is_no_reason_to_fail(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    console = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", console)
    EmailMessage("验证码", "words", to=[ADDRESS]).send()
    assert ADDRESS.encode() in console.buffer.getvalue()


@pytest.mark.parametrize(
    ("url", "backend"),
    [("", BACKEND), ("smtp://user:secret@mail.example.com:25", "django.core.mail.backends.smtp.EmailBackend")],
)
def test_it_is_the_default_and_a_mail_server_replaces_it(url: str, backend: str) -> None:
    show = [sys.executable, "-c", "from lumi import settings; print(settings.EMAIL_BACKEND)"]
    shown = subprocess.run(show, env={**os.environ, "EMAIL_URL": url}, capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == backend


def test_other_backends_get_a_plain_mail(capsys: pytest.CaptureFixture[str]) -> None:
    """What a mail server would get: no header with the code, and nothing on the console."""
    with translation.override("zh-hans"):
        mail = code_mail(email=ADDRESS, purpose="LOGIN", code="123456", language="en")
    mail.send()
    assert "X-Lumi-Code" not in mail.message()
    assert "123456" in mail.body
    assert capsys.readouterr().out == ""
