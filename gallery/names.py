"""What a model is called before its owner names it."""

from pathlib import PurePath

from wcwidth import iter_graphemes, width

MAX_WIDTH = 30
MAX_LENGTH = 97  # with the dots it fits the column, however many marks stand on one letter


def name_from(prompt: str) -> str:
    """The prompt on one line, cut to a display width of 30 (a Chinese character counts 2), "..." when cut.

    Cut between whole characters as people see them: no accent or half of an emoji is left behind.
    """
    text = " ".join(prompt.split())
    kept = fitting(text)
    return text if kept == text else f"{kept.rstrip()}..."


def fitting(text: str) -> str:
    """The longest beginning of `text` that fits."""
    kept, room = "", MAX_WIDTH
    for grapheme in iter_graphemes(text):
        room -= width(grapheme)
        if room < 0 or len(kept) + len(grapheme) > MAX_LENGTH:
            break
        kept += grapheme
    return kept


def name_from_file(file_name: str) -> str:
    """The name of a file without its ending; "" where nothing is left."""
    return name_from(PurePath(file_name).stem)
