"""The staff's view: it reads; its actions call the same doors as the API."""

from datetime import UTC, datetime, time, timedelta
from typing import Any, ClassVar

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.formats import localize
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from generation import operators, pipeline, spending
from generation.models import (
    Breaker,
    GeneratedImage,
    GenerationRequest,
    ImageGenerationJob,
    Job,
    JobEvent,
    ModelGenerationJob,
    ProviderCall,
    ProviderGate,
    QueuePause,
)
from lumi import files
from lumi.accounts.models import User
from lumi.admin import ReadOnly, staff
from lumi.process import acting_as

MOST_LINES = 200  # of history on a page
MOST_PEOPLE = 50  # on the page of costs


class ImageInline(admin.TabularInline):
    """The four pictures of a request."""

    model = GeneratedImage
    fields = readonly_fields = ("index", "picture", "prompt", "status", "error_code", "completed_at")
    extra = 0
    can_delete = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody adds by hand."""
        return False

    @admin.display(description=_("picture"))
    def picture(self, image: GeneratedImage) -> str:
        """As people would rather look than read."""
        address = files.url(image.key)
        return format_html('<img src="{}" alt="" height="160">', address) if address else "–"


@admin.register(GenerationRequest)
class RequestAdmin(ReadOnly):
    """Requests."""

    list_display = (
        "id",
        "prompt",
        "owner",
        "status",
        "shown_phase",
        "selected_image_index",
        "error_code",
        "created_at",
    )
    list_filter = ("status", "error_code", "created_at")
    list_select_related = ("owner",)
    search_fields = ("id", "prompt", "owner__email")
    date_hierarchy = "created_at"
    inlines = (ImageInline,)
    readonly_fields = ("calls", "cost")

    @admin.display(description=_("questions to the LLM, newest first"))
    def calls(self, request: GenerationRequest) -> str:
        """Those for its designs; others are on the pages of its jobs."""
        return lines_of(ProviderCall.objects.filter(job_id=request.pk))

    @admin.display(description=_("cost"))
    def cost(self, request: GenerationRequest) -> str:
        """Of the designs and of all jobs."""
        return money(spending.total(operators.calls_for(request)))

    @admin.display(description=_("phase"))
    def shown_phase(self, request: GenerationRequest) -> str:
        """Computed from the status."""
        return request.phase


@admin.register(GeneratedImage)
class ImageAdmin(ReadOnly):
    """Images."""

    list_display = ("id", "request", "index", "status", "error_code", "created_at")
    list_filter = ("status", "error_code", "created_at")
    list_select_related = ("request",)
    search_fields = ("id", "request__id", "prompt")


def table(rows: Any) -> str:
    """Rows of cells."""
    lines = [format_html("<tr>{}</tr>", format_html_join("", "<td>{}</td>", ((cell,) for cell in row))) for row in rows]
    return format_html("<table>{}</table>", format_html_join("", "{}", ((line,) for line in lines))) if lines else "–"


def money(cost: Any) -> str:
    """In the settings' currency."""
    return f"{cost:.4f} {settings.CURRENCY}"


def lines_of(calls: "QuerySet[ProviderCall]") -> str:
    """A line for each call, newest first."""
    return table(
        (localize(one.sent_at), one.reference, one.provider, one.product, one.outcome or "…", one.provider_job_id,
         money(one.cost))
        for one in calls.order_by("-pk")[:MOST_LINES]
    )  # fmt: skip


def said(detail: dict[str, Any]) -> str:
    """What a line of history says besides its word."""
    return ", ".join(f"{name}: {value}" for name, value in detail.items())


