"""Mails; and mail on a new machine: written to a folder and shown on the console, where the person looks.

A mail is text and HTML from one set of sentences. The templates are the layout only.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.core.mail.backends import filebased
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from lumi.accounts.models import Purpose
from lumi.ids import new_id

HEADERS = {"Auto-Submitted": "auto-generated"}  # no "I am on holiday" comes back


class Mail(EmailMultiAlternatives):
    """A mail; `code` is what it carries, so that `FolderBackend` can show it. Nobody else looks."""

    code = ""


def code_mail(*, email: str, purpose: str, code: str, language: str) -> Mail:
    """A mail with a code, in this language. Mail servers log subjects: the code is not in there."""
    with translation.override(language):
        mail = composed(
            to=email,
            subject=_("Your code for Lumi"),
            opening=opening_for(purpose),
            code=code,
            paragraphs=[
                _("It works once, within %(minutes)s minutes. Nobody from Lumi will ever ask you for it.")
                % {"minutes": max(1, int(settings.CODE_LIFETIME.total_seconds() // 60))},
                _("You did not ask for it? Then please ignore this mail; nothing will happen."),
            ],
        )
    mail.code = code
    return mail


def opening_for(purpose: str) -> str:
    """What the code is for."""
    return {
        Purpose.LOGIN.value: _("Your code to log in:"),
        Purpose.REGISTER.value: _("Your code to register:"),
        Purpose.CHANGE_EMAIL.value: _("Your code to make this the e-mail address of your account:"),
        Purpose.DELETE.value: _("Your code to delete your account, for good:"),
    }[purpose]


def address_changed_mail(*, email: str, language: str) -> Mail:
    """To the former address. It does not name the new one: the former may be in other hands by now."""
    with translation.override(language):
        return composed(
            to=email,
            subject=_("Your e-mail address at Lumi was changed"),
            opening=_("Your account now has another e-mail address. This one no longer belongs to it."),
            paragraphs=[_("It was not you? Then please contact us at once: somebody else is in your account.")],
        )


def composed(*, to: str, subject: str, **words: Any) -> Mail:
    """Both forms of a mail, in the language that is active. `words`: opening, paragraphs, and perhaps a code."""
    words |= {"language": translation.get_language(), "subject": subject}
    mail = Mail(subject=subject, body=render_to_string("accounts/mail.txt", words), to=[to], headers=HEADERS)
    mail.attach_alternative(render_to_string("accounts/mail.html", words), "text/html")
    return mail


class FolderBackend(filebased.EmailBackend):
    """One `.eml` file a mail in EMAIL_FILE_PATH, oldest name first, and one line on the console.

    For machines without a mail server only: with EMAIL_URL set, no code is ever printed or written. The text stands in
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
        if code := code_of(message):
            content["X-Lumi-Code"] = code
        path = Path(self.file_path) / f"{timezone.now():%Y%m%d-%H%M%S}-{new_id()}.eml"
        unfinished = path.with_suffix(".part")
        unfinished.write_bytes(content.as_bytes())
        return unfinished.rename(path)

    def show(self, message: EmailMessage, path: Path) -> None:
        """Say on the console whom the mail is for, what it is about, and the code."""
        code = f"  code: {code_of(message)}" if code_of(message) else ""
        line = f"[mail] to: {', '.join(message.recipients())}  subject: {message.subject}{code}  file: {path}\n"
        encoding = sys.stdout.encoding or "utf-8"
        sys.stdout.write(line.encode(encoding, "replace").decode(encoding))  # a console may know no Chinese
        sys.stdout.flush()


def code_of(message: EmailMessage) -> str:
    """The code that it carries, or ""."""
    return message.code if isinstance(message, Mail) else ""
