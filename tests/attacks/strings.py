"""Every text field and every header that is parsed, against texts that make a careless pattern run for ever.

`tests/attacks/test_strings.py` runs this with a bound on its processor time. Who looks at each sign a few times needs a
sixth of it; who looks at each sign once for each sign needs minutes, and is killed.
"""

import copy
from collections.abc import Iterator
from contextlib import suppress
from itertools import product
from typing import Any

from django.test import Client
from django.utils.text import get_valid_filename
from rest_framework import serializers

import lumi.urls  # noqa: F401  with all serializers
from gallery.names import name_from, name_from_file

LENGTH, HEADER_LENGTH = 100_000, 60_000  # a proxy lets no longer header through
# A start, what is repeated, and an end that does not fit.
SHAPES = [
    ("", "a", "!"), ("a@", "a.", "!"), ("a@", "a-", ""), ('"', "\\", '"@'), ('"', '\\"', "@a.b"), ("a@[", "1:", "]"),
    ("", " ", "x"), ("x", "\t\n", "x"), ("", "\u0301", "x"), ("", "\u200b", ""), ("", "\u3000猫", ""), ("", "[({", ""),
    ("", "0,", "!"), ("", "en-US;q=0.", ""), ("", "a=;", ""), ("", "../", "x"), ("", "%&", ";"), ("", "<!--", ">"),
    ("Bearer ", "a.", "!"), ("Bearer lumi_", "a", "!"), ("xn--", "a-", ""), ("a@", "é.xn--a.", ".com"),
]  # fmt: skip
HEADERS = [
    "accept", "accept-language", "accept-encoding", "authorization", "content-type", "cookie", "host", "origin",
    "range", "idempotency-key", "if-modified-since", "if-none-match", "referer", "user-agent", "x-forwarded-for",
]  # fmt: skip


def texts(length: int) -> Iterator[str]:
    """Each shape, so long."""
    for start, middle, end in SHAPES:
        yield start + middle * (length // len(middle)) + end


def below(kind: type) -> Iterator[Any]:
    """All classes below one."""
    for each in kind.__subclasses__():
        yield each
        yield from below(each)


def fields() -> list[serializers.CharField]:
    """One of each kind of text field that any serializer takes."""
    declared = [
        field for kind in below(serializers.Serializer) for field in getattr(kind, "_declared_fields", {}).values()
    ]
    taken = [field for field in declared if isinstance(field, serializers.CharField) and not field.read_only]
    kinds = {(type(field), field.max_length, len(field.validators)): copy.deepcopy(field) for field in taken}
    return list(kinds.values())


def main() -> None:
    """Whatever is said to each."""
    for field, text in product(fields(), texts(LENGTH)):
        with suppress(serializers.ValidationError):
            field.run_validation(text)
    for text in texts(LENGTH):
        name_from(text)
        name_from_file(text)
        get_valid_filename(f"{text.replace('/', '_')}x")
    for name, text in product(HEADERS, texts(HEADER_LENGTH)):
        answer = Client().get("/", headers={name: text.encode("ascii", "ignore").decode()})
        assert answer.status_code in (200, 400), (name, text[:50])
    print(f"{len(fields())} kinds of fields, {len(HEADERS)} headers, {len(SHAPES)} shapes")
