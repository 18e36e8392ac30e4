"""A sentence for every code that a person may meet: what to do, and nothing of a vendor's."""

import ast
from pathlib import Path

import pytest
from django.utils import translation

from generation import messages
from providers.base import Fault

ROOM = Path(messages.__file__).parent
CODES = {name: value for name, value in vars(messages).items() if name.isupper() and isinstance(value, str)}


def codes_written() -> set[str]:
    """The codes that the room's sources name wherever a code is written down: as `messages.NAME` or as plain text."""
    found: set[str] = set()
    for path in ROOM.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg in ("error_code", "notice_code", "code"):
                found |= {one.value for one in ast.walk(node.value) if isinstance(one, ast.Constant) and one.value}
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "messages":
                found.add(CODES.get(node.attr, ""))
    return found - {""}


@pytest.mark.parametrize("code", sorted({*Fault, *CODES.values(), *codes_written()}))
def test_every_code_has_a_sentence_of_its_own(code: str) -> None:
    assert code in messages.SENTENCES
    with translation.override("en"):
        told = messages.sentence(code)
    assert told
    assert told.endswith(".")
    assert told != str(messages.DEFAULT)


def test_no_two_codes_are_told_apart_for_nothing() -> None:
    with translation.override("en"):
        told = [messages.sentence(code) for code in messages.SENTENCES]
    assert len(set(told)) == len(told)


@pytest.mark.parametrize("word", ["provider", "vendor", "aliyun", "tencent", "API", "key", "HTTP"])
def test_none_speaks_of_our_machinery(word: str) -> None:
    with translation.override("en"):
        assert not [code for code in messages.SENTENCES if word in (messages.sentence(code) or "")]


def test_a_code_of_old_days_still_has_one() -> None:
    assert messages.sentence("NO_LONGER_USED")
    assert messages.sentence("") is None
