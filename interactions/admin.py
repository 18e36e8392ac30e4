"""Likes and favourites, to look at."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from interactions.models import ModelInteraction
from lumi.accounts.models import User
from lumi.admin import ReadOnly
from lumi.pages import MOST_COUNTED


@admin.register(ModelInteraction)
class ModelInteractionAdmin(ReadOnly):
    """Who likes what. Nothing can be changed here: counters hang on these rows."""

    list_display = ("user", "model", "type", "created_at")
    list_select_related = ("user", "model")
    search_fields = ("id",)  # there is a field to search in: see get_search_results
    search_help_text = _("the id of a model or a person, or an e-mail address")
    ordering = ("-id",)
    sortable_by = ()

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """By what is exact, each by an index of its own: joined to people and models it would read all of them."""
        word = search_term.strip()
        if not word:
            return queryset, False
        people = [word, *User.objects.filter(email=word.lower()).values_list("pk", flat=True)]
        found = [*queryset.filter(user__in=people)[:MOST_COUNTED], *queryset.filter(model=word)[:MOST_COUNTED]]
        return queryset.filter(pk__in=[row.pk for row in found]), False
