"""Find the thing that a sentence is about: words in Chinese or English to one pictogram (an emoji character).

Words come from the Unicode names in the `emoji` package and from our own table `synonyms.json`, which wins.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import emoji

_NEWEST_EMOJI_DRAWN = 15.1  # Unicode's emoji version that the font reaches
_NOT_THINGS = re.compile(
    r"button|arrow|symbol|_sign$|o’clock|thirty|square|circle|flag|suit|_mark|diamond|keycap|banknote"
    r"|hand|finger|fist|palm|thumbs|pointing|speaker|person_|people|busts?_|men_|moon_face|cat_with|_cat$|loop|dash$|chart"
    r"|star_and|star_of|^(ZZZ|divide|minus|plus|multiply|infinity|copyright|registered|trade_mark|information|dizzy"
    r"|sparkles?|om|khanda|collision|hole|wireless|customs|elevator|restroom|prohibited|no_.*|input_.*|antenna_bars"
    r"|Aries|Taurus|Gemini|Cancer|Leo|Virgo|Libra|Scorpio|Sagittarius|Capricorn|Aquarius|Pisces|Ophiuchus"
    r"|construction|warning|radioactive|biohazard|fog|foggy|kiss.*|family|couple.*|pregnant.*|breast.*)$"
)
_FACES = ("\U0001f600", "\U0001f637"), ("\U0001f641", "\U0001f644"), ("\U0001f910", "\U0001f915")
_MORE_FACES = ("\U0001f917", "\U0001f92f"), ("\U0001f970", "\U0001f976"), ("\U0001fae0", "\U0001faef")

# Materials, parts and settings: they name the subject only when nothing else in the sentence does.
_WEAK = frozenset(Path(__file__).with_name("weak_words.txt").read_text("utf-8").split())
_ASIDE = re.compile(
    r"\b(?:with|on|in|at|of|for|and|by|from|under|near|beside|wearing|holding|riding|sitting|standing|eating|like|playing)\b"
    r"|坐在|站在|趴在|躺在|睡在|骑着|拿着|抱着|戴着|穿着|叼着|举着|带着|坐着|和|与|跟|在"
)
_CLAUSE = re.compile(r"[，,。.;；!！?？\n:：、]+")
_WORD = re.compile(r"[a-z0-9]+(?:['’][a-z]+)?")
_HAN = re.compile(r"[\u3400-\u9fff]+")
_IRREGULAR = {
    "mice": "mouse", "geese": "goose", "wolves": "wolf", "knives": "knife", "leaves": "leaf", "feet": "foot",
    "teeth": "tooth", "men": "man", "women": "woman", "children": "child", "dice": "die", "loaves": "loaf",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _Match:
    """A known word in a clause; the smallest `rank` is the best."""

    pictogram: str
    rank: tuple[int, ...]


def find_subject(text: str) -> str | None:
    """The pictogram of the thing that `text` is about, or None when no word of it is known.

    The first clause that names a thing decides. In it the longest word wins over shorter ones inside it, what stands
    before an aside ("with wings", "坐在椅子上") over what is in it, and then the last word: "cat vase" is a vase.
    """
    matches = [
        _Match(pictogram=found.pictogram, rank=(found.rank[0], number, *found.rank[1:]))
        for number, clause in enumerate(_CLAUSE.split(text.lower()))
        for found in _matches(clause)
    ]
    return min(matches, key=lambda match: match.rank).pictogram if matches else None


def _matches(clause: str) -> list[_Match]:
    return [*_english_matches(clause), *_chinese_matches(clause)]


def _english_matches(clause: str) -> list[_Match]:
    words = list(_WORD.finditer(clause))
    found = []
    for first in range(len(words)):
        for last in range(first, min(first + 4, len(words))):
            phrase = [word.group() for word in words[first : last + 1]]
            pictogram = _look_up(phrase)
            if pictogram:
                asides = len(_ASIDE.findall(clause[: words[first].start()]))
                rank = (" ".join(phrase) in _WEAK, 0, asides, -len(phrase), -first)
                found.append(_Match(pictogram=pictogram, rank=rank))
    return found


def _look_up(phrase: list[str]) -> str | None:
    """The pictogram of the words as they stand, else with the last in the singular."""
    table = vocabulary()
    singular = [*phrase[:-1], _singular(phrase[-1])]
    return table.get(" ".join(phrase)) or table.get(" ".join(singular))


def _singular(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if re.search(r"(?:s|x|z|ch|sh|o)es$", word):
        return word[:-2]
    return word[:-1] if re.search(r"[^su]s$", word) else word


def _chinese_matches(clause: str) -> list[_Match]:
    table, found = vocabulary(), []
    for run in _HAN.finditer(clause):
        text = run.group()
        for start in range(len(text)):
            for word in (text[start:end] for end in range(start + 1, min(start + 8, len(text)) + 1)):
                if word in table:
                    after = text.count("的", start)  # what stands behind 的 is the thing; before it, its description
                    asides = len(_ASIDE.findall(text[text.rfind("的", 0, start) + 1 : start]))
                    rank = (word in _WEAK, after, asides, -len(word), -start)
                    found.append(_Match(pictogram=table[word], rank=rank))
    return found


@lru_cache(maxsize=1)
def vocabulary() -> dict[str, str]:
    """Every known word (lower case, blanks between words) with its pictogram."""
    words = _own_words()
    entries = [(char, data) for char, data in _unicode_entries() if _is_thing(char, data)]
    for name in ("en", "zh", "alias"):
        for char, data in entries:
            for word in _names(data, name):
                words.setdefault(word, char)
                words.setdefault(" ".join([*word.split()[:-1], _singular(word.split()[-1])]), char)
    return words


def _own_words() -> dict[str, str]:
    rows = json.loads(Path(__file__).with_name("synonyms.json").read_text("utf-8"))
    return {word: char for char, words in rows.items() for word in words}


def _unicode_entries() -> list[tuple[str, dict[str, object]]]:
    """Fully qualified emoji of one character, without the presentation mark."""
    emoji.config.load_language("zh")
    rows = [(char.replace("\ufe0f", ""), data) for char, data in emoji.EMOJI_DATA.items() if data["status"] == 2]
    return [(char, data) for char, data in rows if len(char) == 1]


def _is_thing(char: str, data: dict[str, object]) -> bool:
    is_face = any(first <= char <= last for first, last in (*_FACES, *_MORE_FACES))
    is_drawn = float(str(data["E"])) <= _NEWEST_EMOJI_DRAWN
    return is_drawn and not is_face and not _NOT_THINGS.search(str(data["en"]).strip(":"))


def _names(data: dict[str, object], kind: str) -> list[str]:
    value = data.get(kind, "")
    names = value if isinstance(value, list) else [str(value)]
    words = (re.sub(r"[_\-\s]+", " ", name.strip(":").lower()).strip() for name in names)
    return [word for word in words if word]
