"""The journal of paid calls, and the page of what a month has cost."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from generation import operators, spending
from generation.admin import search
from generation.admin.filters import KindFilter, OutcomeFilter, ProviderFilter
from generation.models import ProviderCall
from lumi.accounts.models import User
from lumi.admin import ReadOnly

MOST_PEOPLE = 50  # on the page of costs


@admin.register(ProviderCall)
class CallAdmin(ReadOnly):
    """The journal of paid calls, newest first; found by job, by owner's address, or by the provider's own id."""

    list_display = (
        "reference", "kind", "provider", "product", "owner", "sent_at", "answered_at", "outcome", "cost",
        "provider_job_id",
    )  # fmt: skip
    list_filter = (OutcomeFilter, KindFilter, ProviderFilter, "sent_at")
    search_fields = ("pk",)  # there is a field to search in: see get_search_results
    search_help_text = _("a job, a reference, the provider's id, or an e-mail address")
    ordering = ("-pk",)
    sortable_by = ()

    def get_queryset(self, request: HttpRequest) -> "QuerySet[ProviderCall]":
        """With the owners' addresses: people may be gone, so that there is no relation."""
        address = User.objects.filter(pk=OuterRef("owner_id")).values("email")[:1]
        return super().get_queryset(request).annotate(address=Subquery(address))

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """By e-mail address, if it is one; else by what is exact."""
        word = search_term.strip()
        if "@" in word:
            return queryset.filter(owner_id__in=search.people(word)), False
        return queryset.filter(pk__in=search.call_ids(word)) if word else queryset, False

    @admin.display(description=_("owner"), ordering="owner_id")
    def owner(self, call: Any) -> str:
        """The address, or what is left of somebody who is gone."""
        return call.address or call.owner_id or "–"

    def get_urls(self) -> list[Any]:
        """With the page of costs."""
        costs = path("costs/", self.admin_site.admin_view(self.costs), name="generation_providercall_costs")
        return [costs, *super().get_urls()]

    def costs(self, request: HttpRequest) -> HttpResponse:
        """What a month has cost, by provider, person and day."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            month = spending.Month.read(request.GET["month"]) if "month" in request.GET else spending.this_month()
        except ValueError:
            return HttpResponseBadRequest()
        page = {**self.admin_site.each_context(request), "opts": self.opts, "title": _("Costs"), **costs_of(month)}
        return TemplateResponse(request, "admin/generation/providercall/costs.html", page)


def costs_of(month: spending.Month) -> dict[str, Any]:
    """What the page of costs shows."""
    providers, people, days = (operators.costs(by, month) for by in ("provider", "person", "day"))
    return {
        "month": month,
        "months": sorted({*spending.months(), month}, reverse=True),
        "currency": settings.CURRENCY,
        "words": {"month": _("month"), "show": _("Show"), "calls": _("calls"), "cost": _("cost")},
        "total": cost_row("", providers, month),
        "tables": [
            bars(_("by provider"), [provider_row(fact, month) for fact in providers["provider"]]),
            bars(
                _("by person, the dearest first"), [person_row(fact, month) for fact in people["person"][:MOST_PEOPLE]]
            ),
            bars(_("by day (UTC)"), [day_row(fact, month) for fact in days["day"]]),
        ],
    }


def cost_row(name: Any, fact: dict[str, Any], month: spending.Month, **where: Any) -> dict[str, Any]:
    """A line of a table, and where its calls are listed."""
    where = {"sent_at__gte": month.begins.isoformat(), "sent_at__lt": month.ends.isoformat()} | where
    link = f"{reverse('admin:generation_providercall_changelist')}?{urlencode(where)}"
    return {"name": name, "calls": fact["calls"], "cost": f"{fact['cost']:.4f}", "link": link, "note": ""}


def provider_row(fact: dict[str, Any], month: spending.Month) -> dict[str, Any]:
    """With how much of its budget is used."""
    row = cost_row(fact["provider"], fact, month, provider__exact=fact["provider"])
    return row if fact["budget"] is None else row | {"note": f"{fact['usedPercent']} % / {fact['budget']:.2f}"}


def person_row(fact: dict[str, Any], month: spending.Month) -> dict[str, Any]:
    """By address, or by the id of somebody who is gone."""
    return cost_row(fact["person"] or fact["id"] or "–", fact, month, owner_id__exact=fact["id"])


def day_row(fact: dict[str, Any], month: spending.Month) -> dict[str, Any]:
    """One day."""
    begins = datetime.combine(fact["day"], time(), UTC)
    ends = begins + timedelta(days=1)
    return cost_row(fact["day"], fact, month, sent_at__gte=begins.isoformat(), sent_at__lt=ends.isoformat())


def bars(title: Any, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """A table whose bars are shares of its dearest line."""
    most = max((float(row["cost"]) for row in rows), default=0.0) or 1.0
    return {"title": title, "rows": [row | {"share": round(float(row["cost"]) / most * 100)} for row in rows]}
