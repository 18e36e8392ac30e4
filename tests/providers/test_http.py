"""The wire: what is free may be asked again, what costs is sent once; in time, within bounds, without keys."""

import gzip
import math
import socket
import ssl
import threading
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import trustme

from providers import http
from providers.base import Billed, Fault, ProviderError
from providers.http import Account, Answer, Wire, by_status
from tests.providers import raw_server
from tests.providers.raw_server import RawServer, answer, chunked, dripping, endless, ends_after, reset, silence

SECONDS = {"connect": 0.3, "ask": 0.3, "pay": 0.3, "download": 0.3}
FAR_TOO_LONG = 10.0  # a deadline that does not hold is off by far more than a slow machine is


@pytest.fixture(autouse=True)
def _little_patience(settings: Any) -> None:
    settings.PROVIDER_SECONDS = SECONDS


def wire(url: str) -> Wire:
    """Speaks to a server, with a key."""
    return Wire(url, headers={"Authorization": "Bearer sk-very-secret"}, law=by_status)


def raised(call: Any, *arguments: Any, **named: Any) -> ProviderError:
    """What a call raises."""
    with pytest.raises(ProviderError) as caught:
        call(*arguments, **named)
    return caught.value


def free_port() -> int:
    """Nobody listens there."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


NO_PROPER_ANSWER = {
    "silence": silence,
    "a reset": reset,
    "a proper close": ends_after(b""),
    "a drip of headers": dripping(b"HTTP/1.1 200 OK\r\nX-Slow: "),
    "a drip of the body": dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
    "a drip that has no end": dripping(b"HTTP/1.1 200 OK\r\n\r\n"),
    "a drip inside a chunk's size": dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;", b"x"),
    "a drip of nothing, packed": dripping(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"")[:10], b"\x00\x00\x00\xff\xff"
    ),
    "a truncated body": ends_after(answer(b'{"a": 1}', length=100)),
    "a truncated chunk": ends_after(chunked(b'{"a": 1}', end=b"40\r\nabc")),
    "chunks without an end": ends_after(chunked(b'{"a": 1}', end=b"")),
    "a huge body": endless(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"),
    "a huge body of no size": endless(b"HTTP/1.1 200 OK\r\n\r\n"),
    "a bomb": answer(gzip.compress(bytes(64 * 1024 * 1024)), "Content-Encoding: gzip"),
    "what is no HTTP": ends_after(b"SSH-2.0-OpenSSH_9.2\r\n"),
    "two lengths": answer(b"{}", "Content-Length: 7"),
    "endless headers": endless(b"HTTP/1.1 200 OK\r\n", b"X-More: and more\r\n"),
}


class TestPay:
    @pytest.mark.parametrize("kind", NO_PROPER_ANSWER)
    def test_no_proper_answer_leaves_the_outcome_open_and_is_sent_once(self, kind: str) -> None:
        with RawServer(NO_PROPER_ANSWER[kind]) as server:
            start = time.monotonic()
            error = raised(wire(server.url).pay, "/jobs", json={"prompt": "a cat"})
            assert time.monotonic() - start < FAR_TOO_LONG
            assert (error.billed, error.permanent) == (Billed.UNKNOWN, False)
            assert error.fault in (Fault.NETWORK, Fault.BAD_ANSWER)
            assert (server.connections, len(server.requests)) == (1, 1)

    def test_nobody_there_costs_nothing(self) -> None:
        error = raised(wire(f"http://127.0.0.1:{free_port()}").pay, "/jobs")
        assert (error.fault, error.billed, error.permanent) == (Fault.NETWORK, Billed.NO, False)

    def test_a_name_that_nobody_knows_costs_nothing(self) -> None:
        error = raised(wire("http://vendor.invalid").pay, "/jobs")
        assert (error.fault, error.billed) == (Fault.NETWORK, Billed.NO)

    def test_nobody_who_picks_up_costs_nothing(self) -> None:
        with socket.socket() as listener:  # its queue is full: a connection is neither taken nor refused
            listener.bind(("127.0.0.1", 0))
            listener.listen(0)
            waiting = [socket.socket() for _ in range(4)]
            for one in waiting:
                one.setblocking(False)
                one.connect_ex(listener.getsockname())
            error = raised(wire(f"http://127.0.0.1:{listener.getsockname()[1]}").pay, "/jobs")
            for one in waiting:
                one.close()
        assert (error.fault, error.billed) == (Fault.NETWORK, Billed.NO)

    def test_a_certificate_that_is_not_to_be_trusted_costs_nothing(self) -> None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trustme.CA().issue_cert("127.0.0.1").configure_cert(tls)
        with RawServer(answer(), tls=tls) as server:
            error = raised(wire(f"https://127.0.0.1:{server.port}").pay, "/jobs")
            assert (error.fault, error.billed, server.requests) == (Fault.NETWORK, Billed.NO, [])

    @pytest.mark.parametrize("handshake", [silence, b"HTTP/1.1 400 Bad Request\r\n\r\n"])
    def test_nobody_who_speaks_tls_costs_nothing(self, handshake: raw_server.Answer) -> None:
        with RawServer(b"") as server:
            server.answers, server.says_first = [handshake], True
            error = raised(wire(f"https://127.0.0.1:{server.port}").pay, "/jobs")
            assert (error.fault, error.billed, server.connections) == (Fault.NETWORK, Billed.NO, 1)

    def test_a_vendor_that_takes_the_order_by_drops_has_so_much_time(self) -> None:
        def sips(server: RawServer) -> None:
            connection, _ = server.listener.accept()
            with connection:
                while not server.closing.wait(raw_server.DRIP_SECONDS):
                    connection.recv(65_536)

        server = RawServer(b"")
        server.thread = threading.Thread(target=sips, args=(server,), daemon=True)
        with server:
            start = time.monotonic()
            error = raised(wire(server.url).pay, "/jobs", data=bytes(64 * 1024 * 1024))
            assert time.monotonic() - start < FAR_TOO_LONG
        assert (error.fault, error.billed) == (Fault.NETWORK, Billed.UNKNOWN)

    def test_each_order_has_a_connection_of_its_own(self) -> None:
        with RawServer(answer()) as server:
            vendor = wire(server.url)
            vendor.pay("/jobs")
            vendor.pay("/jobs")
            assert (server.connections, len(server.requests)) == (2, 2)

    @pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"])
    def test_a_redirect_is_not_followed(self, status: str) -> None:
        with RawServer(answer()) as elsewhere:
            with RawServer(answer(b"", f"Location: {elsewhere.url}", status=status)) as server:
                error = raised(wire(server.url).pay, "/jobs")
                assert (error.fault, error.billed) == (Fault.BAD_ANSWER, Billed.UNKNOWN)
            assert elsewhere.connections == 0

    @pytest.mark.parametrize(
        "content", [b"<html>", b"[1]", b'"text"', b"", b"\xff\xfe\x00", b"[" * 100_000, b"9" * 9999]
    )
    def test_what_cannot_be_understood_leaves_the_outcome_open(self, content: bytes) -> None:
        with RawServer(answer(content)) as server:
            got = wire(server.url).pay("/jobs")
            error = raised(lambda: got.object)
            assert (error.fault, error.billed, error.permanent) == (Fault.BAD_ANSWER, Billed.UNKNOWN, False)

    @pytest.mark.parametrize(
        ("status", "fault", "billed", "permanent"),
        [
            ("400 Bad Request", Fault.INVALID_INPUT, Billed.NO, True),
            ("401 Unauthorized", Fault.AUTHENTICATION, Billed.NO, True),
            ("402 Payment Required", Fault.QUOTA_EXHAUSTED, Billed.NO, True),
            ("403 Forbidden", Fault.AUTHENTICATION, Billed.NO, True),
            ("408 Request Timeout", Fault.UNAVAILABLE, Billed.UNKNOWN, False),
            ("409 Conflict", Fault.BUSY, Billed.NO, False),
            ("429 Too Many Requests", Fault.RATE_LIMITED, Billed.NO, False),
            ("500 Internal Server Error", Fault.UNAVAILABLE, Billed.UNKNOWN, False),
            ("502 Bad Gateway", Fault.UNAVAILABLE, Billed.UNKNOWN, False),
            ("503 Service Unavailable", Fault.UNAVAILABLE, Billed.NO, False),
            ("504 Gateway Timeout", Fault.UNAVAILABLE, Billed.UNKNOWN, False),
        ],
    )
    def test_a_status_is_a_last_word(self, status: str, fault: Fault, billed: Billed, permanent: bool) -> None:
        with RawServer(answer(status=status)) as server:
            error = raised(wire(server.url).pay, "/jobs")
            assert (error.fault, error.billed, error.permanent) == (fault, billed, permanent)
            assert len(server.requests) == 1


class TestAsk:
    @pytest.mark.parametrize("kind", NO_PROPER_ANSWER)
    def test_no_proper_answer_costs_nothing_and_may_be_asked_again(self, kind: str) -> None:
        with RawServer(NO_PROPER_ANSWER[kind]) as server:
            start = time.monotonic()
            error = raised(wire(server.url).ask, "GET", "/jobs/1")
            assert time.monotonic() - start < FAR_TOO_LONG
            assert error.billed == Billed.NO
            assert error.fault in (Fault.NETWORK, Fault.BAD_ANSWER)
            assert len(server.requests) <= 2

    def test_keeps_its_connection(self) -> None:
        with RawServer(answer()) as server:
            vendor = wire(server.url)
            for _ in range(3):
                vendor.ask("GET", "/jobs/1")
            assert (server.connections, len(server.requests)) == (1, 3)

    def test_a_kept_connection_that_died_is_made_anew(self) -> None:
        with RawServer(answer(), ends_after(b""), answer(b'{"state": "done"}')) as server:
            vendor = wire(server.url)
            vendor.ask("GET", "/jobs/1")
            assert vendor.ask("GET", "/jobs/1").object == {"state": "done"}
            assert (server.connections, len(server.requests)) == (2, 3)

    def test_once_and_no_more(self) -> None:
        with RawServer(reset) as server:
            assert raised(wire(server.url).ask, "GET", "/jobs/1").fault == Fault.NETWORK
            assert len(server.requests) == 2

    def test_silence_is_not_asked_again(self) -> None:
        with RawServer(silence) as server:
            raised(wire(server.url).ask, "GET", "/jobs/1")
            assert len(server.requests) == 1

    def test_may_be_given_less_time(self, settings: Any) -> None:
        settings.PROVIDER_SECONDS = SECONDS | {"ask": 60.0}
        with RawServer(silence) as server:
            start = time.monotonic()
            raised(wire(server.url).ask, "GET", "/jobs/1", seconds=0.2)
            assert time.monotonic() - start < FAR_TOO_LONG

    def test_time_for_one_is_not_time_for_the_next(self) -> None:
        with RawServer(silence, answer()) as server:
            vendor = wire(server.url)
            raised(vendor.ask, "GET", "/jobs/1")
            assert vendor.ask("GET", "/jobs/1").status == 200

    def test_an_error_never_costs(self) -> None:
        with RawServer(answer(status="500 Internal Server Error")) as server:
            assert raised(wire(server.url).ask, "GET", "/jobs/1").billed == Billed.NO

    def test_what_was_packed_is_unpacked(self) -> None:
        with RawServer(answer(gzip.compress(b'{"a": 1}'), "Content-Encoding: gzip")) as server:
            assert wire(server.url).ask("GET", "/").object == {"a": 1}


class TestTheMachine:
    """Who is asked is said in the settings alone."""

    def test_its_proxies_are_not_asked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with RawServer(answer()) as proxy, RawServer(answer()) as server:
            for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
                monkeypatch.setenv(name, proxy.url)
            monkeypatch.setenv("no_proxy", "")
            vendor = wire(server.url)
            vendor.ask("GET", "/")
            vendor.pay("/")
            assert (proxy.connections, len(server.requests)) == (0, 2)

    def test_its_password_file_is_not_read(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "netrc").write_text("machine 127.0.0.1 login mallory password stolen\n")
        monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
        with RawServer(answer()) as server:
            wire(server.url).pay("/")
            assert b"Authorization: Bearer sk-very-secret" in server.requests[0]


class TestRetryAfter:
    @pytest.mark.parametrize(
        ("value", "seconds"),
        [
            ("7", 7.0), ("1.5", 1.5), ("0", 0.0), ("-3", 0.0), (" 12 ", 12.0), ("999999999", 86_400.0),
            ("", None), (None, None), ("soon", None), ("nan", None), ("inf", None), ("1e999", None),
            ("7 seconds", None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("Wed, 21 Oct 2015 07:28:00", None),
            ("Wed, 99 Oct 2015", None), ("Fri, 01 Jan 2100 00:00:00 GMT", 86_400.0),
            ("Fri, 01 Jan 99999 00:00:00 GMT", None),
            ("Fri, 01 Jan 2100 00:00:00 +99999999999999", None),
        ],
    )  # fmt: skip
    def test_is_seconds_or_a_date(self, value: str | None, seconds: float | None) -> None:
        assert http.seconds_of(value) == seconds

    def test_a_date_is_counted_from_now(self) -> None:
        wait = http.seconds_of(format_datetime(datetime.now(UTC) + timedelta(seconds=100)))
        assert wait is not None
        assert math.isclose(wait, 100, abs_tol=30)

    def test_is_told_with_the_refusal(self) -> None:
        with RawServer(answer(b"", "Retry-After: 9", status="429 Too Many Requests")) as server:
            assert raised(wire(server.url).pay, "/jobs").retry_after == 9.0


class TestSecrets:
    @pytest.mark.parametrize(
        ("text", "secret"),
        [
            ("Incorrect API key provided: sk-abc123def456", "abc123def456"),
            ('{"Authorization": "Bearer abc123def456"}', "abc123def456"),
            ("authorization: abc123def456", "abc123def456"),
            ("Authorization: Basic abc123def456", "abc123def456"),
            ("TC3-HMAC-SHA256 Credential=AKIDabc123/2026-11-24/ai3d/tc3_request, Signature=0ff1ce", "AKIDabc123"),
            ("TC3-HMAC-SHA256 Credential=AKIDabc123/2026-11-24/ai3d/tc3_request, Signature=0ff1ce", "0ff1ce"),
            ("invalid secret id AKIDabc123", "abc123"),
            ("key msy_abc123def456 is unknown", "abc123def456"),
            ('{"api_key": "abc123def456"}', "abc123def456"),
            ('{"SecretKey":"abc123def456"}', "abc123def456"),
            ("https://oss.aliyuncs.com/a.png?Expires=1&OSSAccessKeyId=LTAI5&Signature=abc%2B", "LTAI5"),
            ("https://oss.aliyuncs.com/a.png?Expires=1&OSSAccessKeyId=LTAI5&Signature=abc%2B", "abc%2B"),
            ('{"url":"https://cos.com/m.glb?q-ak=abc123\\u0026q-signature=0ff1ce"}', "0ff1ce"),
            ("/bucket/m.glb?X-Amz-Signature=0ff1ce", "0ff1ce"),
            ("https://alice:abc123def456@proxy.example.com/", "abc123def456"),
        ],
    )
    def test_are_in_no_evidence(self, text: str, secret: str) -> None:
        assert secret not in http.scrub(text)
        assert secret not in Answer(status=400, headers={}, content=text.encode()).evidence

    @pytest.mark.parametrize(
        "text",
        [
            '400 {"code":"InvalidParameter","message":"n must be 1","request_id":"7574ee8f-38a3"}',
            '{"usage":{"total_tokens":12},"task_status":"FAILED"}',
            "https://dashscope-result.oss-cn-beijing.aliyuncs.com/7d/a.png",
        ],
    )
    def test_and_what_helps_is(self, text: str) -> None:
        assert http.scrub(text) == text

    def test_evidence_is_bounded(self) -> None:
        assert len(Answer(status=500, headers={}, content=b"x" * 1_000_000).evidence) <= http.MOST_EVIDENCE

    def test_an_account_does_not_show_its_key(self) -> None:
        account = Account(url="https://vendor.example", secret="sk-very-secret")
        assert "sk-very-secret" not in repr(account)
        assert account.is_complete
        assert not Account(url="https://vendor.example", secret="").is_complete

    def test_no_error_of_a_broken_call_shows_the_key(self) -> None:
        with RawServer(reset) as server:
            error = raised(wire(server.url).pay, "/jobs", json={})
        chain: list[BaseException | None] = [error]
        while chain[-1] is not None:
            chain.append(chain[-1].__cause__ or chain[-1].__context__)
        assert "very-secret" not in "".join(f"{one!r} {one}" for one in chain)
