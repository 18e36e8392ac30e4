"""The ground's desk for staff, and what the desks of all rooms share."""

import json
from collections.abc import Iterator
from functools import cached_property
from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ORDER_VAR, ChangeList
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import GroupAdmin
from django.contrib.auth.models import Group, Permission
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Manager, Model, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from lumi import audit
from lumi.again import again_after_deadlock
from lumi.forms import ManyRulesForm, RuleForm
from lumi.models import AuditEntry, DoomedFile, FilterRule
from lumi.pages import MOST_COUNTED
from lumi.process import acting_as


def staff(request: HttpRequest) -> str:
    """Who acts, for a history that is kept: no address."""
    user = request.user
    return f"{user.shown_name} ({user.pk})" if user.is_authenticated else ""


class BoundedPaginator(Paginator):
    """Pages of a table that is never counted whole: so many rows are enough to page by hand; a search narrows."""

    @cached_property
    def count(self) -> int:
        """Of the rows, or MOST_COUNTED when there are more."""
        return int(self.object_list.order_by()[:MOST_COUNTED].count())  # type: ignore[attr-defined]


class Listing(ChangeList):
    """A list whose related rows come by statements of their own. Joined to a table that is sorted, they mislead the
    optimizer of MariaDB: it begins with the smaller table and sorts all of it, minutes for 100 000 rows."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        """What is listed."""
        found = super().get_queryset(request, exclude_parameters)
        joined = found.query.select_related
        return found.select_related(None).prefetch_related(*paths(joined)) if isinstance(joined, dict) else found

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """By what the desk can be sorted by, also where an address asks for more: by any other column the whole table
        would be sorted for each page."""
        if not self.may_be_sorted_by(self.params.get(ORDER_VAR, "")):
            self.params.pop(ORDER_VAR, None)
        return list(super().get_ordering(request, queryset))

    def may_be_sorted_by(self, asked: str) -> bool:
        """Whether these are numbers of such columns, as in "3.-1"."""
        numbers = [part.removeprefix("-") for part in str(asked).split(".") if part]
        names = {str(number) for number, name in enumerate(self.list_display) if name in (self.sortable_by or ())}
        return set(numbers) <= names


def paths(tree: dict[str, Any], before: str = "") -> Iterator[str]:
    """The relations of a tree of them, by name."""
    for name, below in tree.items():
        yield from paths(below, f"{before}{name}__") if below else [before + name]


class Desk(admin.ModelAdmin):
    """What all lists and forms of ours have in common. What is changed by hand is in the audit trail as well: which
    fields, and of those named in `kept_in_trail` what was there before and after."""

    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER  # they count the table once for each choice
    list_per_page = 50
    list_max_show_all = 200
    kept_in_trail: tuple[str, ...] = ()  # never what is personal

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Without joins."""
        return Listing

    @again_after_deadlock
    def changeform_view(self, *args: Any, **kwargs: Any) -> HttpResponse:
        """One transaction."""
        return super().changeform_view(*args, **kwargs)

    @again_after_deadlock
    def delete_view(self, *args: Any, **kwargs: Any) -> HttpResponse:
        """One transaction."""
        return super().delete_view(*args, **kwargs)

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:
        """Django's, and on the request the values for the trail."""
        names = [name for name in form.changed_data if name in self.kept_in_trail]
        before = {} if add else {name: kept(form.initial.get(name)) for name in names}
        request.trail = before, {name: kept(form.cleaned_data[name]) for name in names}  # type: ignore[attr-defined]
        return super().construct_change_message(request, form, formsets, add)

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Somebody added a row."""
        entry = super().log_addition(request, obj, message)
        self.record(request, "added", obj, message)
        return entry

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Somebody changed a row."""
        entry = super().log_change(request, obj, message)
        self.record(request, "changed", obj, message)
        return entry

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """Somebody deletes rows."""
        entries = super().log_deletions(request, queryset)
        for obj in queryset:
            request.trail = {name: kept(getattr(obj, name)) for name in self.kept_in_trail}, {}  # type: ignore[attr-defined]
            self.record(request, "deleted", obj, [])
        return entries

    def record(self, request: HttpRequest, action: str, obj: Any, message: Any) -> None:
        """A line of the audit trail: which fields, as Django's own log has them, and the values that are kept."""
        before, after = getattr(request, "trail", ({}, {}))
        with acting_as(staff(request)):
            audit.record(action, (self.opts.model_name or "", str(obj.pk)), before=before, after=after | told(message))


def told(message: Any) -> dict[str, Any]:
    """Django's own words on which fields were changed."""
    return {"fields": message} if message else {}


def kept(value: Any) -> Any:
    """A field's value for the trail: rows by their ids, permissions and roles by their names."""
    if isinstance(value, Permission | Group):
        return ".".join(value.natural_key())
    if isinstance(value, Manager):
        return kept(value.all())
    if isinstance(value, list | QuerySet):
        return sorted(map(kept, value))
    return value.pk if isinstance(value, Model) else value


class ReadOnly(Desk):
    """Rows that are moved by their own room only."""

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


# --- The audit trail --------------------------------------------------------------------------------------------------


