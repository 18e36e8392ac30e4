"""How people are found in lists of a hundred thousand: by an index, whatever staff type."""

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest

from lumi.accounts.models import User
from lumi.admin import ReadOnly

MOST_FOUND = 200  # by the beginning of an address or a name; one more letter narrows


def ids_found(term: str) -> list[str]:
    """The ids of whoever has exactly this id or address; else of those whose address or name begins so."""
    for exactly in ({"pk": term}, {"email": term.lower()}):
        if ids := list(User.objects.filter(**exactly).values_list("pk", flat=True)):
            return ids
    begins = ({"email__istartswith": term}, {"name__istartswith": term})
    return [pk for way in begins for pk in User.objects.filter(**way).values_list("pk", flat=True)[:MOST_FOUND]]


class RowsOfPeople(ReadOnly):
    """Rows that are people's (`user`), to look at: found by the row's own id, or by whose they are."""

    list_select_related = ("user",)
    ordering = ("-id",)

    search_fields = ("id",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Django's hook: the rows, and that none is there twice."""
        term = search_term.strip()
        if not term:
            return queryset, False
        row = queryset.filter(pk=term)
        return (row if row.exists() else queryset.filter(user__in=ids_found(term))), False
