"""A real mail server on loopback: STARTTLS with our own certificate, AUTH, and what a server may say, or not say."""

import gc
import socket
import ssl
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from tests.services import free_port

USER, PASSWORD = "lumi", "p@ss word"


@dataclass
class Mailbox:
    """What has arrived. `refusals`: by recipient, what the server says to it instead."""

    port: int
    mails: list[EmailMessage] = field(default_factory=list)
    refusals: dict[str, str] = field(default_factory=dict)
    recipients: list[str] = field(default_factory=list)

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:
        """aiosmtpd's hook."""
        if address in self.refusals:
            return self.refusals[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """aiosmtpd's hook."""
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        self.recipients += envelope.rcpt_tos
        return "250 OK"

    def url(self, password: str = "p%40ss%20word") -> str:
        """For EMAIL_URL."""
        return f"smtp+tls://{USER}:{password}@127.0.0.1:{self.port}"


def check(server: Any, session: Any, envelope: Any, mechanism: str, login: Any) -> AuthResult:
    """One account."""
    right = isinstance(login, LoginPassword) and (login.login, login.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=right, handled=False)


@contextmanager
def mail_server(authority: trustme.CA) -> Iterator[Mailbox]:
    """A server that takes mail over TLS only, from whoever has the password."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    mailbox = Mailbox(free_port())
    controller = Controller(
        mailbox, "127.0.0.1", mailbox.port, tls_context=context, require_starttls=True, authenticator=check,
        auth_required=True,
    )  # fmt: skip
    controller.start()
    try:
        yield mailbox
    finally:
        with warnings.catch_warnings():  # it does not wait for the ends of its connections
            warnings.simplefilter("ignore", ResourceWarning)
            controller.stop()
            del controller
            gc.collect()


@contextmanager
def silent_server() -> Iterator[str]:
    """It takes the call and says nothing, ever; its EMAIL_URL."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield f"smtp://127.0.0.1:{server.getsockname()[1]}"


def write_certificate(authority: trustme.CA, folder: Path) -> Path:
    """For SSL_CERT_FILE."""
    path = folder / "authority.pem"
    authority.cert_pem.write_to_path(path)
    return path
