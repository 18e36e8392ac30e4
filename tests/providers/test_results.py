"""Results on their way: from where they may come and from nowhere else, bounded in time and size."""

import gzip
import socket
import ssl
import time
import tracemalloc
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from requests_hardened import HTTPSession

from providers import results
from providers.base import Billed, Fault, ProviderError
from providers.http import chunks, keep_time, within
from tests.providers.raw_server import RawServer, answer, chunked, dripping, endless, ends_after, reset, silence

HOSTS = ("aliyuncs.com", "results.vendor.example")
FAR_TOO_LONG = 10.0
MEGABYTE = 1024 * 1024


@pytest.fixture(autouse=True)
def _little_patience(settings: Any) -> None:
    settings.PROVIDER_SECONDS = {"connect": 0.3, "ask": 0.4, "pay": 0.3, "download": 0.8}
    settings.RESULTS_FROM_LOOPBACK = True
    settings.RESULT_HOSTS = ()


@pytest.fixture
def witness() -> Iterator[RawServer]:
    """Somebody on this machine who must never be spoken to."""
    with RawServer(answer(b"secret")) as server:
        yield server


def raised(call: Any, *arguments: Any, **named: Any) -> ProviderError:
    """What a call raises."""
    with pytest.raises(ProviderError) as caught:
        call(*arguments, **named)
    return caught.value


class TestHosts:
    @pytest.mark.parametrize(
        ("url", "asked"),
        [
            ("https://bucket.oss-cn-beijing.aliyuncs.com/a.png?x=1&y=%20", None),
            ("https://aliyuncs.com/a.png", None),
            ("http://bucket.aliyuncs.com/a.png", "https://bucket.aliyuncs.com/a.png"),
            ("http://bucket.aliyuncs.com:80/a.png", "https://bucket.aliyuncs.com/a.png"),
            ("https://bucket.aliyuncs.com:443/a.png", "https://bucket.aliyuncs.com/a.png"),
            ("HTTPS://Bucket.AliyunCS.com/A.png", "https://bucket.aliyuncs.com/A.png"),
            ("https://bucket.aliyuncs.com./a.png", "https://bucket.aliyuncs.com/a.png"),
            ("https://results.vendor.example/a.png", None),
            ("http://127.0.0.1:8000/a.png", None),
        ],
    )
    def test_that_results_come_from(self, url: str, asked: str | None) -> None:
        assert results.allowed(url, HOSTS) == (asked or url)

    @pytest.mark.parametrize(
        "url",
        [
            "https://evilaliyuncs.com/a.png", "https://aliyuncs.com.evil.net/a.png", "https://vendor.example/a.png",
            "https://aliyuncs.com@evil.net/a.png", "https://evil.net/aliyuncs.com", "https://evil.net?.aliyuncs.com",
            "https://evil.net#.aliyuncs.com", "https://evil.net\\.aliyuncs.com/a.png", "https://evil.net\\@aliyuncs.com/",
            "https://user@bucket.aliyuncs.com/a.png", "https://user:word@bucket.aliyuncs.com/a.png",
            "https://bucket.aliyuncs.com:8443/a.png", "https://bucket.aliyuncs.com:22/a.png",
            "https://bucket.aliyuncs.com:99999/a.png", "https://bucket.aliyuncs.com:x/a.png",
            "file:///etc/passwd", "file://bucket.aliyuncs.com/etc/passwd", "ftp://bucket.aliyuncs.com/a.png",
            "gopher://bucket.aliyuncs.com/_a", "data:image/png;base64,AAAA", "javascript:alert(1)", "//aliyuncs.com/a",
            "https://93.184.216.34/a.png", "https://[2606:2800:220:1::1]/a.png", "https://[::1]/a.png", "https://[::1/a",
            "https://2130706433/a.png", "https://0177.0.0.1/a.png", "https://0x7f.1/a.png", "https://127.1/a.png",
            "http://127.0.0.2/a.png", "http://0.0.0.0/a.png", "https://127.0.0.1/a.png", "ftp://127.0.0.1/a.png",
            "https://evil.net\N{FULLWIDTH SOLIDUS}.aliyuncs.com/a.png",
            "https://b\N{CYRILLIC SMALL LETTER A}.aliyuncs.com/",
            "https://\N{FULLWIDTH LATIN SMALL LETTER A}liyuncs.com/a.png", "https://evil。aliyuncs.com/a.png",
            "https://.aliyuncs.com%2eevil.net/a.png", "https://evil.net%00.aliyuncs.com/a.png", "https://", "", "a.png",
        ],
    )  # fmt: skip
    def test_that_they_do_not_come_from(self, url: str) -> None:
        error = raised(results.allowed, url, HOSTS)
        assert (error.fault, error.permanent, error.billed) == (Fault.BAD_ANSWER, True, Billed.YES)

    def test_more_of_them_by_a_setting(self, settings: Any) -> None:
        settings.RESULT_HOSTS = (".CDN.example", "files.other.example")
        assert results.allowed("https://a.cdn.example/x", HOSTS)
        assert results.allowed("https://files.other.example/x", HOSTS)
        assert raised(results.allowed, "https://cdn.example.evil.net/x", HOSTS).permanent

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
    def test_not_this_machine_unless_a_setting_says_so(self, settings: Any, witness: RawServer, host: str) -> None:
        settings.RESULTS_FROM_LOOPBACK = False
        raised(results.allowed, f"http://{host}:{witness.port}/a.png", HOSTS)

    def test_no_signature_in_what_is_said_of_them(self) -> None:
        error = raised(results.allowed, "ftp://evil.net/a.png?Signature=0ff1ce", HOSTS)
        assert "0ff1ce" not in str(error)


