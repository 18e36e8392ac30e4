"""README.md and README.zh-CN.md are kept in step: the same sections, commands and links."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENGLISH, CHINESE = ((ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md"))


def blocks(text: str) -> list[list[str]]:
    """What can be typed: the lines of each block of code, without what is said of them."""
    return [
        [re.split(r"\s{2,}|→|#", line)[0].strip() for line in block.splitlines() if line.strip()]
        for block in re.findall(r"```\w*\n(.*?)```", text, re.DOTALL)
    ]


def test_the_same_commands() -> None:
    assert blocks(CHINESE) == blocks(ENGLISH)


def test_the_same_links() -> None:
    def links(text: str) -> set[str]:
        return set(re.findall(r"\]\(([^)]+)\)|<(http[^>]+)>", text)) - {("README.md", ""), ("README.zh-CN.md", "")}

    assert links(CHINESE) == links(ENGLISH)


def test_the_same_sections() -> None:
    assert len(re.findall(r"^## ", CHINESE, re.MULTILINE)) == len(re.findall(r"^## ", ENGLISH, re.MULTILINE))


def test_they_name_each_other() -> None:
    assert "README.zh-CN.md" in ENGLISH
    assert "README.md" in CHINESE
