"""Qwen, by DashScope's OpenAI-compatible mode (help.aliyun.com/zh/model-studio/error-code)."""

from django.conf import settings

from providers.base import LanguageModel
from providers.chat import ChatModel, law_of
from providers.http import MONEY, REFUSED, Account

# By code or text, where the status says less. "insufficient_quota" is not here: it is tokens a minute, not money
# (…/model-studio/rate-limit), unless it is the free quota that has ended.
WORDS = {
    "data_inspection_failed": REFUSED,
    "DataInspectionFailed": REFUSED,
    "Arrearage": MONEY,
    "FreeTierOnly": MONEY,
    "Free allocated quota": MONEY,
    "BillOverdue": MONEY,
    "CommodityNotPurchased": MONEY,
}


def llm() -> LanguageModel:
    """As the settings have it."""
    told = settings.QWEN
    return ChatModel("qwen", Account(told["url"], told["key"]), model=told["model"], law=law_of(WORDS))
