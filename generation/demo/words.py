"""Prompts as people write them, by the dice: some hundred thousand in each of two languages."""

from typing import NamedTuple

from lumi.demo import Dice


class Subject(NamedTuple):
    """A thing that the offline painter can draw, in English and Chinese, with its Chinese measure word."""

    name: str
    zh: str
    measure: str


SUBJECTS = (
    Subject("cat", "小猫", "只"),
    Subject("robot", "机器人", "个"),
    Subject("dragon", "龙", "条"),
    Subject("owl", "猫头鹰", "只"),
    Subject("castle", "城堡", "座"),
    Subject("fox", "狐狸", "只"),
    Subject("rocket", "火箭", "枚"),
    Subject("whale", "鲸鱼", "头"),
    Subject("panda", "熊猫", "只"),
    Subject("mushroom", "蘑菇", "个"),
    Subject("rabbit", "兔子", "只"),
    Subject("cactus", "仙人掌", "棵"),
    Subject("turtle", "乌龟", "只"),
    Subject("teapot", "茶壶", "把"),
    Subject("dog", "小狗", "只"),
    Subject("sailboat", "帆船", "艘"),
)
KINDS = {
    "zh": (
        "憨态可掬的", "圆滚滚的", "威风凛凛的", "昏昏欲睡的", "古灵精怪的", "敦实的", "优雅的", "复古的", "迷你的",
        "开心的", "害羞的", "勇敢的", "神秘的", "慵懒的",
    ),
    "en": (
        "sleepy", "round", "brave", "shy", "cheerful", "tiny", "ancient", "elegant", "chubby", "grumpy", "curious",
        "friendly", "majestic", "clumsy",
    ),
}  # fmt: skip
DOING = {
    "zh": (
        "抱着一颗星星", "戴着围巾", "坐在云朵上", "捧着一本书", "背着小书包", "站在石头上", "戴着宇航员头盔",
        "靠着一棵树", "端着一杯茶", "枕着枕头", "骑着滑板", "打着雨伞", "围着圣诞花环", "提着灯笼",
    ),
    "en": (
        "holding a star", "wearing a scarf", "sitting on a cloud", "with a book", "with a tiny backpack", "on a rock",
        "wearing a space helmet", "under a tree", "with a cup of tea", "on a pillow", "riding a skateboard",
        "under an umbrella", "with a wreath", "holding a lantern",
    ),
}  # fmt: skip
STYLES = {
    "zh": (
        "低多边形风格", "复古玩具风格", "青铜雕塑质感", "木雕质感", "陶瓷质感", "剪纸风", "装饰艺术风格", "极简线条",
        "国潮风格", "像素积木风", "浮雕徽章", "适合做书立", "适合做钥匙扣", "可以当笔筒", "送给孩子的生日礼物",
        "摆在书桌上",
    ),
    "en": (
        "low poly", "like an old tin toy", "like a bronze statue", "carved from wood", "glazed ceramic", "art deco",
        "minimalist", "as a relief medallion", "as a bookend", "as a key ring", "as a desk ornament",
        "as a chess piece", "for my daughter's birthday", "easy to print without supports", "of building blocks",
        "as a night light",
    ),
}  # fmt: skip
REMARKS = {
    "zh": ("0.2 毫米层高，无需支撑。", "打印了三次才满意。", "送给女儿的礼物，她很喜欢。", "底座加厚过，站得很稳。"),
    "en": ("0.2 mm layers, no supports.", "Third version.", "My daughter loves it.", "Wide base, stands well."),
}


def a_prompt(subject: Subject, language: str, dice: Dice) -> str:
    """A sentence about the subject."""
    kind, doing, style = (dice.choice(words[language]) for words in (KINDS, DOING, STYLES))
    if language == "zh":
        return f"一{subject.measure}{kind}{subject.zh}，{doing}，{style}"
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind} {subject.name} {doing}, {style}"


def a_name(subject: Subject, language: str, dice: Dice) -> str:
    """What somebody calls a thing of their own."""
    kind = dice.choice(KINDS[language])
    return f"{kind}{subject.zh}" if language == "zh" else f"{kind.capitalize()} {subject.name}"


def a_description(language: str, dice: Dice) -> str:
    """What somebody writes below a model, if anything."""
    return dice.choice(REMARKS[language]) if dice.random() < 0.4 else ""
