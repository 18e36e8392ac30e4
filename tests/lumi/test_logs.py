"""The log: a line for people, an object for machines, and the id of the HTTP request on each."""

import json
import logging
from contextvars import copy_context
from io import BytesIO
from typing import Any

import pytest

from lumi import logs
from lumi.wsgi import application, shown_path


def record(message: str, **extra: Any) -> logging.LogRecord:
    """One record, as a handler gets it."""
    found = logging.getLogger("lumi.test").makeRecord("lumi.test", 20, "file", 1, message, (), None, extra=extra)
    logs.WithRequestId().filter(found)
    return found


class TestJson:
    def test_an_object_with_what_is_known(self) -> None:
        with logs.on_behalf_of("call-0001"):
            line = json.loads(logs.Json().format(record("a job 猫", job="j1")))
        assert line.pop("at").endswith("+00:00")
        assert line == {
            "level": "INFO",
            "logger": "lumi.test",
            "message": "a job 猫",
            "request_id": "call-0001",
            "job": "j1",
        }

    def test_one_line_whatever_is_said(self) -> None:
        text = logs.Json().format(record("two\nlines"))
        assert "\n" not in text
        assert json.loads(text)["request_id"] == "-"


def call(path: str = "/health", **environ: Any) -> dict[str, str]:
    """The headers of an answer of the whole application."""
    answered: dict[str, str] = {}
    whole = {
        "REQUEST_METHOD": "GET", "PATH_INFO": path, "QUERY_STRING": "", "SERVER_NAME": "localhost",
        "SERVER_PORT": "80", "wsgi.input": BytesIO(), "wsgi.url_scheme": "http", "HTTP_HOST": "localhost", **environ,
    }  # fmt: skip
    copy_context().run(application, whole, lambda status, headers, *rest: answered.update(headers))
    return answered


class TestRequestId:
    def test_each_call_has_its_own(self) -> None:
        first, second = call()["X-Request-Id"], call()["X-Request-Id"]
        assert first != second

    @pytest.mark.parametrize(
        ("proxies", "given", "is_taken"),
        [
            (0, "call-0001", False),
            (1, "call-0001", True),
            (1, "", False),
            (1, "x" * 65, False),
            (1, "a b\nc d e f", False),
        ],
    )
    def test_a_proxys_is_taken_where_one_is_trusted(
        self, settings: Any, proxies: int, given: str, is_taken: bool
    ) -> None:
        settings.TRUSTED_PROXIES = proxies
        assert (call(HTTP_X_REQUEST_ID=given)["X-Request-Id"] == given) == is_taken

    def test_the_line_of_a_call_has_no_query_and_no_key(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level("INFO", "lumi.http")
        call(QUERY_STRING="token=secret")
        (line,) = [found for found in caplog.records if found.name == "lumi.http"]
        assert line.getMessage().startswith("GET /health 200 ")
        assert "secret" not in line.getMessage()
        assert shown_path("/files/~1.abc/models/u1/secret/cat.obj") == "/files/.../cat.obj"
