"""The subject finder: what people ask printers for, in two languages, and sentences with more than one thing."""

import pytest
from PIL import ImageFont

from providers.offline import pictograms
from providers.offline.subjects import find_subject, vocabulary

ENGLISH = """
cat 🐈|dog 🐕|dragon 🐉|rocket 🚀|vase 🏺|castle 🏰|owl 🦉|lion 🦁|tiger 🐅|elephant 🐘|rabbit 🐇|bunny 🐇|
puppy 🐕|kitten 🐈|horse 🐎|unicorn 🦄|dinosaur 🦖|t-rex 🦖|turtle 🐢|frog 🐸|fox 🦊|wolf 🐺|bear 🐻|
panda 🐼|penguin 🐧|dolphin 🐬|whale 🐋|shark 🦈|octopus 🐙|crab 🦀|butterfly 🦋|bee 🐝|snail 🐌|snake 🐍|
monkey 🐒|pig 🐖|cow 🐄|sheep 🐑|chicken 🐔|duck 🦆|eagle 🦅|parrot 🦜|robot 🤖|spaceship 🛸|car 🚗|
truck 🚚|train 🚂|airplane ✈|ship 🚢|sailboat ⛵|bicycle 🚲|helicopter 🚁|house 🏠|tree 🌳|flower 🌸|
rose 🌹|cactus 🌵|mushroom 🍄|apple 🍎|cake 🎂|donut 🍩|teapot 🫖|mug ☕|lantern 🏮|candle 🕯|hourglass ⌛|
crown 👑|ring 💍|sword 🗡|shield 🛡|key 🔑|anchor ⚓|trophy 🏆|star ⭐|heart ❤|moon 🌙|skull 💀|ghost 👻|
pumpkin 🎃|snowman ⛄|angel 👼|wizard 🧙|mermaid 🧜|chair 🪑|guitar 🎸|piano 🎹|dice 🎲|camera 📷|book 📖|
shoe 👟|bell 🔔|gear ⚙|seahorse -|treasure chest -|windmill -
"""
CHINESE = """
猫 🐈|小猫 🐈|狗 🐕|小狗 🐕|龙 🐉|火箭 🚀|花瓶 🏺|城堡 🏰|猫头鹰 🦉|狮子 🦁|老虎 🐅|大象 🐘|兔子 🐇|马 🐎|
独角兽 🦄|恐龙 🦖|霸王龙 🦖|乌龟 🐢|青蛙 🐸|狐狸 🦊|狼 🐺|熊 🐻|熊猫 🐼|企鹅 🐧|海豚 🐬|鲸鱼 🐋|鲨鱼 🦈|
章鱼 🐙|螃蟹 🦀|蝴蝶 🦋|蜜蜂 🐝|蜗牛 🐌|蛇 🐍|猴子 🐒|猪 🐖|牛 🐄|羊 🐑|鸡 🐓|鸭子 🦆|老鹰 🦅|鹦鹉 🦜|
机器人 🤖|飞船 🛸|汽车 🚗|卡车 🚚|火车 🚂|飞机 ✈|轮船 🚢|帆船 ⛵|自行车 🚲|直升机 🚁|房子 🏠|树 🌳|花 🌸|
玫瑰 🌹|向日葵 🌻|仙人掌 🌵|蘑菇 🍄|苹果 🍎|蛋糕 🎂|茶壶 🫖|杯子 ☕|台灯 💡|灯笼 🏮|蜡烛 🕯|沙漏 ⌛|皇冠 👑|
戒指 💍|宝剑 🗡|盾牌 🛡|钥匙 🔑|奖杯 🏆|硬币 🪙|星星 ⭐|爱心 ❤|月亮 🌙|骷髅头 💀|幽灵 👻|雪人 ⛄|天使 👼|
美人鱼 🧜|骑士 🥷|雕像 🗿|椅子 🪑|吉他 🎸|钢琴 🎹|足球 ⚽|骰子 🎲|相机 📷|手机 📱|书 📚|帽子 🎩|铃铛 🔔|
笔筒 🫙|坦克 -|葫芦 -|貔貅 -
"""


def rows(table: str) -> list[tuple[str, str]]:
    """Words with the pictogram that they should find; "-" marks what is known to find none."""
    cells = [cell.strip().rsplit(" ", 1) for cell in table.replace("\n", "").split("|")]
    return [(word, pictogram) for word, pictogram in cells]


@pytest.mark.parametrize(("word", "pictogram"), rows(ENGLISH) + rows(CHINESE))
def test_words(word: str, pictogram: str) -> None:
    assert (find_subject(word) or "-") == pictogram


@pytest.mark.parametrize("table", [ENGLISH, CHINESE], ids=["English", "Chinese"])
def test_nine_of_ten_words_find_a_thing(table: str) -> None:
    words = [word for word, _ in rows(table)]
    assert len(words) >= 80
    assert sum(find_subject(word) is not None for word in words) >= 0.9 * len(words)


@pytest.mark.parametrize(
    ("sentence", "pictogram"),
    [
        ("small cat", "🐈"),
        ("Two MICE", "🐁"),
        ("a pack of wolves", "🐺"),
        ("a red dragon with wings", "🐉"),
        ("a cat vase", "🏺"),
        ("a statue of a lion", "🦁"),
        ("a cat sitting on a chair", "🐈"),
        ("bow and arrow", "🏹"),
        ("a wooden toy train", "🚂"),
        ("the Eiffel Tower at night", "🗼"),
        ("low-poly fox, sitting on a rock", "🦊"),
        ("一只可爱的小猫", "🐈"),
        ("一只可爱的小猫坐在椅子上", "🐈"),
        ("坐在月亮上的兔子", "🐇"),
        ("骑自行车的熊猫", "🐼"),
        ("戴帽子的猫", "🐈"),
        ("猫的雕像", "🐈"),
        ("一条中国龙，盘在山上", "🐉"),
        ("红色的 rocket", "🚀"),
    ],
)
def test_sentences(sentence: str, pictogram: str) -> None:
    assert find_subject(sentence) == pictogram


@pytest.mark.parametrize("text", ["", "qwxzy blorp", "…，。", "12345", "不存在的"])
def test_words_that_mean_no_thing(text: str) -> None:
    assert find_subject(text) is None


def test_no_flags_faces_signs_or_skin_tones() -> None:
    known = set(vocabulary().values())
    assert len(known) > 700
    unwanted = "🏁😀🤣👍🔟🅰♈🕐➡🔴❗💲🚻👪💏"
    assert not known & (set(unwanted) - {"🙂"})


def test_every_pictogram_is_in_the_font() -> None:
    font = ImageFont.truetype(str(pictograms._PICTOGRAM_FONT), 32)
    missing = bytes(font.getmask("\U0010ffff"))
    assert [char for char in set(vocabulary().values()) if bytes(font.getmask(char)) == missing] == []
