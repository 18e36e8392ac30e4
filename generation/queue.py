"""Which jobs go next. Claims are made here and nowhere else: a claim is a new fence and a lease, and only what has
passed its provider's gate may be submitted, so that limits hold over all workers and machines."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction

from generation.models import GenerationRequest, ImageGenerationJob, Job, ModelGenerationJob, ProviderGate, Stale
from generation.states import RequestStatus
from lumi import clock
from providers import registry

JOBS: dict[str, type[Job]] = {"image": ImageGenerationJob, "model": ModelGenerationJob}
MOST_AT_ONCE = 200  # claims a tick: a long queue is worked off over several

Claim = tuple[str, int]  # id and fence


def jobs_of(kind: str) -> Any:
    """The jobs of a kind, as a manager with the questions of `JobQuerySet`."""
    return JOBS[kind]._default_manager


def lease_from(now: datetime) -> datetime:
    """When a claim made now is over unless it is renewed."""
    return now + timedelta(seconds=settings.GENERATION["lease"])


def claim_designs() -> list[Claim]:
    """Requests whose prompts are to be written now."""
    now = clock.now()
    due = GenerationRequest.objects.to_design(now).only("id", "fence", "design_tries")[:MOST_AT_ONCE]
    return [(request.id, request.fence + 1) for request in due if claim_design(request, lease_from(now))]


def claim_design(request: GenerationRequest, until: datetime) -> bool:
    """Make the design step the caller's; False when somebody was faster."""
    mine = GenerationRequest.objects.filter(pk=request.pk, fence=request.fence, status=RequestStatus.IMAGE_PENDING)
    return bool(mine.update(fence=request.fence + 1, design_tries=request.design_tries + 1, lease_until=until))


def claim(kind: str) -> list[Claim]:
    """Jobs of a kind whose next step is due: polls and storing at once, submits as the gate lets them."""
    now = clock.now()
    follow_ups = jobs_of(kind).to_follow_up(now)[:MOST_AT_ONCE]
    return take(follow_ups, lease_from(now)) + let_through(kind, now)


def take(jobs: Any, until: datetime, **fields: Any) -> list[Claim]:
    """Claim these jobs, but for those that somebody else was faster with."""
    taken = []
    for job in jobs:
        try:
            job.take(until, **fields)
        except Stale:
            continue
        taken.append((job.id, job.fence))
    return taken


def let_through(kind: str, now: datetime) -> list[Claim]:
    """Claim waiting jobs, as many as the gate has room for."""
    waiting = jobs_of(kind).waiting(now)
    if not waiting.exists():
        return []
    provider = registry.first(kind)
    with locked_gate(kind, provider) as gate:
        recent = [start for start in gate.starts if start > now.timestamp() - 60]
        taken = take(waiting[: room(gate, recent, now)], lease_from(now), provider=provider)
        if taken:
            gate.starts = [*recent, *[now.timestamp()] * len(taken)]
            gate.save(update_fields=["starts"])
    return taken


@contextmanager
def locked_gate(kind: str, provider: str) -> Iterator[ProviderGate]:
    """A transaction that holds the gate: one at a time may count.

    The row is made outside of it: an INSERT that meets another's would hold a shared lock, and two of those that both
    want the row are a deadlock.
    """
    ProviderGate.objects.get_or_create(kind=kind, provider=provider)
    with transaction.atomic():
        yield ProviderGate.objects.select_for_update().get(kind=kind, provider=provider)


def room(gate: ProviderGate, recent: list[float], now: datetime) -> int:
    """How many more may be submitted now, by the provider's word, by the minute and at once."""
    if gate.closed_until and gate.closed_until > now:
        return 0
    limits = settings.GENERATION[gate.kind]
    busy = jobs_of(gate.kind).at_provider(gate.provider, now).count()
    return max(0, min(limits["at_once"] - busy, limits["per_minute"] - len(recent)))


def close_gate(*, kind: str, provider: str, seconds: float) -> None:
    """The provider asked for a pause: nobody submits before it is over."""
    until = clock.now() + timedelta(seconds=seconds)
    with locked_gate(kind, provider) as gate:
        gate.closed_until = max(until, gate.closed_until or until)
        gate.save(update_fields=["closed_until"])
