"""Configuration mistakes are system checks with ids, not surprises at the first job. No message bears a value that
could be a secret: settings are named, and what was found in them is told only where it is a name.

By custom the account of provider `tencent` is `settings.TENCENT`, with a `url` and a `key` (and an `id`, if the vendor
wants one), so that a new provider is checked without a line here.
"""

import math
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.utils.module_loading import import_string

KINDS = {"llm": "LLM_PROVIDERS", "image": "IMAGE_PROVIDERS", "model": "MODEL_PROVIDERS"}  # and their settings
OFFLINE = "offline"
AMAZON = "https://s3.amazonaws.com"  # where a store is that names no endpoint
KEYS = {  # where the variable of `key`, or of `id`, is not LUMI_<NAME>_API_KEY
    ("tencent", "id"): "LUMI_TENCENT_SECRET_ID",
    ("tencent", "key"): "LUMI_TENCENT_SECRET_KEY",
}
LIMITS = ("at_once", "per_minute", "poll_every", "timeout", "backoff")  # that an account may have of its own
TOKENHUB_MODELS = ("hy-3d-express", "hy-3d-3.0", "hy-3d-3.1")
QWEN_SIZES = ("1664*928", "1472*1104", "1328*1328", "1104*1472", "928*1664")
QWEN_IMAGES = ("qwen-image", "qwen-image-plus", "qwen-image-max")  # models that know these sizes only


@register(Tags.compatibility)
def check_providers(**_: Any) -> list[CheckMessage]:
    """E001, E002: the lists. E003: keys. E004: what contradicts itself. E005: tables. E006, W003: prices. W004 to W006:
    what is allowed, and hardly meant."""
    return [message for find in FINDERS for message in find()]


def listed() -> Iterator[tuple[str, str]]:
    """Kind and name of each provider that is used, and exists."""
    for kind, name in KINDS.items():
        yield from ((kind, provider) for provider in getattr(settings, name) if provider in settings.PROVIDERS[kind])


def used() -> dict[str, Any]:
    """The accounts that are used, by provider."""
    names = dict.fromkeys(name for _, name in listed())
    return {name: account for name in names if isinstance(account := getattr(settings, name.upper(), None), dict)}


# --- Lists and accounts -----------------------------------------------------------------------------------------------


def lists() -> Iterator[CheckMessage]:
    """E001: no provider named. E002: one that does not exist."""
    for kind, name in KINDS.items():
        names, known = getattr(settings, name), settings.PROVIDERS[kind]
        hint = f"Known: {', '.join(known)}."
        if not names:
            yield Error(f"LUMI_{name} names no provider.", hint=hint, id="providers.E001")
        for unknown in [one for one in names if one not in known]:
            yield Error(f"LUMI_{name} names “{unknown}”, which does not exist.", hint=hint, id="providers.E002")


def keys() -> Iterator[CheckMessage]:
    """E003: a provider that is used, without its key."""
    for name, account in used().items():
        for part in ("id", "key"):
            if part in account and not account[part]:
                variable = KEYS.get((name, part), f"LUMI_{name.upper()}_API_KEY")
                yield Error(f"The provider “{name}” has no key.", hint=f"Set {variable}.", id="providers.E003")


def addresses() -> Iterator[CheckMessage]:
    """E004: where a vendor cannot be."""
    for name, account in used().items():
        if not str(account.get("url", "https://")).lower().startswith(("https://", "http://")):
            yield contradiction(f"LUMI_{name.upper()}_URL is not an address that begins with https:// or http://.")


def contradiction(text: str, hint: str | None = None) -> CheckMessage:
    """Settings that cannot both be meant."""
    return Error(text, hint=hint, id="providers.E004")


# --- What a vendor does not sell --------------------------------------------------------------------------------------


