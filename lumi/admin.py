"""The ground's desk for staff, and what the desks of all rooms share."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from lumi.models import DoomedFile


def staff(request: HttpRequest) -> str:
    """Who acts, for a history that is kept: no address."""
    user = request.user
    return f"{user.shown_name} ({user.pk})" if user.is_authenticated else ""


class ReadOnly(admin.ModelAdmin):
    """Rows that are moved by their own room only."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody adds by hand."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes by hand."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Deleting is the owner's."""
        return False


@admin.register(DoomedFile)
class DoomedFileAdmin(ReadOnly):
    """Files that nobody owns, before the sweep deletes them."""

    list_display = ("key", "after")
    search_fields = ("key",)
    ordering = ("after",)
