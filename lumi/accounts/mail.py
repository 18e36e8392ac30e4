"""Mails with codes; and mail on a new machine: written to a folder and shown on the console, where the person looks."""

import sys
from collections.abc import Sequence
from pathlib import Path

from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends import filebased
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from lumi.accounts.models import Purpose
from lumi.ids import new_id


class CodeMail(EmailMessage):
    """A mail that says which code it carries, so that `FolderBackend` can show it. Nobody else looks."""

    code: str


def code_mail(*, email: str, purpose: str, code: str, language: str) -> CodeMail:
    """The mail in the language of whoever asked. Mail servers log subjects: the code is not in there."""
    with translation.override(language):
        mail = CodeMail(subject=_("Your code for Lumi"), body=words(purpose=purpose, code=code), to=[email])
    mail.code = code
    return mail


def words(*, purpose: str, code: str) -> str:
    """What the mail says."""
    opening = (
        _("Your code to register: %(code)s") if purpose == Purpose.REGISTER else _("Your code to log in: %(code)s")
    )
    paragraphs = [
        opening % {"code": code},
        _("It works once, within %(minutes)s minutes. Nobody from Lumi will ever ask you for it.")
        % {"minutes": max(1, int(settings.CODE_LIFETIME.total_seconds() // 60))},
        _("You did not ask for it? Then please ignore this mail; nothing will happen."),
    ]
    return "\n\n".join(paragraphs) + "\n"


class FolderBackend(filebased.EmailBackend):
    """One `.eml` file a mail in EMAIL_FILE_PATH, oldest name first, and one line on the console.

    For machines without a mail server only: with EMAIL_URL set, no code is ever printed or written. The body stands in
    the file as it is (UTF-8, 8bit); the header `X-Lumi-Code` is for scripts.
    """

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Write and show each mail; how many there were."""
        for message in email_messages:
            path = self.keep(message)
            self.show(message, path)
        return len(email_messages)

    def keep(self, message: EmailMessage) -> Path:
        """Write the mail, whole or not at all: a script may be watching the folder."""
        content = message.message()
        if isinstance(message, CodeMail):
            content["X-Lumi-Code"] = message.code
        path = Path(self.file_path) / f"{timezone.now():%Y%m%d-%H%M%S}-{new_id()}.eml"
        unfinished = path.with_suffix(".part")
        unfinished.write_bytes(content.as_bytes())
        return unfinished.rename(path)

    def show(self, message: EmailMessage, path: Path) -> None:
        """Say on the console whom the mail is for, what it is about, and the code."""
        code = f"  code: {message.code}" if isinstance(message, CodeMail) else ""
        line = f"[mail] to: {', '.join(message.recipients())}  subject: {message.subject}{code}  file: {path}\n"
        encoding = sys.stdout.encoding or "utf-8"
        sys.stdout.write(line.encode(encoding, "replace").decode(encoding))  # a console may know no Chinese
        sys.stdout.flush()