def siliconflow() -> Iterator[CheckMessage]:
    """E004: a batch that no call gives."""
    if ("image", "siliconflow") in listed():
        told, kolors = settings.SILICONFLOW, import_string("providers.siliconflow.KOLORS")
        batch, most = told["image_batch"], import_string("providers.siliconflow.MOST_PICTURES")
        if not 1 <= batch <= most:
            yield contradiction(f"LUMI_SILICONFLOW_IMAGE_BATCH is {batch}, and a call gives 1 to {most} pictures.")
        elif batch > 1 and told["image_model"] != kolors:
            hint = f"Set it to 1, or LUMI_SILICONFLOW_IMAGE_MODEL to {kolors}."
            yield contradiction("LUMI_SILICONFLOW_IMAGE_BATCH: this model gives one picture a call.", hint)


def tencent() -> Iterator[CheckMessage]:
    """E004: an edition that does not exist."""
    editions = import_string("providers.tencent.EDITIONS") if ("model", "tencent") in listed() else {}
    if editions and settings.TENCENT["edition"] not in editions:
        yield contradiction("LUMI_TENCENT_EDITION is unknown.", f"Known: {', '.join(editions)}.")


def tokenhub() -> Iterator[CheckMessage]:
    """E004: a model that is not sold there."""
    if ("model", "tokenhub") in listed() and settings.TOKENHUB["model"] not in TOKENHUB_MODELS:
        yield contradiction("LUMI_TOKENHUB_MODEL is unknown.", f"Known: {', '.join(TOKENHUB_MODELS)}.")


def aliyun() -> Iterator[CheckMessage]:
    """E004: a size that the model does not paint."""
    told = settings.ALIYUN
    if ("image", "aliyun") in listed() and not is_size(told["image_size"], told["image_model"]):
        known = ", ".join(QWEN_SIZES) if told["image_model"] in QWEN_IMAGES else "WIDTH*HEIGHT"
        yield contradiction("LUMI_ALIYUN_IMAGE_SIZE is no size that this model paints.", f"Known: {known}.")


def is_size(size: str, model: str) -> bool:
    """Whether a model paints it; of those without a list, whether it is one."""
    width, _, height = size.partition("*")
    return size in QWEN_SIZES if model in QWEN_IMAGES else width.isdecimal() and height.isdecimal()


# --- Tables -----------------------------------------------------------------------------------------------------------


def tables() -> Iterator[CheckMessage]:
    """E005: what was told as JSON, and cannot be meant."""
    for find in (wrong_prices, wrong_budgets, wrong_limits):
        yield from (Error(text, id="providers.E005") for text in find())


def names_of_all() -> set[str]:
    """Every provider there is."""
    return {name for known in settings.PROVIDERS.values() for name in known}


