"""Which provider gets an order: the first of the list that can, will and may; and what its account allows.

One that has refused a job for good (`Job.refused_by`) gets it no more, one whose breaker is open gets nothing but a
probe, one whose budget is used up gets nothing. That it is slow or full is no reason to pass it over: whoever writes
the list puts the cheapest first.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings

from generation import breakers, journal, spending
from generation.models import Job, ProviderCall
from providers import registry


@dataclass(frozen=True)
class Door:
    """A provider that takes new work now; a single job when it is a probe."""

    provider: str
    is_probe: bool = False


def limits(kind: str, provider: str) -> dict[str, Any]:
    """The numbers of a kind (`at_once`, `per_minute`, `poll_every`, `timeout`, `backoff`) at a provider."""
    return settings.GENERATION[kind] | settings.PROVIDER_LIMITS.get(kind, {}).get(provider, {})


def doors(kind: str, now: datetime) -> Iterator[Door]:
    """Whoever takes new work now, in the order of the list. An only provider's breaker is looked at where it counts
    anyway, when a job is submitted."""
    names = registry.listed(kind)
    tripped = breakers.of(kind, breakers.SUBMIT) if len(names) > 1 else {}
    exhausted = spending.exhausted(kind)
    for name in names:
        breaker = tripped.get(name)
        if name in exhausted:
            continue
        if breaker is None or breaker.open_until is None:
            yield Door(name)
        elif breakers.is_due(breaker, now):
            yield Door(name, is_probe=True)


def candidates(kind: str, refused_by: str) -> list[str]:
    """The providers that a job refused by these may go to. All of them where none is left: the list has changed, and
    what waits must come to an end."""
    names = registry.listed(kind)
    return [name for name in names if name not in refused_by.split(",")] or names


def others(job: Job) -> list[str]:
    """Where else the job may go."""
    refused = [job.provider, *job.refused_by.split(",")]
    return [name for name in registry.listed(job.kind) if name not in refused]


def has_others(kind: str, provider: str) -> bool:
    """Whether the list names any other provider."""
    return any(name != provider for name in registry.listed(kind))


def with_refusal(job: Job) -> str:
    """Those that have refused the job, and the one that does so now."""
    return ",".join(filter(None, [*job.refused_by.split(","), job.provider]))


def bound_to(job: Job) -> str:
    """Where an order of this very attempt went whose outcome nobody knows: it may be repeated there, if that is free,
    and nowhere else. Empty where there is none."""
    unknown = ProviderCall.objects.filter(reference=job.reference, outcome__in=["", journal.UNKNOWN])
    return unknown.values_list("provider", flat=True).first() or ""
