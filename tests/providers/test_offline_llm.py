"""The offline language model: four different designs that begin with the user's words and keep the print rules."""

import json

import pytest

from providers.base import Fault, LanguageModel, ProviderError
from providers.offline.llm import OfflineLanguageModel
from providers.offline.treatments import MAX_DESIGN, PRINT_RULES, shortened, subject_of

PROMPTS = ["a small red dragon with wings", "一只戴帽子的小猫", "猫" * 500, "word " * 100, "  a cat,\n sitting，好。 "]


def designs_of(prompt: str) -> list[str]:
    model: LanguageModel = OfflineLanguageModel()
    answer = json.loads(model.complete(system="any rules", prompt=prompt).text)
    assert set(answer) == {"designs"}
    designs: list[str] = answer["designs"]
    return designs


@pytest.mark.parametrize("prompt", PROMPTS, ids=lambda prompt: prompt[:12])
def test_four_different_designs_within_the_limit(prompt: str) -> None:
    designs = designs_of(prompt)
    assert len(designs) == len(set(designs)) == 4
    for design in designs:
        assert 0 < len(design) <= MAX_DESIGN
        assert design.endswith(PRINT_RULES)
    middles = [set(design.removesuffix("，" + PRINT_RULES).split("，")[1:]) for design in designs_of("猫")]
    assert all(len(middle) >= 5 for middle in middles)
    assert not set.intersection(*middles)


@pytest.mark.parametrize("prompt", ["a small red dragon with wings", "一只戴帽子的小猫，坐在月亮上"])
def test_the_users_words_stand_first_and_are_found_again(prompt: str) -> None:
    for design in designs_of(prompt):
        assert design.startswith(prompt)
        assert subject_of(design) == prompt


def test_another_prompt_is_its_own_subject() -> None:
    assert subject_of("一只猫，水彩风格") == "一只猫，水彩风格"


@pytest.mark.parametrize(
    "rule",
    [
        "轮廓清晰",
        "完整入画",
        "实心",
        "2毫米",
        "无尖刺",
        "光滑封闭",
        "底部平整",
        "重心低",
        "悬浮",
        "单一纯色背景",
        "视角",
        "哑光",
    ],
)
def test_every_print_rule_is_said(rule: str) -> None:
    assert rule in PRINT_RULES


@pytest.mark.parametrize(
    ("text", "limit", "kept"),
    [
        ("a cat", 10, "a cat"),
        ("a cat sitting on a chair", 14, "a cat sitting"),
        ("小猫，坐在月亮上", 5, "小猫"),
        ("小猫坐在月亮上", 5, "小猫坐在月"),
        ("小猫坐着，在月亮上", 6, "小猫坐着"),
    ],
)
def test_shortened_cuts_at_a_mark_or_blank(text: str, limit: int, kept: str) -> None:
    assert shortened(text, limit) == kept


def test_the_same_prompt_gives_the_same_answer() -> None:
    assert designs_of("a vase") == designs_of("a vase")


def test_an_empty_prompt_is_refused() -> None:
    with pytest.raises(ProviderError) as caught:
        OfflineLanguageModel().complete(system="", prompt=" \n")
    assert caught.value.fault is Fault.INVALID_INPUT
    assert caught.value.permanent
