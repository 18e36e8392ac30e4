"""What the tables share."""

from typing import Any

IMAGES_PER_REQUEST = 4
MAX_PROMPT = 500


class Stale(Exception):
    """The row is no longer what the writer believed: the write was refused and nothing changed."""


def one_of(enum: type[Any]) -> list[tuple[str, str]]:
    """The choices of a column that holds a word of `enum`."""
    return [(word.value, word.value) for word in enum]


def words_of(enum: type[Any]) -> list[str]:
    """The words of `enum`, for a check constraint."""
    return [word.value for word in enum]
