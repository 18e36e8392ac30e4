"""What holds jobs back, and their history: gates, breakers, pauses, events."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from generation import operators
from generation.admin.confirm import OPERATE
from generation.models import Breaker, JobEvent, ProviderGate, QueuePause
from lumi.admin import Desk, ReadOnly, staff
from lumi.process import acting_as


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
    sortable_by = ()
    search_fields = ("pk",)  # there is a field to search in: see get_search_results
    search_help_text = _("the id of a job")
    ordering = ("-pk",)

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """By job."""
        return queryset.filter(job_id=search_term.strip()) if search_term.strip() else queryset, False


class PauseForm(forms.ModelForm):
    """Which queue to stop."""

    kind = forms.ChoiceField(label=_("queue"), choices=[(kind, kind) for kind in operators.QUEUES])

    class Meta:
        model = QueuePause
        fields = ("kind",)


@admin.register(QueuePause)
class PauseAdmin(Desk):
    """Queues that are stopped: adding a row stops one, deleting it lets it go on."""

    form = PauseForm
    list_display = ("kind", "paused_at", "paused_by")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """As with all that is done about jobs."""
        return request.user.has_perm(OPERATE)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """There is nothing to change."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whoever may pause may resume."""
        return request.user.has_perm(OPERATE)

    def save_model(self, request: HttpRequest, obj: QueuePause, form: Any, change: bool) -> None:
        """Through the same door as `manage.py jobs pause`."""
        with acting_as(staff(request)):
            operators.pause(obj.kind)

    def delete_model(self, request: HttpRequest, obj: QueuePause) -> None:
        """Through the same door as `manage.py jobs resume`."""
        with acting_as(staff(request)):
            operators.resume(obj.kind)

    def delete_queryset(self, request: HttpRequest, queryset: "QuerySet[QueuePause]") -> None:
        """Each through the same door."""
        for pause in queryset:
            self.delete_model(request, pause)

    def record(self, request: HttpRequest, action: str, obj: Any, message: Any) -> None:
        """The doors have written it down."""