class ActionFilter(admin.SimpleListFilter):
    """The actions that Lumi knows: to ask the table for them would be to read it."""

    title = _("what")
    parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """In their order."""
        return list(audit.ACTIONS.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
        """Those of one action."""
        return queryset.filter(action=self.value()) if self.value() else queryset


@admin.register(AuditEntry)
class AuditDesk(ReadOnly):
    """The trail, newest first. Nobody adds, changes or deletes a line, whatever they may do elsewhere."""

    list_display = ("number", "at", "by", "what", "subject", "reason")
    list_filter = (ActionFilter,)
    sortable_by = ("number",)
    ordering = ("-number",)
    search_fields = ("subject_id",)
    search_help_text = _(
        "the id of a thing, the e-mail address of a person it was done to, a name as in “who”, a number"
    )
    fields = ("number", "at", "by", "what", "subject", "reason", "difference", "previous_hash", "hash")

    class Media:
        css = {"all": ["lumi/audit.css"]}

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditEntry], search_term: str
    ) -> tuple[QuerySet[AuditEntry], bool]:
        """Exact, each by an index."""
        term = search_term.strip()
        return (queryset.filter(meant_by(term)) if term else queryset), False

    @admin.display(description=_("who"))
    def by(self, entry: AuditEntry) -> str:
        """With a link to all that they have done."""
        return lines_where(entry.actor, actor__exact=entry.actor)

    @admin.display(description=_("what"))
    def what(self, entry: AuditEntry) -> str:
        """In words."""
        return str(audit.ACTIONS.get(entry.action, entry.action))

    @admin.display(description=_("to what"))
    def subject(self, entry: AuditEntry) -> str:
        """With a link to all that was done to it."""
        return format_html(
            "{} {}", entry.subject_type, lines_where(entry.subject_id, subject_id__exact=entry.subject_id)
        )

    @admin.display(description=_("before and after"))
    def difference(self, entry: AuditEntry) -> str:
        """A row for each thing that is known of."""
        names = [*entry.before, *(name for name in entry.after if name not in entry.before)]
        rows = format_html_join(
            "",
            '<tr><th scope="row">{}</th><td>{}</td><td>{}</td></tr>',
            ((name, as_read(entry.before.get(name)), as_read(entry.after.get(name))) for name in names),
        )
        head = format_html('<tr><td></td><th scope="col">{}</th><th scope="col">{}</th></tr>', _("before"), _("after"))
        return format_html("<table>{}{}</table>", head, rows) if names else "–"

    def get_urls(self) -> list[Any]:
        """With the export."""
        export = path("export/", self.admin_site.admin_view(self.export), name="lumi_auditentry_export")
        return [export, *super().get_urls()]

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """With a button for it."""
        return super().changelist_view(request, {"export": _("Export (JSON lines)"), **(extra_context or {})})

    def export(self, request: HttpRequest) -> StreamingHttpResponse:
        """The whole trail as JSON lines."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return StreamingHttpResponse(
            audit.exported(),
            content_type="application/x-ndjson",
            headers={"Content-Disposition": 'attachment; filename="audit.jsonl"', "Cache-Control": "no-store"},
        )


def meant_by(term: str) -> Q:
    """What somebody searches the trail for."""
    if "@" in term:
        people = get_user_model()._default_manager.filter(email=term.lower())
        return Q(subject_id__in=[str(pk) for pk in people.values_list("pk", flat=True)])
    if term.isascii() and term.isdigit() and len(term) < 19:
        return Q(number=int(term))
    return Q(subject_id=term) if AuditEntry.objects.filter(subject_id=term).exists() else Q(actor=term)


def lines_where(text: str, **conditions: str) -> str:
    """A link to the lines that are alike in this."""
    address = f"{reverse('admin:lumi_auditentry_changelist')}?{urlencode(conditions)}"
    return format_html('<a href="{}">{}</a>', address, text) if text else "–"


def as_read(value: Any) -> str:
    """Text as it is, all else as JSON."""
    if value is None:
        return "–"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


# --- Roles ------------------------------------------------------------------------------------------------------------

admin.site.unregister(Group)


@admin.register(Group)
class RoleDesk(Desk, GroupAdmin):
    """Roles, and what each may do."""

    kept_in_trail = ("name", "permissions")


# --- The word filter --------------------------------------------------------------------------------------------------


@admin.register(FilterRule)
class RuleDesk(Desk):
    """Words and patterns that are not welcome."""

    form = RuleForm
    list_display = ("text", "match", "scope", "is_active", "hits", "updated_at")
    list_filter = ("match", "scope", "is_active")
    search_fields = ("text",)
    ordering = ("-updated_at",)
    readonly_fields = ("hits", "created_at", "updated_at")
    fields = ("text", "match", "scope", "sentence", "is_active", *readonly_fields)
    kept_in_trail = ("text", "match", "scope", "sentence", "is_active")

    def get_urls(self) -> list[Any]:
        """With the page for many at once."""
        many = path("many/", self.admin_site.admin_view(self.many), name="lumi_filterrule_many")
        return [many, *super().get_urls()]

    def many(self, request: HttpRequest) -> HttpResponse:
        """Rules, one a line."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = ManyRulesForm(request.POST or None)
        if form.is_valid():
            with acting_as(staff(request)):
                count = form.save()
            self.message_user(request, ngettext("%d rule was added.", "%d rules were added.", count) % count)
            return HttpResponseRedirect(reverse("admin:lumi_filterrule_changelist"))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Add many rules"),
            "form": form,
        }
        return TemplateResponse(request, "admin/lumi/filterrule/many.html", context)
