"""What the desks of jobs and of requests have in common: rows that know their cost, a page of their own for each, and
verbs with a confirmation."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, cast

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from generation.admin.confirm import MOST_AT_ONCE, OPERATE, Verb, confirmed
from generation.admin.shown import age, costs_of, money
from lumi import clock
from lumi.admin import Listing, ReadOnly


class PricedList(Listing):
    """A page of a list, whose rows know what they have cost, and what time it is."""

    def get_results(self, request: HttpRequest) -> None:
        """Some statements more, however many rows."""
        super().get_results(request)
        desk: Any = self.model_admin
        rows = self.result_list = list(self.result_list)
        costs, now = desk.costs_of_rows(rows), clock.now()
        for row in rows:
            row.total_cost, row.seen_at = costs.get(row.pk, 0), now


class OperatedDesk(ReadOnly):
    """Rows that operators look at, and do something about. `verbs`: what they do, by its name in the address."""

    class Media:
        css: ClassVar[Any] = {"all": ("generation/staff.css",)}

    verbs: ClassVar[Mapping[str, Verb]]
    page_template: ClassVar[str]
    ordering = ("-pk",)
    sortable_by = ("age",)

    # --- The list -----------------------------------------------------------------------------------------------------

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """With costs."""
        return PricedList

    def costs_of_rows(self, rows: Sequence[Any]) -> Any:
        """By primary key."""
        return costs_of(row.pk for row in rows)

    @admin.display(description=_("cost"))
    def cost(self, row: Any) -> str:
        """Of all its calls."""
        return money(row.total_cost)

    @admin.display(description=_("age"), ordering="pk")
    def age(self, row: Any) -> str:
        """Since it was created; the moment itself on pointing at it."""
        moment = f"{row.created_at:%Y-%m-%d %H:%M:%S} UTC"
        return format_html('<time title="{}">{}</time>', moment, age(row.created_at, row.seen_at))

    @admin.display(description=_("owner"))
    def owner_link(self, row: Any) -> str:
        """Their address, which leads to all of theirs in this list."""
        return format_html('<a href="?owner__id__exact={}">{}</a>', row.owner_id, row.owner.email)

    # --- What is done -------------------------------------------------------------------------------------------------

    def has_operate_permission(self, request: HttpRequest) -> bool:
        """One permission for all verbs, on jobs of both kinds and on requests."""
        return request.user.has_perm(OPERATE)

    def get_urls(self) -> list[Any]:
        """With the verbs of one row."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_do"
        view = self.admin_site.admin_view(self.verb_view)
        return [path("<str:object_id>/do/<str:verb>/", view, name=name), *super().get_urls()]

    def verb_view(self, request: HttpRequest, object_id: str, verb: str) -> HttpResponse:
        """Ask, and do it."""
        if not self.has_operate_permission(request):
            raise PermissionDenied
        thing, chosen = self.seen(request, object_id), self.verbs.get(verb)
        if thing is None:
            return self.gone(request)
        if chosen is None:
            raise Http404
        return confirmed(self, request, chosen, [thing], self.address_of(thing))

    def ask_for(self, request: HttpRequest, verb: Verb, rows: "QuerySet[Any]") -> HttpResponse | None:
        """The same for rows that were chosen in the list."""
        chosen = list(rows[: MOST_AT_ONCE + 1])
        if len(chosen) > MOST_AT_ONCE:
            self.message_user(request, _("At most %d can be chosen at once.") % MOST_AT_ONCE, messages.ERROR)
            return None
        things = self.things_of(verb, chosen)
        return confirmed(self, request, verb, things, request.get_full_path(), [row.pk for row in chosen])

    def things_of(self, verb: Verb, rows: list[Any]) -> list[Any]:
        """What the verb is about, where that is not the rows themselves."""
        return rows

    def verbs_for(self, request: HttpRequest, thing: Any) -> list[tuple[Verb, str]]:
        """The buttons of its page: what this person may do to it as it stands, and where."""
        if not self.has_operate_permission(request):
            return []
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_do"
        allowed = [verb for verb in self.verbs.values() if verb.allows(thing)]
        return [(verb, reverse(name, args=[thing.pk, verb.name])) for verb in allowed]

    # --- The page -----------------------------------------------------------------------------------------------------

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """A page to read: there is nothing to change."""
        thing = self.seen(request, object_id)
        if thing is None:
            return self.gone(request)
        page = {**self.admin_site.each_context(request), "opts": self.opts, "media": self.media}
        page |= {"verbs": self.verbs_for(request, thing), **self.facts_of(thing)}
        return TemplateResponse(request, self.page_template, page)

    def facts_of(self, thing: Any) -> dict[str, Any]:
        """What its page shows."""
        raise NotImplementedError

    def seen(self, request: HttpRequest, object_id: str) -> Any | None:
        """The row with all that its page needs, or None. Raises PermissionDenied."""
        thing = self.get_queryset(request).filter(pk=object_id).first()
        if not self.has_view_permission(request, thing):
            raise PermissionDenied
        return thing

    def gone(self, request: HttpRequest) -> HttpResponse:
        """Back to the list, with a word."""
        self.message_user(request, _("There is no such row (any more)."), messages.WARNING)
        return HttpResponseRedirect(reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"))

    def address_of(self, thing: Any) -> str:
        """Where its page is."""
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[thing.pk])


def action(verb: Verb) -> Callable[..., Any]:
    """A verb as an action of a list."""

    @admin.action(description=cast("Any", verb.title), permissions=["operate"])
    def ask(desk: OperatedDesk, request: HttpRequest, rows: "QuerySet[Any]") -> HttpResponse | None:
        return desk.ask_for(request, verb, rows)

    ask.__name__ = verb.name
    return ask
