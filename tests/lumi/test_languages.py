"""Every sentence exists in Simplified Chinese and English, and a newcomer needs no step to see it."""

from pathlib import Path

import pytest
from babel.messages import mofile, pofile
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from django.utils import translation

from generation.messages import SENTENCES, sentence

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "lumi" / "locale" / "zh_Hans" / "LC_MESSAGES"
ROOMS = ("lumi", "providers", "gallery", "generation", "interactions")
PLACES = [("**.py", "python"), ("**/templates/**.*", "scripts.messages:extract")]
KEYWORDS = {"_": None, "gettext": None, "gettext_lazy": None, "ngettext": (1, 2), "ngettext_lazy": (1, 2)}


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    """The translations."""
    with (FOLDER / "django.po").open(encoding="utf-8") as file:
        return pofile.read_po(file)


def sentences(catalog: Catalog) -> list[Message]:
    """All but the header."""
    return [message for message in catalog if message.id]


def test_every_sentence_of_the_code_is_translated(catalog: Catalog) -> None:
    found = {
        message if isinstance(message, str) else message[0]
        for room in ROOMS
        for _, _, message, _, _ in extract_from_dir(ROOT / room, PLACES, keywords=KEYWORDS)
    }
    translated = {message.id if isinstance(message.id, str) else message.id[0] for message in sentences(catalog)}
    assert found
    assert found - translated == set(), "run `make messages` and translate"
    assert translated - found == set(), "no longer in the code"


def test_no_translation_is_missing_or_doubtful(catalog: Catalog) -> None:
    for message in sentences(catalog):
        texts = message.string if isinstance(message.string, tuple) else (message.string,)
        assert all(texts), message.id
        assert not message.fuzzy, message.id
        assert not list(message.check(catalog)), message.id


def test_the_compiled_catalogue_is_the_one_in_git(catalog: Catalog) -> None:
    with (FOLDER / "django.mo").open("rb") as file:
        compiled = mofile.read_mo(file)
    assert texts(compiled) == texts(catalog), "run `make messages`"


def texts(catalog: Catalog) -> dict[str, str]:
    """Each sentence with its translation."""
    return {first(message.id): first(message.string) for message in sentences(catalog)}


def first(text: str | tuple[str, ...] | list[str]) -> str:
    """The singular."""
    return text if isinstance(text, str) else text[0]


@pytest.mark.parametrize("code", [*SENTENCES, "UNAVAILABLE", "anything else"])
def test_what_is_told_for_a_code_differs_by_language(code: str) -> None:
    with translation.override("zh-hans"):
        chinese = sentence(code)
    with translation.override("en"):
        english = sentence(code)
    assert chinese
    assert english
    assert chinese != english
    assert english.isascii()
