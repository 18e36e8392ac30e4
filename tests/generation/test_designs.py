"""A strict eye on the LLM's answer."""

import json

import pytest

from generation import designs

FOUR = ["一只猫", "二只猫", "三只猫", "四只猫"]


@pytest.mark.parametrize(
    "answer",
    [
        json.dumps({"designs": FOUR}),
        "```json\n" + json.dumps({"designs": FOUR}, ensure_ascii=False) + "\n```",
        "Here you are:\n```\n" + json.dumps({"designs": FOUR}) + "\n```\nEnjoy!",
        json.dumps({"designs": [f"  {text}\n" for text in FOUR], "note": "ignored"}),
    ],
)
def test_four_designs(answer: str) -> None:
    assert designs.read(answer) == FOUR


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "no",
        "null",
        "[]",
        json.dumps(FOUR),
        json.dumps({"designs": FOUR[:3]}),
        json.dumps({"designs": [*FOUR, "five"]}),
        json.dumps({"designs": ["same"] * 4}),
        json.dumps({"designs": [*FOUR[:3], "  "]}),
        json.dumps({"designs": [*FOUR[:3], 4]}),
        json.dumps({"designs": "one"}),
        json.dumps({"designs": FOUR})[:-4],
        "[" * 100_000,
    ],
)
def test_nonsense(answer: str) -> None:
    with pytest.raises(designs.Unusable):
        designs.read(answer)


def test_a_long_design_is_cut_to_what_can_be_painted() -> None:
    long = [f"{number}{'很' * 600}" for number in range(4)]
    assert [len(text) for text in designs.read(json.dumps({"designs": long}))] == [500] * 4


def test_the_rules_speak_of_every_print_rule() -> None:
    for words in (
        "轮廓清晰",
        "不镂空",
        "2 毫米",
        "尖刺",
        "浅浮雕",
        "底部平整",
        "悬浮",
        "单一背景",
        "四分之三",
        "哑光",
        "500",
    ):
        assert words in designs.rules()
