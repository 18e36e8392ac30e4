"""Attacks on real processes, over a socket: what a test client would never send, and what only threads can do."""

import json
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.attacks.callers import Caller, another_ip
from tests.fuzz.things import picture
from tests.fuzz.world import new_address
from tests.journeys.people import mailed_code
from tests.journeys.stack import Stack

pytestmark = pytest.mark.journey

GUESSERS, GUESSES = 8, 200
MAILS_A_MINUTE, A_FEW = 60, 5  # a window that slides counts its past by weight
CHARSETS = ["utf-16", "utf-7", "hex", "idna", "unicode_escape", "nonsense", '"']


def mails_to(stack: Stack, ending: str) -> list[bytes]:
    """All that were sent to such addresses."""
    return [mail for path in stack.mails.glob("*.eml") if ending.encode() in (mail := path.read_bytes())]


# --- Signing in -------------------------------------------------------------------------------------------------------


class TestGuessing:
    """Every guess comes from another address, many at once: a thousandth of a percent is all that they get."""

    def guess(self, stack: Stack, email: str, code: str) -> tuple[int, str]:
        """One; the status and the answer."""
        body = {"email": email, "code": code}
        answer = requests.post(f"{stack.url}/api/auth/register", json=body, headers=another_ip(), timeout=60)
        return answer.status_code, answer.text

    def test_from_many_addresses_at_once_ends_after_five(self, stack: Stack) -> None:
        email = new_address()
        Caller(stack).post("/api/auth/send-code", {"email": email, "type": "REGISTER"})
        right = mailed_code(stack, email)
        wrong = [f"{(int(right) + number) % 1_000_000:06}" for number in range(1, GUESSES + 1)]
        with ThreadPoolExecutor(GUESSERS) as pool:
            answers = set(pool.map(lambda code: self.guess(stack, email, code), wrong))
        assert {status for status, _ in answers} == {400}
        assert {text for _, text in answers} == {self.guess(stack, email, right)[1]}, "the right one is as wrong by now"

    def test_with_the_right_one_among_them_counts_every_one(self, stack: Stack) -> None:
        email = new_address()
        Caller(stack).post("/api/auth/send-code", {"email": email, "type": "REGISTER"})
        right = mailed_code(stack, email)
        wrong = [f"{(int(right) + number) % 1_000_000:06}" for number in range(1, 6)]
        assert [self.guess(stack, email, code)[0] for code in [*wrong, right]] == [400] * 6


class TestMail:
    def ask(self, stack: Stack, email: str, ip: dict[str, str]) -> int:
        """The status."""
        body = {"email": email, "type": "LOGIN"}
        return requests.post(f"{stack.url}/api/auth/send-code", json=body, headers=ip, timeout=60).status_code

    def test_to_one_address_from_everywhere_is_one(self, stack: Stack) -> None:
        email = new_address()
        spellings = [email, email.upper(), f" {email}", email.replace("example.com", "EXAMPLE.com")] * 10
        with ThreadPoolExecutor(GUESSERS) as pool:
            answers = list(pool.map(lambda text: self.ask(stack, text, another_ip()), spellings))
        assert sorted(answers) == [200] + [429] * (len(spellings) - 1)
        assert len(mails_to(stack, email)) == 1

    def test_to_many_addresses_from_one_has_a_bound(self, stack: Stack) -> None:
        ip = another_ip()
        with ThreadPoolExecutor(GUESSERS) as pool:
            answers = list(pool.map(lambda number: self.ask(stack, f"{number}@bombed.example.com", ip), range(100)))
        assert len(mails_to(stack, "@bombed.example.com")) == answers.count(200) <= MAILS_A_MINUTE + A_FEW
        assert set(answers) == {200, 429}


# --- Hosts, verbs, charsets -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Host", "X-Forwarded-Host", "X-Host", "Forwarded", "X-Original-URL", "X-Rewrite-URL"])
def test_a_host_that_is_not_ours_is_never_repeated(stack: Stack, person: Caller, name: str) -> None:
    evil = "host=evil.example" if name == "Forwarded" else "evil.example"
    for path in ("/", "/api/auth/me", "/api/models/public", "/docs", "/admin/login/"):
        answer = requests.get(f"{stack.url}{path}", headers={**person.headers, name: evil}, timeout=60)
        assert answer.status_code == (400 if name == "Host" else 200)
        assert "evil.example" not in answer.text + str(answer.headers)


@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
def test_a_verb_is_the_one_that_was_sent(person: Caller, name: str) -> None:
    request_id = person.ask_for("a small cat")
    url, headers = f"{person.stack.url}/api/requests/{request_id}", {**person.headers, name: "DELETE"}
    for send in (requests.get, requests.post):
        send(f"{url}?_method=DELETE", headers=headers, data={"_method": "DELETE"}, timeout=60)
    assert person.get(f"/api/requests/{request_id}")["id"] == request_id