class TestPrivateAddresses:
    """Refused where the connection is made, whatever the rules on names say. The witness listens on this machine."""

    @pytest.fixture(autouse=True)
    def _for_real(self, settings: Any) -> None:
        settings.RESULTS_FROM_LOOPBACK = False

    def opening(self, url: str) -> ProviderError:
        """What comes of an address that the rules on names have let through."""
        with HTTPSession(results.guard()) as session:
            return raised(results.opened(session, url).__enter__)

    @pytest.mark.parametrize(
        "host",
        [
            "localhost", "127.0.0.1", "127.0.0.2", "127.1", "2130706433", "0177.0.0.1", "0x7f.0.0.1", "0.0.0.0", "0",
            "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]",
        ],
    )  # fmt: skip
    def test_this_machine_by_any_name(self, witness: RawServer, host: str) -> None:
        error = self.opening(f"http://{host}:{witness.port}/latest/meta-data/")
        assert (error.fault, error.permanent, witness.connections) == (Fault.BAD_ANSWER, True, 0)
        assert "private address" in error.evidence

    @pytest.mark.parametrize(
        "address",
        [
            "127.0.0.1", "10.0.0.7", "172.16.3.4", "192.168.1.1", "169.254.169.254", "100.100.100.200", "0.0.0.0",
            "224.0.0.1", "255.255.255.255", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.7", "fe80::1", "fd00::1",
            "64:ff9b::a00:7", "2002:a00:7::1", "ff02::1",
        ],
    )  # fmt: skip
    def test_an_allowed_name_that_leads_there(
        self, witness: RawServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
    ) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        found = [(family, socket.SOCK_STREAM, 6, "", (address, witness.port))]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)  # the world's names are not on this machine
        error = raised(
            results.download, "https://bucket.aliyuncs.com/a.png", tmp_path / "a", hosts=HOSTS, most=MEGABYTE
        )
        assert (error.fault, error.permanent, witness.connections) == (Fault.BAD_ANSWER, True, 0)
        assert "private address" in error.evidence
        assert not (tmp_path / "a").exists()

    def test_the_very_address_that_was_judged_is_connected_to(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Any
    ) -> None:
        """A name that leads elsewhere when it is asked for again gains nothing: it is asked for once."""
        settings.RESULTS_FROM_LOOPBACK = True
        asked, real = [], socket.getaddrinfo
        with RawServer(answer(b"content")) as server:

            def resolve(host: str, *arguments: Any, **named: Any) -> Any:
                asked.append(host)
                return real("127.0.0.1" if host == "localhost" else host, *arguments, **named)

            monkeypatch.setattr(socket, "getaddrinfo", resolve)
            results.download(f"http://localhost:{server.port}/", tmp_path / "a", hosts=(), most=MEGABYTE)
        assert asked.count("localhost") == 1

    @pytest.mark.parametrize("name", ["no..name.aliyuncs.com", f"{'a' * 64}.aliyuncs.com", "vendor.invalid"])
    def test_a_name_that_no_resolver_takes_is_an_error_like_others(self, tmp_path: Path, name: str) -> None:
        raised(results.download, f"https://{name}/a", tmp_path / "a", hosts=("aliyuncs.com", "invalid"), most=MEGABYTE)


