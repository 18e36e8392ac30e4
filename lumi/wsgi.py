"""The WSGI application, for a production server."""

import os

import django
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest


class Utf8Request(WSGIRequest):
    """Text comes as UTF-8, whatever a client calls it. Django would read addresses and forms with any codec that a
    `charset` names and Python knows: also with “hex” or “zip”, which are none for text, and end in a 500 that no
    handler sees."""

    @property
    def encoding(self) -> str:
        """For Django and DRF."""
        return "utf-8"

    @encoding.setter
    def encoding(self, charset: str) -> None:
        """There is no other."""


class Application(WSGIHandler):
    """Django's, with requests of ours."""

    request_class = Utf8Request


os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lumi.settings")
django.setup(set_prefix=False)
application = Application()
