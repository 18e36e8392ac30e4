"""Four designs from one prompt: one question to the LLM, and a strict eye on its answer."""

import json
import logging
import re
from functools import cache
from pathlib import Path

from generation.models import IMAGES_PER_REQUEST, MAX_PROMPT
from providers import registry
from providers.base import ProviderError

logger = logging.getLogger(__name__)

FENCED = re.compile(r"```(?:json)?\s*(.*?)```", re.DOTALL)


class Unusable(Exception):
    """The LLM's answer is not four different designs."""


@cache
def rules() -> str:
    """The print rules that the LLM must follow."""
    return (Path(__file__).parent / "prompts" / "designs.md").read_text(encoding="utf-8")


def ask(prompt: str) -> list[str]:
    """Four designs of what the prompt says. Raises ProviderError (no answer) and Unusable (nonsense)."""
    llm = registry.get("llm", registry.first("llm"))
    return read(llm.complete(system=rules(), prompt=prompt))


def read(answer: str) -> list[str]:
    """The four designs in an answer: JSON `{"designs": [four texts]}`, fenced or not. Raises Unusable."""
    fenced = FENCED.search(answer)
    try:
        found = json.loads(fenced[1] if fenced else answer)
        designs = found["designs"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise Unusable("not the JSON that was asked for") from error
    if not isinstance(designs, list) or len(designs) != IMAGES_PER_REQUEST:
        raise Unusable("not four designs")
    if not all(isinstance(design, str) and design.strip() for design in designs):
        raise Unusable("a design is not text")
    cleaned = [" ".join(design.split())[:MAX_PROMPT] for design in designs]
    if len(set(cleaned)) != IMAGES_PER_REQUEST:
        raise Unusable("designs are the same")
    return cleaned


def ask_or_none(prompt: str) -> list[str] | None:
    """Four designs, or None when the LLM failed: a request never fails for that."""
    try:
        return ask(prompt)
    except (ProviderError, Unusable) as error:
        logger.warning("designs failed: %s", type(error).__name__, extra={"reason": str(error)[:300]})
    except Exception:
        logger.exception("designs failed")
    return None