@pytest.mark.parametrize("verb", ["TRACE", "CONNECT", "PROPFIND", "get", "JEFF", "QUERY"])
def test_a_verb_that_nobody_offers(stack: Stack, person: Caller, verb: str) -> None:
    answer = requests.request(verb, f"{stack.url}/api/auth/sessions", headers=person.headers, timeout=60)
    assert answer.status_code == (200 if verb == "get" else 405)
    assert "Bearer" not in answer.text


@pytest.mark.parametrize("charset", CHARSETS)
class TestACharset:
    def test_does_not_reach_the_query(self, stack: Stack, charset: str) -> None:
        headers = another_ip() | {"Content-Type": f"application/json; charset={charset}"}
        answer = requests.get(f"{stack.url}/api/models/public?limit=1&offset=%ff", headers=headers, timeout=60)
        assert answer.status_code == 400
        assert answer.json()["data"]["code"] == "VALIDATION_ERROR"

    def test_does_not_reach_json(self, stack: Stack, person: Caller, charset: str) -> None:
        headers = {**person.headers, "Content-Type": f"application/json; charset={charset}"}
        for encoding, status in (("utf-8", 201), ("utf-16", 400)):
            content = json.dumps({"prompt": "一只小猫"}, ensure_ascii=False).encode(encoding)
            answer = requests.post(f"{stack.url}/api/requests", content, headers=headers, timeout=60)
            assert answer.status_code == status
            assert status == 400 or answer.json()["data"]["request"]["prompt"] == "一只小猫"

    @pytest.mark.parametrize(("prompt", "shown"), [("猫".encode(), "猫"), (b"\xff", "\ufffd")])
    def test_does_not_reach_forms(self, stack: Stack, person: Caller, charset: str, prompt: bytes, shown: str) -> None:
        text = b'--x\r\nContent-Disposition: form-data; name="prompt"\r\n\r\n' + prompt
        file = b'\r\n--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n' + picture()
        headers = {**person.headers, "Content-Type": f"multipart/form-data; boundary=x; charset={charset}"}
        content = text + file + b"\r\n--x--\r\n"
        answer = requests.post(f"{stack.url}/api/requests/upload", content, headers=headers, timeout=60)
        assert answer.status_code == 201, answer.text
        assert answer.json()["data"]["request"]["prompt"] == shown


# --- Paths ------------------------------------------------------------------------------------------------------------


UP = ["..", "%2e%2e", "%2E.", "..%00", "..;", "%252e%252e", "..\\", "%5c..", "%c0%ae%c0%ae", "....//", "%uff0e%uff0e"]
SECRETS = ["secret-key", "lumi.sqlite3", "etc/passwd", "manage.py"]


def raw(stack: Stack, target: str) -> bytes:
    """The answer to a request line exactly as it is given."""
    rest = "HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-For: 203.0.113.9\r\nConnection: close\r\n\r\n"
    return exchange(stack, f"GET {target} {rest}".encode("latin-1"))


def exchange(stack: Stack, sent: bytes) -> bytes:
    """What comes back, until the connection is closed."""
    with socket.create_connection(("127.0.0.1", stack.port), timeout=60) as connection:
        connection.sendall(sent)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


@pytest.mark.parametrize("up", UP)
@pytest.mark.parametrize("root", ["/files", "/static", "/files/images", "http://127.0.0.1/files", ""])
def test_no_path_leads_out_of_a_folder(stack: Stack, root: str, up: str) -> None:
    key = (stack.folder / "data" / "secret-key").read_bytes()
    for steps in (1, 2, 6):
        for secret in SECRETS:
            answer = raw(stack, f"{root}/{f'{up}/' * steps}{secret}")
            assert answer.split(b" ", 2)[1] in (b"400", b"404"), answer
            assert not any(word in answer for word in (key, b"SQLite format", b"root:", b"DJANGO_SETTINGS")), answer


# --- What is no HTTP --------------------------------------------------------------------------------------------------


NO_HTTP = {
    "no first line": b"HELLO\r\n\r\n",
    "a header without a colon": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nEvil\r\n\r\n",
    "a space before the colon": b"GET / HTTP/1.1\r\nHost : 127.0.0.1\r\n\r\n",
    "a length below nothing": b"POST /api/requests HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -5\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "a strange encoding": b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: gzip\r\n\r\n",
    "a chunk that is none": b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    "two gigabytes": b"POST /api/requests HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 2000000000\r\n\r\n",
    "a hundred megabytes": b"POST /api/models/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 99999999\r\n\r\n",
}


@pytest.mark.parametrize("kind", NO_HTTP)
def test_what_is_no_http_is_refused_in_the_envelope(stack: Stack, kind: str) -> None:
    answer = exchange(stack, NO_HTTP[kind])
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.split(b" ")[1] == (b"413" if kind.endswith("bytes") else b"400"), answer
    assert json.loads(body)["data"]["code"] == "VALIDATION_ERROR"
    assert b"waitress" not in answer
