"""A server on the loopback that says exactly the bytes it is told to, and counts who came."""

import socket
import ssl
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

Answer = bytes | Callable[["RawServer", socket.socket], None]
DRIP_SECONDS = 0.05


class RawServer:
    """Answers its first request with the first answer, and so on; the last one serves all that follow."""

    def __init__(self, *answers: Answer, tls: ssl.SSLContext | None = None) -> None:
        self.answers = list(answers)
        self.tls = tls
        self.connections = 0
        self.requests: list[bytes] = []
        self.says_first = False  # before it was asked anything
        self.closing = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.accept, daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, _type: type[BaseException] | None, _e: BaseException | None, _tb: TracebackType | None) -> None:
        self.closing.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()

    def accept(self) -> None:
        """Each connection in a thread of its own."""
        while not self.closing.is_set():
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection: socket.socket) -> None:
        """Requests of one connection, one after the other."""
        if self.tls:
            try:
                connection = self.tls.wrap_socket(connection, server_side=True)
            except OSError:  # the client trusts us not
                connection.close()
                return
        with connection:
            while not self.closing.is_set():
                try:
                    request = b"-" if self.says_first else read_request(connection)
                    if not request:
                        return
                    self.requests.append(request)
                    answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                    if callable(answer):
                        answer(self, connection)
                    else:
                        connection.sendall(answer)
                except OSError:  # the client has gone, or we have broken it off
                    return


def read_request(connection: socket.socket) -> bytes:
    """Head and body, or b"" at the end of the connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65_536)
        if not more:
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line.partition(b":")[2] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    left = int(lengths[0]) - len(body) if lengths else 0
    while left > 0 and (more := connection.recv(65_536)):
        left -= len(more)
        data += more
    return data


def answer(body: bytes = b"{}", *headers: str, status: str = "200 OK", length: int | None = None) -> bytes:
    """A proper answer; `length`: what it says of its size, if that is not true."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def chunked(*pieces: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    """An answer that does not say its size."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + end


def silence(server: RawServer, _connection: socket.socket) -> None:
    """Nothing, for as long as the test lasts."""
    server.closing.wait()


def reset(_server: RawServer, connection: socket.socket) -> None:
    """Broken off, as a cable does."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def ends_after(content: bytes) -> Answer:
    """So much, and then the connection is closed in good order."""

    def send(_server: RawServer, connection: socket.socket) -> None:
        connection.sendall(content)
        connection.shutdown(socket.SHUT_RDWR)
        connection.close()

    return send


def dripping(start: bytes, drop: bytes = b"a") -> Answer:
    """A start, and then a drop now and then: no silence is long, and there is no end."""

    def send(server: RawServer, connection: socket.socket) -> None:
        connection.sendall(start)
        while not server.closing.wait(DRIP_SECONDS):
            connection.sendall(drop)

    return send


def endless(start: bytes, block: bytes = bytes(65_536)) -> Answer:
    """A start, and then as much as the client takes."""

    def send(server: RawServer, connection: socket.socket) -> None:
        connection.sendall(start)
        while not server.closing.is_set():
            connection.sendall(block)

    return send
