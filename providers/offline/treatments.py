"""The four ways in which the offline providers treat a subject: words for the designs, numbers for the pictures."""

from __future__ import annotations

MAX_DESIGN = 500  # characters; the spec's limit for one design

# In order of `ImageOrder.variant`. Each begins with a phrase of its own, by which subject_of() finds where it starts.
TREATMENTS = (
    "圆润软萌的玩具公仔造型，浑圆饱满如黏土捏成，比例敦实，五官与纹理只用粗而浅的凹线，暖色柔和明快，气氛童趣治愈，立在矮圆底座上",
    "古典圆形纪念奖章造型，主体居中浅浮雕，外圈厚边带均匀圆珠，细节为浅刻线，单一古铜鎏金色，气氛庄重典雅",
    "木刻版画式方形浮雕砖造型，粗黑体般的线条凸起，圆角方砖配厚边框，线条简练有力，深浅双色对比，气氛朴拙沉静",
    "大胆几何低多边形造型，大块平整切面如折纸宝石，轮廓利落，细节极简，冷暖撞色，气氛现代明朗，微微倾斜立在梯形基座上",
)
PRINT_RULES = (
    "整个物体完整入画，轮廓清晰，实心无镂空无网格，最细处不小于2毫米，无尖刺，尖角与毛发改为圆钝，表面光滑封闭只有浅浮雕，"
    "底部平整稳固，重心低，大致对称，没有悬浮部件和大悬垂，单一纯色背景，四分之三视角或正面视角，哑光实心材质"
)


def design(subject: str, variant: int) -> str:
    """One design of at most 500 characters: the subject in the user's words, then the treatment, then the rules."""
    rest = f"，{TREATMENTS[variant]}，{PRINT_RULES}"
    return shortened(subject, MAX_DESIGN - len(rest)) + rest


def subject_of(prompt: str) -> str:
    """The user's words in a prompt that design() made; any other prompt as it is."""
    for treatment in TREATMENTS:
        head, found, _ = prompt.partition("，" + treatment.split("，", maxsplit=1)[0])
        if found:
            return head
    return prompt


def shortened(text: str, limit: int) -> str:
    """`text` in one line without end marks, cut at the last mark or blank that keeps it within `limit` characters."""
    line = " ".join(text.split()).strip("，,。.;； ")
    if len(line) <= limit:
        return line
    cut = max(line.rfind(mark, limit // 2, limit) for mark in "，,。.;；、 ")
    return line[: cut if cut > 0 else limit].strip("，,。.;； ")