class TestTls:
    """The connection goes to the address that was judged, but the certificate is asked for the name."""

    def opening(self, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
        """What a server with a certificate for files.vendor.example says to a client that looks for this name."""
        authority, tls = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("files.vendor.example").configure_cert(tls)
        authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
        with RawServer(answer(b"content"), tls=tls) as server, HTTPSession(results.guard()) as session:
            found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))]
            monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
            session.trust_env, session.verify = False, str(tmp_path / "authority.pem")
            keep_time(session)
            with within(5.0), results.opened(session, f"https://{name}:{server.port}/") as response:
                return b"".join(chunks(response, MEGABYTE))

    def test_the_name_is_the_certificates(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert self.opening("files.vendor.example", tmp_path, monkeypatch) == b"content"

    def test_another_name_is_not(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert "SSLError" in raised(self.opening, "other.vendor.example", tmp_path, monkeypatch).evidence


class TestRedirects:
    """Each is judged like the first address."""

    def redirected(self, location: str, tmp_path: Path) -> ProviderError:
        """What comes of a redirect to there."""
        with RawServer(answer(b"", f"Location: {location}", status="302 Found")) as server:
            return raised(results.download, f"{server.url}/a", tmp_path / "a", hosts=HOSTS, most=MEGABYTE)

    @pytest.mark.parametrize(
        "location",
        [
            "http://169.254.169.254/latest/meta-data/", "http://10.0.0.1/", "https://evil.net/a.png", "http://[::]/",
            "file:///etc/passwd", "ftp://bucket.aliyuncs.com/a", "data:text/html,x", "http://[", "//evil.net/a.png",
            "http://127.0.0.1@evil.net/", "https://bucket.aliyuncs.com:8443/a",
        ],
    )  # fmt: skip
    def test_to_where_no_result_is(self, tmp_path: Path, location: str) -> None:
        error = self.redirected(location, tmp_path)
        assert (error.fault, error.permanent) == (Fault.BAD_ANSWER, True)

    @pytest.mark.parametrize("host", ["0.0.0.0", "127.0.0.2", "2130706433", "[::ffff:127.0.0.1]", "[::]"])
    def test_to_this_machine_by_another_name(self, tmp_path: Path, witness: RawServer, host: str) -> None:
        assert self.redirected(f"http://{host}:{witness.port}/", tmp_path).permanent
        assert witness.connections == 0

    def test_a_good_one_is_followed(self, tmp_path: Path) -> None:
        with RawServer(answer(b"content")) as store:
            moved = answer(b"", f"Location: {store.url}/b", status="307 Temporary Redirect")
            with RawServer(moved) as server:
                results.download(f"{server.url}/a", tmp_path / "a", hosts=(), most=MEGABYTE)
        assert (tmp_path / "a").read_bytes() == b"content"

    def test_a_bare_path_is_on_the_same_machine(self, tmp_path: Path) -> None:
        with RawServer(answer(b"", "Location: /b", status="302 Found"), answer(b"content")) as server:
            results.download(f"{server.url}/a", tmp_path / "a", hosts=(), most=MEGABYTE)
            assert server.requests[1].startswith(b"GET /b ")

    def test_again_and_again(self, tmp_path: Path) -> None:
        with RawServer(answer(b"", "Location: /a", status="302 Found")) as server:
            raised(results.download, f"{server.url}/a", tmp_path / "a", hosts=(), most=MEGABYTE)
            assert len(server.requests) == results.MOST_REDIRECTS + 1

    def test_to_nowhere(self, tmp_path: Path) -> None:
        with RawServer(answer(b"", status="302 Found")) as server:
            error = raised(results.download, f"{server.url}/a", tmp_path / "a", hosts=(), most=MEGABYTE)
        assert error.fault == Fault.UNAVAILABLE


class TestTheWay:
    def downloaded(self, reply: Any, tmp_path: Path, most: int = MEGABYTE) -> int:
        """The size of what was saved. Raises ProviderError."""
        with RawServer(reply) as server:
            results.download(f"{server.url}/a?Signature=0ff1ce", tmp_path / "a", hosts=(), most=most)
        return (tmp_path / "a").stat().st_size

    @pytest.mark.parametrize(
        "reply",
        [
            answer(b"x" * 1000),
            chunked(b"x" * 400, b"x" * 600),
            ends_after(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1000),
            answer(gzip.compress(b"x" * 1000), "Content-Encoding: gzip"),
            answer(b"x" * 1000, "Content-Type: application/octet-stream"),
        ],
    )
    def test_what_is_whole_is_saved(self, tmp_path: Path, reply: Any) -> None:
        assert self.downloaded(reply, tmp_path) == 1000

    def test_exactly_as_much_as_may_be(self, tmp_path: Path) -> None:
        assert self.downloaded(answer(bytes(1000)), tmp_path, most=1000) == 1000

    @pytest.mark.parametrize(
        "reply",
        [
            answer(bytes(1001)),
            chunked(bytes(1001)),
            endless(b"HTTP/1.1 200 OK\r\n\r\n"),
            endless(b"HTTP/1.1 200 OK\r\nContent-Length: 2147483648\r\n\r\n"),
            endless(b"HTTP/1.1 200 OK\r\nContent-Length: a lot\r\n\r\n"),
            answer(gzip.compress(bytes(64 * MEGABYTE)), "Content-Encoding: gzip"),
            answer(gzip.compress(gzip.compress(bytes(64 * MEGABYTE))), "Content-Encoding: gzip, gzip"),
            answer(zlib.compress(bytes(64 * MEGABYTE)), "Content-Encoding: deflate"),
        ],
        ids=["said", "chunked", "endless", "2 GB", "nonsense", "gzip bomb", "gzip in gzip", "deflate bomb"],
    )
    def test_more_is_not(self, tmp_path: Path, reply: Any) -> None:
        error = raised(self.downloaded, reply, tmp_path, most=1000)
        assert (error.fault, error.permanent) == (Fault.BAD_ANSWER, True)
        assert not (tmp_path / "a").exists() or (tmp_path / "a").stat().st_size <= 1000

    @pytest.mark.parametrize(
        "reply",
        [
            silence,
            reset,
            ends_after(b""),
            dripping(b"HTTP/1.1 200 OK\r\nX-Slow: "),
            dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n"),
            dripping(b"HTTP/1.1 200 OK\r\n\r\n"),
            dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;"),
            ends_after(answer(b"x" * 1000, length=2000)),
            ends_after(chunked(b"x" * 1000, end=b"")),
            answer(b"not gzip", "Content-Encoding: gzip"),
            ends_after(b"SSH-2.0-OpenSSH_9.2\r\n"),
        ],
        ids=["silence", "reset", "close", "drip of headers", "drip", "endless drip", "drip in a chunk", "truncated",
             "truncated chunks", "not gzip", "no HTTP"],
    )  # fmt: skip
    def test_what_breaks_off_may_be_better_next_time(self, tmp_path: Path, reply: Any) -> None:
        start = time.monotonic()
        error = raised(self.downloaded, reply, tmp_path)
        assert time.monotonic() - start < FAR_TOO_LONG
        assert (error.fault, error.permanent) == (Fault.NETWORK, False)
        assert "0ff1ce" not in str(error)

    @pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden", "404 Not Found", "410 Gone"])
    def test_a_link_that_has_died(self, tmp_path: Path, status: str) -> None:
        error = raised(self.downloaded, answer(b"<Error/>", status=status), tmp_path)
        assert (error.fault, error.permanent, error.billed) == (Fault.RESULT_GONE, True, Billed.YES)

    @pytest.mark.parametrize("status", ["500 Internal Server Error", "503 Slow Down", "429 Too Many", "206 Partial"])
    def test_a_store_that_is_down(self, tmp_path: Path, status: str) -> None:
        error = raised(self.downloaded, answer(b"part", status=status), tmp_path)
        assert (error.fault, error.permanent) == (Fault.UNAVAILABLE, False)

    def test_a_page_is_no_result(self, tmp_path: Path) -> None:
        error = raised(self.downloaded, answer(b"<html>", "Content-Type: text/html; charset=utf-8"), tmp_path)
        assert (error.fault, error.permanent) == (Fault.BAD_ANSWER, True)

    def test_nothing_is_no_result(self, tmp_path: Path) -> None:
        assert raised(self.downloaded, answer(b""), tmp_path).fault == Fault.BAD_ANSWER

    def test_the_machine_is_not_asked_for_a_proxy(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with RawServer(answer(b"proxied")) as proxy:
            monkeypatch.setenv("http_proxy", proxy.url)
            monkeypatch.setenv("no_proxy", "")
            assert self.downloaded(answer(b"x"), tmp_path) == 1
            assert proxy.connections == 0

    def test_it_is_never_held_in_memory(self, tmp_path: Path, settings: Any) -> None:
        settings.PROVIDER_SECONDS = {"connect": 60.0, "ask": 60.0, "pay": 60.0, "download": 60.0}

        def large(_server: RawServer, connection: socket.socket) -> None:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (128 * MEGABYTE))
            for _ in range(128):
                connection.sendall(bytes(MEGABYTE))

        tracemalloc.start()
        try:
            assert self.downloaded(large, tmp_path, most=300 * MEGABYTE) == 128 * MEGABYTE
            assert tracemalloc.get_traced_memory()[1] < 8 * MEGABYTE
        finally:
            tracemalloc.stop()
