"""Probes for `/health/detailed`, named in the settings: what holds jobs back although every part of Lumi runs."""

from typing import Any

from django.db import connection

from generation import breakers, spending
from generation.models import QueuePause
from lumi.api.fields import timestamp


def finding(detail: list[dict[str, Any]]) -> dict[str, Any]:
    """Degraded when there is something to tell."""
    return {"status": "degraded" if detail else "ok", "detail": detail}


def probe_providers() -> dict[str, Any]:
    """Providers that are left alone for a while, because they did not answer; and budgets that are used up, or nearly.
    Not in money: this page is for everybody."""
    try:
        tripped, budgets = breakers.open_ones(), spending.budgets().values()
    finally:
        connection.close()  # the probe's thread ends; so must its connection
    return finding([
        {"kind": one.kind, "provider": one.provider, "operation": one.operation, "openUntil": timestamp(one.open_until)}
        for one in tripped
    ] + [
        {"provider": budget.provider, "budgetUsedPercent": budget.percent} for budget in budgets if budget.is_near
    ])  # fmt: skip


def probe_pauses() -> dict[str, Any]:
    """Queues that an operator has stopped."""
    try:
        found = list(QueuePause.objects.order_by("kind"))
    finally:
        connection.close()
    return finding([{"kind": one.kind, "pausedAt": timestamp(one.paused_at)} for one in found])
