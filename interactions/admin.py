"""Likes and favourites, to look at."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from interactions.models import ModelInteraction


@admin.register(ModelInteraction)
class ModelInteractionAdmin(admin.ModelAdmin):
    """Who likes what. Nothing can be changed here: counters hang on these rows."""

    list_display = ("user", "model", "type", "created_at")
    list_filter = ("type", "created_at")
    list_select_related = ("user", "model")
    search_fields = ("user__email", "model__id__exact", "model__name")
    show_full_result_count = False
    ordering = ("-id",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """People like for themselves."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A like has nothing to change."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The counter would not follow."""
        return False
