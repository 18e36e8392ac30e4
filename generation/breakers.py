"""Circuit breakers: one for each operation at each provider, in the database, so that all workers see the same.

Five failures within a minute open it for thirty seconds; then one probe at a time is let through, and its success
closes it. What waits for a breaker uses up no try.
"""

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from generation.models import Breaker
from lumi import clock
from lumi.again import again_after_deadlock
from providers.base import Fault, ProviderError

SUBMIT, POLL = "submit", "poll"
OUTAGE = frozenset({Fault.UNAVAILABLE, Fault.NETWORK, Fault.BAD_ANSWER})
ACCOUNT = frozenset({Fault.AUTHENTICATION, Fault.QUOTA_EXHAUSTED})  # the same for all orders until somebody mends it
WINDOW = 60.0
PROBE_SECONDS = 90.0  # a probe whose worker died counts no longer


def is_outage(error: ProviderError) -> bool:
    """The provider, not the order, is to blame."""
    return error.fault in OUTAGE and not error.permanent


def closed_until(kind: str, provider: str, operation: str, now: datetime) -> datetime | None:
    """When to come again; None lets the call through. After the pause one caller at a time gets None: the probe."""
    breaker = Breaker.objects.filter(kind=kind, provider=provider, operation=operation).first()
    if breaker is None or breaker.open_until is None:
        return None
    if breaker.open_until > now:
        return breaker.open_until
    free = Breaker.objects.filter(Q(probing_until__isnull=True) | Q(probing_until__lt=now), pk=breaker.pk)
    if free.update(probing_until=now + timedelta(seconds=PROBE_SECONDS)):
        return None
    return now + timedelta(seconds=5)


def is_due(breaker: Breaker, now: datetime) -> bool:
    """Its pause is over, and nobody is probing."""
    is_probed = breaker.probing_until is not None and breaker.probing_until >= now
    return breaker.open_until is not None and breaker.open_until <= now and not is_probed


@again_after_deadlock
def failed(kind: str, provider: str, operation: str, *, at_once: bool = False) -> bool:
    """Count a failure of the provider's, which may open it `at_once`; True when the breaker is open now."""
    Breaker.objects.get_or_create(kind=kind, provider=provider, operation=operation)  # two of these may deadlock
    with transaction.atomic():
        breaker = Breaker.objects.select_for_update().get(kind=kind, provider=provider, operation=operation)
        now = clock.now()
        late = [moment for moment in breaker.failures if moment > now.timestamp() - WINDOW]
        breaker.failures = [*late, now.timestamp()]
        trips = at_once or breaker.open_until is not None
        if trips or len(breaker.failures) >= settings.GENERATION["breaker_failures"]:
            breaker.open_until = now + timedelta(seconds=settings.GENERATION["breaker_pause"])
        breaker.probing_until = None
        breaker.save()
    return breaker.open_until is not None


def succeeded(kind: str, provider: str, operation: str) -> None:
    """The provider answers: closed, and earlier failures are forgotten. No write where there is nothing to forget."""
    breaker = Breaker.objects.filter(kind=kind, provider=provider, operation=operation).first()
    if breaker and (breaker.failures or breaker.open_until):
        Breaker.objects.filter(pk=breaker.pk).update(failures=[], open_until=None, probing_until=None)


def unused(kind: str, provider: str, operation: str) -> None:
    """There was nothing to probe with: the next caller may."""
    Breaker.objects.filter(kind=kind, provider=provider, operation=operation).update(probing_until=None)


def of(kind: str, operation: str) -> dict[str, Breaker]:
    """Those of one operation, by provider."""
    return {breaker.provider: breaker for breaker in Breaker.objects.filter(kind=kind, operation=operation)}


def open_ones() -> list[Breaker]:
    """Those that hold calls back now."""
    return list(Breaker.objects.filter(open_until__isnull=False).order_by("kind", "provider", "operation"))
