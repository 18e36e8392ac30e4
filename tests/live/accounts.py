"""Which vendors can be asked: all that the settings know and that have a key in the environment; and what an order
there costs at most."""

import os
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

LIVE = "LUMI_LIVE"
MOST = "LUMI_LIVE_MOST"  # what all orders of a run may cost together, in LUMI_CURRENCY
MOST_BY_DEFAULT = 20.0
CREDITS = 30.0  # the most that a textured model takes at any vendor
ASKED_TOKENS = 1000


@dataclass(frozen=True)
class Vendor:
    """One provider with a real account. Its setting is named like it: "meshy" has settings.MESHY."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.name}-{self.kind}"

    def make(self) -> Any:
        """The provider, as the settings have it at this moment."""
        return import_string(settings.PROVIDERS[self.kind][self.name])()

    @property
    def account(self) -> dict[str, Any]:
        """Its setting."""
        told: dict[str, Any] = getattr(settings, self.name.upper())
        return told

    @property
    def obstacle(self) -> str:
        """Why it is not asked, or ""."""
        if os.environ.get(LIVE) != "1":
            return f"{LIVE}=1 is not set: it asks real vendors and spends money"
        return "" if self.account["key"] else f"no key for {self.name} in the environment (see .env.example)"

    @cached_property
    def price(self) -> float | None:
        """What one order costs at most; None where the price table does not say."""
        provider = self.make()
        product = f"{self.name}:{provider.product}"
        if self.kind == "llm":
            prices = settings.PRICES.get(f"{product}:in"), settings.PRICES.get(f"{product}:out")
            amounts = ASKED_TOKENS / 1_000_000, settings.LLM_MOST_TOKENS / 1_000_000
            return None if None in prices else sum(p * n for p, n in zip(prices, amounts, strict=True))
        price = settings.PRICES.get(product)
        usual = CREDITS if provider.product == "credit" else 1
        return None if price is None else price * getattr(provider, "usual_units", usual)


def vendors() -> list[Vendor]:
    """All but the offline ones."""
    return [Vendor(kind, name) for kind, names in settings.PROVIDERS.items() for name in names if name != "offline"]


def most() -> float:
    """What a run may cost."""
    return float(os.environ.get(MOST, MOST_BY_DEFAULT))


def bill(asked: list[Vendor]) -> list[str]:
    """What one order at each of these costs, line by line, and together."""
    lines = [f"live: one order at {vendor}: {told(vendor.price)}" for vendor in asked]
    return [*lines, f"live: at most {told(total(asked))} together; {MOST} allows {told(most())}"] if asked else []


def total(asked: list[Vendor]) -> float:
    """Of the prices that are known."""
    return sum(vendor.price or 0.0 for vendor in asked)


def told(amount: float | None) -> str:
    """An amount for people."""
    return "a price that LUMI_PRICES does not tell" if amount is None else f"{amount:.3f} {settings.CURRENCY}"
