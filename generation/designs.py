"""Four designs from one prompt: the question to an LLM, and a strict eye on its answer."""

import json
import re
from functools import cache
from pathlib import Path

from generation.models import IMAGES_PER_REQUEST, MAX_PROMPT
from providers.base import Completion, LanguageModel

FENCED = re.compile(r"```(?:json)?\s*(.*?)```", re.DOTALL)


class Unusable(Exception):
    """The LLM's answer is not four different designs."""


@cache
def rules() -> str:
    """The print rules that the LLM must follow."""
    return (Path(__file__).parent / "prompts" / "designs.md").read_text(encoding="utf-8")


def ask(llm: LanguageModel, prompt: str) -> Completion:
    """What an LLM says when it is asked for four designs. Raises ProviderError."""
    return llm.complete(system=rules(), prompt=prompt)


def length(prompt: str) -> int:
    """The characters of that question: no model counts more tokens."""
    return len(rules()) + len(prompt)


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
