"""Default names."""

import pytest
from wcwidth import width

from gallery.names import name_from, name_from_file

FAMILY = "👨‍👩‍👧"


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("a cat", "a cat"),
        ("  a \n\t cat  ", "a cat"),
        ("　一只　猫　", "一只 猫"),
        ("a" * 30, "a" * 30),
        ("a" * 31, "a" * 30 + "..."),
        ("猫" * 15, "猫" * 15),
        ("猫" * 16, "猫" * 15 + "..."),
        ("a" + "猫" * 15, "a" + "猫" * 14 + "..."),
        ("a" * 29 + " b", "a" * 29 + "..."),
        ("e\u0301" * 31, "e\u0301" * 30 + "..."),
        (FAMILY * 16, FAMILY * 15 + "..."),
        ("a" * 29 + FAMILY, "a" * 29 + "..."),
        ("e" + "\u0301" * 200, "..."),
        ("猫" * 500, "猫" * 15 + "..."),
    ],
)
def test_a_prompt_becomes_a_name(prompt, name):
    assert name_from(prompt) == name


@pytest.mark.parametrize("prompt", ["猫a" * 60, "é" * 90, FAMILY * 40, "x\u0301\u0302\u0303" * 60])
def test_a_name_fits_the_column_and_the_width(prompt):
    name = name_from(prompt)
    assert len(name) <= 100
    assert width(name.removesuffix("...")) <= 30


@pytest.mark.parametrize(
    ("file_name", "name"), [("cat.stl", "cat"), ("我的 猫.glb", "我的 猫"), ("a.b.obj", "a.b"), ("", "")]
)
def test_a_file_gives_its_name_without_the_ending(file_name, name):
    assert name_from_file(file_name) == name
