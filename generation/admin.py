"""The staff's view: it reads; its actions call the same doors as the API."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.formats import localize
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _

from generation import operators, pipeline
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
from lumi.admin import ReadOnly, staff
from lumi.process import acting_as

MOST_LINES = 200  # of history on a page


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
    readonly_fields = ("history", "calls")

    @admin.display(description=_("history, newest first"))
    def history(self, job: Job) -> str:
        """What has happened to it, and who did it."""
        events = JobEvent.objects.filter(job_id=job.pk).order_by("-pk")[:MOST_LINES]
        return table((localize(one.at), one.event, said(one.detail), one.actor or one.process) for one in events)

    @admin.display(description=_("calls to the provider, newest first"))
    def calls(self, job: Job) -> str:
        """What was sent and what was answered."""
        calls = ProviderCall.objects.filter(job_id=job.pk).order_by("-pk")[:MOST_LINES]
        return table(
            (localize(one.sent_at), one.reference, one.provider, one.outcome or "…", one.provider_job_id)
            for one in calls
        )

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
    """The journal of paid calls, newest first; found by job, or by the provider's own id."""

    list_display = ("reference", "kind", "provider", "sent_at", "answered_at", "outcome", "provider_job_id")
    list_filter = ("outcome", "kind", "provider", "sent_at")
    search_fields = ("=job_id", "=reference", "=provider_job_id")
    ordering = ("-pk",)


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
