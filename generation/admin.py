"""The staff's view: it reads; its actions call the same doors as the API."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from generation import pipeline
from generation.models import (
    GeneratedImage,
    GenerationRequest,
    ImageGenerationJob,
    Job,
    ModelGenerationJob,
    ProviderGate,
)
from lumi import files


class ReadOnly(admin.ModelAdmin):
    """Rows of generation are moved by the pipeline only."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody adds by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes by hand."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Deleting is the owner's."""
        return False


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

    list_display = ("id", "prompt", "owner", "status", "phase", "selected_image_index", "error_code", "created_at")
    list_filter = ("status", "error_code", "created_at")
    list_select_related = ("owner",)
    search_fields = ("id", "prompt", "owner__email")
    date_hierarchy = "created_at"
    inlines = (ImageInline,)


@admin.register(GeneratedImage)
class ImageAdmin(ReadOnly):
    """Images."""

    list_display = ("id", "request", "index", "status", "error_code", "created_at")
    list_filter = ("status", "error_code", "created_at")
    list_select_related = ("request",)
    search_fields = ("id", "request__id", "prompt")


class JobAdmin(ReadOnly):
    """Jobs of either kind."""

    list_display = (
        "id", "status", "stage", "provider", "provider_job_id", "progress", "retry_count", "error_code", "duration_ms",
        "created_at",
    )  # fmt: skip
    list_filter = ("status", "stage", "provider", "error_code", "created_at")
    search_fields: ClassVar[Any] = ("id", "provider_job_id")
    actions = ("requeue",)

    @admin.action(description=_("Try the selected failed jobs again (this may cost money)"), permissions=["requeue"])
    def requeue(self, request: HttpRequest, queryset: QuerySet[Job]) -> None:
        """Through the same door as `manage.py requeue_jobs`."""
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
