"""Money: what calls cost, what a month has cost, and whether a provider may still be paid.

All sums are sums of the journal's lines, in the settings' currency; months are calendar months (UTC). A line bears its
expected price from before the call until the provider has said what it was: what is under way counts as spent.
"""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Count, QuerySet, Sum
from django.db.models.functions import TruncDate

from generation.models import ProviderCall, ProviderGate
from lumi import clock
from lumi.accounts.models import User
from providers import registry
from providers.base import Billed, Completion, Fault, JobState, ProviderError, Report

MILLION = Decimal(1_000_000)
EXACT = Decimal("0.000001")
MOST = Decimal(100_000_000)  # no call costs as much: whoever says so talks nonsense
UNMADE = (ImportError, AttributeError, LookupError, TypeError, ValueError)  # what a provider raises that cannot be made
NEAR = 80  # per cent of a budget, from where on somebody should look


# --- Prices ---------------------------------------------------------------------------------------------------------


def amount(value: Any) -> Decimal | None:
    """A number from the settings or from a vendor as money or units: finite and not negative, else None."""
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return None
    number = Decimal(str(value))
    return number if number.is_finite() and 0 <= number < MOST else None


def unit_price(*words: str) -> Decimal:
    """The price of a unit of provider, product and, of a language model, direction; 0 where the table has none."""
    return amount(settings.PRICES.get(":".join(words))) or Decimal(0)


def price(provider: str, product: str, units: Any = 1) -> Decimal:
    """What so many pictures or credits cost."""
    return money(unit_price(provider, product) * (amount(units) or 0))


def price_of_tokens(provider: str, product: str, tokens_in: int, tokens_out: int) -> Decimal:
    """What a question to a language model costs."""
    counted = {"in": amount(tokens_in) or 0, "out": amount(tokens_out) or 0}
    return money(sum(unit_price(provider, product, way) * number / MILLION for way, number in counted.items()))


def money(value: Any) -> Decimal:
    """As a column can hold it."""
    return min(Decimal(value), MOST - 1).quantize(EXACT)


def expected(kind: str, provider: str) -> tuple[str, Decimal]:
    """The product that an order of this kind buys, and what it is expected to cost. Nothing where the settings make no
    such provider: it will not be paid either."""
    try:
        seller = registry.get(kind, provider)
    except UNMADE:
        return "", Decimal(0)
    return seller.product, price(provider, seller.product, getattr(seller, "usual_units", 1))


def cost_by(provider: str, product: str, answer: Report | Completion | ProviderError) -> Decimal | None:
    """What a call has cost by the provider's word; None where the word says nothing new: then it is what was expected,
    also where nobody knows whether it was billed."""
    if isinstance(answer, Completion):
        told = answer.tokens_in or answer.tokens_out
        return price_of_tokens(provider, product, answer.tokens_in, answer.tokens_out) if told else None
    if isinstance(answer, ProviderError):
        return Decimal(0) if answer.billed == Billed.NO else None
    if answer.state == JobState.FAILED:
        return None if answer.error and was_paid(answer.error) else Decimal(0)
    return None if amount(answer.units) is None else price(provider, product, answer.units)


def was_paid(error: ProviderError) -> bool:
    """Whether a job that was taken and failed may have cost something. One that the vendor has lost was taken."""
    return error.billed != Billed.NO or error.fault == Fault.JOB_LOST


