"""Secrets in settings: in no repr, and on no error page."""

import sys
from types import TracebackType
from typing import Any

import pytest
from django.conf import settings as real
from django.test import RequestFactory
from django.views.debug import ExceptionReporter

from lumi.settings import Secret

CANARY = "canary-0123456789"


@pytest.mark.parametrize("value", ["sk-canary", "'quoted'", "a\nb", "密钥"])
def test_a_secret_is_text_that_no_repr_shows(value: str) -> None:
    secret = Secret(value)
    assert secret == value
    assert f"Bearer {secret}" == f"Bearer {value}"
    for shown in (repr(secret), repr({"key": secret}), repr([secret]), f"{secret!r}", "%r" % (secret,)):  # noqa: UP031
        assert value not in shown
    assert repr(Secret("")) == "''"  # whether there is one may be known


@pytest.mark.parametrize("name", ["ALIYUN", "QWEN", "SILICONFLOW", "TENCENT", "TOKENHUB", "MESHY"])
def test_the_keys_of_all_accounts_are_secrets(name: str) -> None:
    account = getattr(real, name)
    assert {part for part in ("id", "key") if part in account} == {
        part for part, value in account.items() if isinstance(value, Secret)
    }


def test_so_are_the_others() -> None:
    for value in (real.SECRET_KEY, *real.JWT_KEYS, real.DATABASE_URL, real.REDIS_URL, real.CELERY_BROKER_URL):
        assert isinstance(value, Secret)
    assert isinstance(real.EMAIL_HOST_PASSWORD, Secret)


def report(environ: dict[str, str]) -> str:
    """The page that Django shows of an error in debug mode, as text and as HTML."""

    def fail(account: Any) -> None:
        raise RuntimeError("it broke")

    try:
        fail(real.ALIYUN)
    except RuntimeError:
        kind, error, trace = sys.exc_info()
    assert isinstance(trace, TracebackType)  # its first frame is this test's own, which holds the canaries
    reporter = ExceptionReporter(RequestFactory(**environ).get("/"), kind, error, trace.tb_next)
    return reporter.get_traceback_html() + reporter.get_traceback_text()


def test_no_error_page_shows_one(settings: Any) -> None:
    settings.DEBUG = True
    settings.ALIYUN = {"key": Secret(CANARY), "url": "https://dashscope.aliyuncs.com"}
    settings.TENCENT = {"id": Secret(CANARY), "key": CANARY}
    settings.DATABASE_URL = settings.REDIS_URL = settings.CELERY_BROKER_URL = f"x://lumi:{CANARY}@host"
    settings.CACHES = {"default": {"BACKEND": "x", "LOCATION": f"redis://:{CANARY}@host"}}
    names = ("DATABASE_URL", "REDIS_URL", "EMAIL_URL", "CELERY_BROKER_URL", "LUMI_ALIYUN_API_KEY", "LUMI_S3_SECRET_KEY")
    page = report({**dict.fromkeys(names, CANARY), "LUMI_PUBLIC_URL": "https://lumi.example"})
    assert "it broke" in page
    assert "dashscope.aliyuncs.com" in page
    assert "https://lumi.example" in page
    assert CANARY not in page
