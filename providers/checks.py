"""Configuration mistakes are system checks with ids, not surprises at the first job."""

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register

VARIABLES = {"llm": "LUMI_LLM_PROVIDERS", "image": "LUMI_IMAGE_PROVIDERS", "model": "LUMI_MODEL_PROVIDERS"}


@register(Tags.compatibility)
def check_providers(**_: Any) -> list[CheckMessage]:
    """E001: no provider named. E002: one that does not exist."""
    chosen = {"llm": settings.LLM_PROVIDERS, "image": settings.IMAGE_PROVIDERS, "model": settings.MODEL_PROVIDERS}
    return [message for kind, names in chosen.items() for message in mistakes(kind, names)]


def mistakes(kind: str, names: list[str]) -> list[CheckMessage]:
    """What is wrong with the providers named for one kind."""
    variable, known = VARIABLES[kind], settings.PROVIDERS[kind]
    if not names:
        return [Error(f"{variable} names no provider.", hint=f"Known: {', '.join(known)}.", id="providers.E001")]
    return [
        Error(
            f"{variable} names “{name}”, which does not exist.", hint=f"Known: {', '.join(known)}.", id="providers.E002"
        )
        for name in names
        if name not in known
    ]