class JobAdmin(ReadOnly):
    """Jobs of either kind."""

    list_display = (
        "id", "status", "stage", "provider", "provider_job_id", "progress", "retry_count", "error_code", "duration_ms",
        "created_at",
    )  # fmt: skip
    list_filter = ("status", "stage", "provider", "error_code", "created_at")
    search_fields: ClassVar[Any] = ("id", "provider_job_id")
    actions = ("requeue",)
    readonly_fields = ("history", "calls", "cost")

    @admin.display(description=_("history, newest first"))
    def history(self, job: Job) -> str:
        """What has happened to it, and who did it."""
        events = JobEvent.objects.filter(job_id=job.pk).order_by("-pk")[:MOST_LINES]
        return table((localize(one.at), one.event, said(one.detail), one.actor or one.process) for one in events)

    @admin.display(description=_("calls to the provider, newest first"))
    def calls(self, job: Job) -> str:
        """What was sent and what was answered."""
        return lines_of(operators.calls_of(job))

    @admin.display(description=_("cost"))
    def cost(self, job: Job) -> str:
        """The sum of its calls."""
        return money(spending.total(operators.calls_of(job)))

    @admin.action(description=_("Try the selected failed jobs again (this may cost money)"), permissions=["requeue"])
    def requeue(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        """Through the same door as `manage.py requeue_jobs`."""
        with acting_as(staff(request)):
            done = [job.id for job in queryset if pipeline.requeue(job=job)]
        self.message_user(request, _("%d jobs were queued again.") % len(done), messages.SUCCESS)

    def has_requeue_permission(self, request: HttpRequest) -> bool:
        """Whoever may change jobs, if jobs could be changed."""
        name = f"{self.opts.app_label}.change_{self.opts.model_name}"
        return bool(request.user.has_perm(name))


@admin.register(ImageGenerationJob)
class ImageJobAdmin(JobAdmin):
    """Image jobs."""

    search_fields = ("id", "provider_job_id", "image__request__id", "image__prompt")


@admin.register(ModelGenerationJob)
class ModelJobAdmin(JobAdmin):
    """Model jobs."""

    search_fields = ("id", "provider_job_id", "request__id", "model__id")


@admin.register(ProviderGate)
class GateAdmin(ReadOnly):
    """Gates."""

    list_display = ("kind", "provider", "closed_until")


@admin.register(Breaker)
class BreakerAdmin(ReadOnly):
    """Circuit breakers."""

    list_display = ("kind", "provider", "operation", "open_until", "probing_until")


@admin.register(JobEvent)
class EventAdmin(ReadOnly):
    """The history of all jobs, newest first; found by job."""

    list_display = ("at", "event", "kind", "job_id", "process", "actor", "detail")
    list_filter = ("event", "kind", "at")
    search_fields = ("=job_id",)
    ordering = ("-pk",)


@admin.register(ProviderCall)
class CallAdmin(ReadOnly):
    """The journal of paid calls, newest first; found by job, by owner's address, or by the provider's own id."""

    list_display = (
        "reference", "kind", "provider", "product", "owner", "sent_at", "answered_at", "outcome", "cost",
        "provider_job_id",
    )  # fmt: skip
    list_filter = ("outcome", "kind", "provider", "sent_at")
    search_fields = ("=job_id", "=reference", "=provider_job_id")
    search_help_text = _("a job, a reference, the provider's id, or an e-mail address")
    ordering = ("-pk",)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[ProviderCall]":
        """With the owners' addresses: people may be gone, so that there is no relation."""
        address = User.objects.filter(pk=OuterRef("owner_id")).values("email")[:1]
        return super().get_queryset(request).annotate(address=Subquery(address))

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """By e-mail address, if it is one."""
        if "@" in search_term:
            people = User.objects.filter(email__iexact=search_term.strip())
            return queryset.filter(owner_id__in=list(people.values_list("pk", flat=True))), False
        return super().get_search_results(request, queryset, search_term)

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


class PauseForm(forms.ModelForm):
    """Which queue to stop."""

    kind = forms.ChoiceField(label=_("queue"), choices=[(kind, kind) for kind in operators.QUEUES])

    class Meta:
        model = QueuePause
        fields = ("kind",)


@admin.register(QueuePause)
class PauseAdmin(admin.ModelAdmin):
    """Queues that are stopped: adding a row stops one, deleting it lets it go on."""

    form = PauseForm
    list_display = ("kind", "paused_at", "paused_by")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """There is nothing to change."""
        return False

    def save_model(self, request: HttpRequest, obj: QueuePause, form: Any, change: bool) -> None:
        """Written down as this person's doing."""
        obj.paused_by = staff(request)
        super().save_model(request, obj, form, change)
