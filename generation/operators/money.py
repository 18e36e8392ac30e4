"""What a month has cost, by what operators ask for."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from django.conf import settings

from generation import spending


def costs(by: str, month: spending.Month) -> dict[str, Any]:
    """What a month has cost, by "provider", "product", "person" or "day": the dearest first, days in order."""
    rows = [row | {"cost": row["cost"].quantize(spending.EXACT)} for row in COSTS[by](month)]
    return {
        "month": str(month),
        "currency": settings.CURRENCY,
        "calls": sum(row["calls"] for row in rows),
        "cost": sum((row["cost"] for row in rows), Decimal(0)),
        by: rows,
    }


def provider_costs(month: spending.Month) -> list[dict[str, Any]]:
    """With their budgets; also those that have one and were not called."""
    budgets = spending.budgets(month)
    found = {row["provider"]: row for row in spending.by_provider(month)}
    nothing = {name: {"provider": name, "calls": 0, "cost": Decimal(0)} for name in budgets if name not in found}
    return [row | budget_facts(budgets.get(row["provider"])) for row in (found | nothing).values()]


def budget_facts(budget: spending.Budget | None) -> dict[str, Any]:
    """A budget and how much of it is used; None where there is none."""
    return {"budget": budget and budget.most, "usedPercent": budget and budget.percent}


def person_costs(month: spending.Month) -> list[dict[str, Any]]:
    """By e-mail address, "" for people who are gone."""
    found = list(spending.by_person(month))
    addresses = spending.addresses(row["owner_id"] for row in found)
    return [
        {
            "person": addresses.get(row["owner_id"], ""),
            "id": row["owner_id"],
            "calls": row["calls"],
            "cost": row["cost"],
        }
        for row in found
    ]


COSTS: dict[str, Callable[[spending.Month], Iterable[dict[str, Any]]]] = {
    "provider": provider_costs,
    "product": spending.by_product,
    "person": person_costs,
    "day": spending.by_day,
}