# --- Months ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, order=True)
class Month:
    """A calendar month (UTC)."""

    year: int
    number: int

    def __str__(self) -> str:
        return f"{self.year:04}-{self.number:02}"

    @classmethod
    def read(cls, text: str) -> "Month":
        """`2026-11`. Raises ValueError."""
        found = cls.of(datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC))
        found.next().begins  # noqa: B018  the last month of all has none
        return found

    @classmethod
    def of(cls, moment: datetime) -> "Month":
        """The one that a moment lies in."""
        return cls(moment.year, moment.month)

    @property
    def begins(self) -> datetime:
        """Its first moment."""
        return datetime(self.year, self.number, 1, tzinfo=UTC)

    @property
    def ends(self) -> datetime:
        """The first moment after it."""
        return self.next().begins

    def next(self) -> "Month":
        """The one after it."""
        return Month(self.year + self.number // 12, self.number % 12 + 1)


def this_month() -> Month:
    """By the database's clock."""
    return Month.of(clock.now())


def months() -> list[Month]:
    """All from the first call to now, the newest first."""
    first = ProviderCall.objects.order_by("sent_at").values_list("sent_at", flat=True).first()
    now = this_month()
    found = [Month.of(first) if first else now]
    while found[-1] < now:
        found.append(found[-1].next())
    return found[::-1]


# --- Sums -----------------------------------------------------------------------------------------------------------


def of_month(month: Month) -> "QuerySet[ProviderCall]":
    """Its calls, by when they were sent."""
    return ProviderCall.objects.filter(sent_at__gte=month.begins, sent_at__lt=month.ends)


def summed(calls: Any, *words: str) -> Any:
    """How many calls and what they cost, for each value of these columns, the dearest first."""
    return calls.values(*words).annotate(calls=Count("id"), cost=Sum("cost")).order_by("-cost", *words)


def by_provider(month: Month) -> Any:
    """Rows of `provider`, `calls`, `cost`."""
    return summed(of_month(month), "provider")


def by_product(month: Month) -> Any:
    """Rows of `provider`, `kind`, `product`, `calls`, `cost`."""
    return summed(of_month(month), "provider", "kind", "product")


def by_person(month: Month) -> Any:
    """Rows of `owner_id`, `calls`, `cost`."""
    return summed(of_month(month), "owner_id")


def by_day(month: Month) -> Any:
    """Rows of `day`, `calls`, `cost`, in order; days without a call have none."""
    days = of_month(month).annotate(day=TruncDate("sent_at", tzinfo=UTC))
    return summed(days, "day").order_by("day")


def addresses(owner_ids: Iterable[str]) -> dict[str, str]:
    """E-mail addresses by id, of those that are still there."""
    return dict(User.objects.filter(pk__in=list(owner_ids)).values_list("pk", "email"))


def total(calls: "QuerySet[ProviderCall]") -> Decimal:
    """What these have cost."""
    return (calls.aggregate(cost=Sum("cost"))["cost"] or Decimal(0)).quantize(EXACT)


# --- Budgets --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Budget:
    """What may be spent at a provider in a month, and what is spent."""

    provider: str
    most: Decimal
    spent: Decimal

    @property
    def left(self) -> Decimal:
        """Below 0 where the vendor took more than was expected."""
        return self.most - self.spent

    def allows(self, cost: Decimal) -> bool:
        """Whether a call of this cost may be made."""
        return self.left > 0 and self.left >= cost

    @property
    def percent(self) -> int:
        """How much of it is used. What there is none of is used up."""
        return int(self.spent * 100 / self.most) if self.most else 100

    @property
    def is_near(self) -> bool:
        """Somebody should look."""
        return self.percent >= NEAR


def budgets(month: Month | None = None, *, but: str = "") -> dict[str, Budget]:
    """The budgets by provider, and what the month (this one) has cost so far, but for the call of one reference. One
    statement, and none where there are no budgets. A budget that is no number allows nothing."""
    if not settings.BUDGETS:
        return {}
    calls = of_month(month or this_month()).filter(provider__in=list(settings.BUDGETS))
    calls = calls.exclude(reference=but) if but else calls
    spent = dict(calls.values_list("provider").annotate(cost=Sum("cost")))
    return {
        name: Budget(name, amount(most) or Decimal(0), spent.get(name, Decimal(0)).quantize(EXACT))
        for name, most in settings.BUDGETS.items()
    }


def exhausted(kind: str) -> frozenset[str]:
    """The providers whose budget does not allow another order of this kind."""
    return frozenset(name for name, budget in budgets().items() if not budget.allows(expected(kind, name)[1]))


def allows(provider: str, cost: Decimal) -> bool:
    """Whether the budget allows a call of this cost. Inside a transaction, until whose end nobody else spends of it."""
    if provider not in settings.BUDGETS:
        return True
    hold(provider)
    return budgets()[provider].allows(cost)


def room(kind: str, provider: str, *, but: str = "") -> int:
    """How many more orders of this kind the budget allows; `but`: the reference of one that is being sent again. Inside
    a transaction, until whose end nobody else spends of this budget."""
    if provider not in settings.BUDGETS:
        return sys.maxsize
    hold(provider)
    budget, (_, cost) = budgets(but=but)[provider], expected(kind, provider)
    if not budget.allows(cost):
        return 0
    return int(budget.left / cost) if cost else sys.maxsize


def hold(provider: str) -> None:
    """Let one at a time spend of a budget, until the caller's transaction ends; locked after request and gate. One
    statement, that makes the row or locks it; SQLite's transactions come one at a time anyway."""
    if connection.features.has_select_for_update:
        gate = ProviderGate(kind="budget", provider=provider)
        ProviderGate.objects.bulk_create([gate], update_conflicts=True, update_fields=["closed_until"])