def is_number(value: Any) -> bool:
    """Whether money, or a limit, can be so much."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0


def wrong_prices() -> Iterator[str]:
    """In LUMI_PRICES."""
    for name, value in settings.OWN_PRICES.items():
        provider, _, product = name.partition(":")
        if not name:
            yield "LUMI_PRICES is not a JSON object."
        elif provider not in names_of_all() or not product:
            yield f"LUMI_PRICES: “{name}” is not the name of a provider and a product, with a colon between."
        elif not is_number(value):
            yield f"LUMI_PRICES: the price of “{name}” is not a number from 0 on."


def wrong_budgets() -> Iterator[str]:
    """In LUMI_BUDGETS."""
    for name, value in settings.BUDGETS.items():
        if not name:
            yield "LUMI_BUDGETS is not a JSON object."
        elif name not in names_of_all():
            yield f"LUMI_BUDGETS: there is no provider “{name}”."
        elif not is_number(value):
            yield f"LUMI_BUDGETS: the budget of “{name}” is not a number from 0 on; nothing is spent there."


def wrong_limits() -> Iterator[str]:
    """In LUMI_PROVIDER_LIMITS."""
    for kind, providers in settings.OWN_LIMITS.items():
        if not kind:
            yield "LUMI_PROVIDER_LIMITS is not a JSON object."
        elif kind not in ("image", "model") or not isinstance(providers, dict):
            yield f"LUMI_PROVIDER_LIMITS: “{kind}” is not “image” or “model” with an object of providers."
        else:
            for name, limits in providers.items():
                yield from wrong_limits_of(kind, name, limits)


def wrong_limits_of(kind: str, name: str, limits: Any) -> Iterator[str]:
    """Of one provider."""
    if name not in settings.PROVIDERS[kind] or not isinstance(limits, dict):
        yield f"LUMI_PROVIDER_LIMITS: “{name}” is not a provider of kind “{kind}” with an object of numbers."
        return
    for word, value in limits.items():
        if word not in LIMITS or not is_number(value) or not value:
            yield f"LUMI_PROVIDER_LIMITS: “{word}” of “{name}” is not one of {', '.join(LIMITS)} with a number above 0."


# --- Prices -----------------------------------------------------------------------------------------------------------


def prices() -> Iterator[CheckMessage]:
    """W003: what is bought has no price, so that it seems to cost nothing. E006: and a budget is meant to bound it."""
    missing = {price: name for kind, name in listed() if name != OFFLINE for price in unpriced(kind, name)}
    for price, name in missing.items():
        text, hint = f"LUMI_PRICES has no price of “{price}”.", f'For instance LUMI_PRICES={{"{price}": 0.25}}.'
        if name in settings.BUDGETS:
            yield Error(f"{text} The budget of “{name}” cannot hold.", hint=hint, id="providers.E006")
        else:
            yield Warning(text, hint=hint, id="providers.W003")


def unpriced(kind: str, name: str) -> list[str]:
    """The prices that are missing to what a provider sells."""
    product = product_of(kind, name)
    words = [f"{name}:{product}:in", f"{name}:{product}:out"] if kind == "llm" else [f"{name}:{product}"]
    return [word for word in words if product and word not in settings.PRICES]


def product_of(kind: str, name: str) -> str:
    """What is bought there; "" where the settings make no provider, of which other messages speak."""
    try:
        found: str = import_string(settings.PROVIDERS[kind][name])().product
    except (ImportError, AttributeError, LookupError, TypeError, ValueError):
        return ""
    return found


# --- What is hardly meant ---------------------------------------------------------------------------------------------


def doubts() -> Iterator[CheckMessage]:
    """W004: results from this machine in production. W005: a picture that a vendor cannot fetch. W006: an algorithm
    that answers for a model."""
    if settings.RESULTS_FROM_LOOPBACK and settings.HTTPS:
        yield Warning(
            "LUMI_RESULTS_FROM_LOOPBACK is set, and so is LUMI_HTTPS.",
            hint="It is for trial vendors on this machine: take it away in production.",
            id="providers.W004",
        )
    if ("model", "aliyun") in listed() and not is_fetchable():
        yield Warning(
            "Aliyun's 3D models are built from a picture that Aliyun itself must fetch, and it cannot.",
            hint="Set LUMI_PUBLIC_URL, or a store (LUMI_S3_BUCKET) that can be reached from the open network.",
            id="providers.W005",
        )
    for name in KINDS.values():
        if OFFLINE in getattr(settings, name)[1:]:
            yield Warning(
                f"LUMI_{name} names “offline” after others: where they fail, an algorithm answers for a model.",
                hint="Take it away, unless people are told.",
                id="providers.W006",
            )


def is_fetchable() -> bool:
    """Whether the addresses of our files are of the open network, as far as the settings tell."""
    told: Any = settings.STORAGES["default"].get("OPTIONS") or {}
    domain = told.get("custom_domain")
    store = f"https://{domain}" if domain else told.get("endpoint_url") or AMAZON
    return not import_string("providers.aliyun.why_not_address")(store if settings.S3_BUCKET else settings.PUBLIC_URL)


FINDERS = (lists, keys, addresses, siliconflow, tencent, tokenhub, aliyun, tables, prices, doubts)
