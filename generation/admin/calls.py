"""Calls to providers as pages show them: what was ordered, what it cost, what was answered."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from generation.admin.shown import BAD, BUSY, GOOD, WARN, as_text, money, span, without_secrets
from generation.models import ProviderCall

MOST_CALLS = 100  # on a page: the newest
TONES = {"ACCEPTED": GOOD, "REFUSED": BAD, "UNKNOWN": WARN}


@dataclass(frozen=True)
class Shown:
    """One call. `order`: what was sent, in numbers; `took`: until it was answered; `evidence`: the vendor's words,
    where it said no; `answer`: the rest, as JSON without secrets."""

    call: ProviderCall
    about: Any
    tone: str
    cost: str
    order: str
    took: str
    evidence: str
    answer: str


def shown(calls: Iterable[ProviderCall], names: dict[str, Any] | None = None) -> list[Shown]:
    """In their order; `names`: what jobs are called, by their ids."""
    return [shown_one(call, (names or {}).get(call.job_id, "")) for call in calls]


def shown_one(call: ProviderCall, about: Any = "") -> Shown:
    """One."""
    took = span(call.answered_at - call.sent_at) if call.answered_at else "…"
    said = call.answer if isinstance(call.answer, dict) else {}
    evidence = said.get("evidence") or (said.get("error") or {}).get("evidence") or ""
    tone = TONES.get(call.outcome, BUSY)
    return Shown(
        call, about, tone, money(call.cost), as_text(call.order), took, as_line(evidence), as_text(call.answer)
    )


def as_line(evidence: str) -> str:
    """The vendor's words, without what follows the path of an address."""
    return str(without_secrets(evidence))


def newest(*job_ids: str) -> list[ProviderCall]:
    """The calls for these jobs (or, to the LLM, requests), the newest first."""
    return list(ProviderCall.objects.filter(job_id__in=job_ids).order_by("-pk")[:MOST_CALLS])
