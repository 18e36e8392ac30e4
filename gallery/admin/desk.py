"""The gallery's desk for staff: find any model, look at all that is known of it, decide about it."""

from datetime import timedelta
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from gallery.admin import acting, glb, queue
from gallery.admin.cards import cards_for, files_of
from gallery.admin.verbs import USUAL_REASONS, VERBS, verbs_for
from gallery.models import Appeal, Decision, Model, Report
from lumi import files
from lumi.accounts.addresses import one_spelling
from lumi.accounts.models import User
from lumi.admin import ReadOnly
from lumi.errors import Invalid
from lumi.models import AuditEntry

MOST_LINES = 100  # of anything on a model's page
MOST_SEARCHED = 20_000  # newest models, for a part of a name
ID_LENGTH = 36
AGES = {"1": _("a day"), "7": _("7 days"), "30": _("30 days")}


class AgeFilter(admin.SimpleListFilter):
    """How new."""

    title = _("age, at most")
    parameter_name = "age"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Known choices."""
        return list(AGES.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> QuerySet[Model]:
        """Those created since then."""
        if self.value() not in AGES:
            return queryset
        return queryset.filter(created_at__gte=timezone.now() - timedelta(days=int(self.value() or 0)))


class ReportedFilter(admin.SimpleListFilter):
    """Whether somebody has reported it, and it was not looked at."""

    title = _("reported")
    parameter_name = "reported"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Known choices."""
        return [("1", _("has open reports"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> QuerySet[Model]:
        """Those with open reports."""
        return queryset.filter(open_reports__gt=0) if self.value() == "1" else queryset


@admin.register(Model)
class ModelAdmin(ReadOnly):
    """Models, newest first. Their words are their owners'; staff decide whether they are shown."""

    list_display = (
        "preview", "name", "owner_link", "source", "visibility", "moderation", "open_reports",
        "view_count", "like_count", "download_count", "created",
    )  # fmt: skip
    list_display_links = ("preview", "name")
    list_filter = ("visibility", "moderation", "source", AgeFilter, ReportedFilter)
    list_select_related = ("owner",)
    sortable_by = ("created",)  # the others would sort the table for each page
    search_fields = ("id",)  # see get_search_results
    search_help_text = _(
        "An id of a model or of a person, an owner's whole e-mail address, or a part of the name of one of the newest"
    )
    ordering = ("-id",)
    actions = ("approve", "hide", "restore", "remove")
    change_form_template = "admin/gallery/model/page.html"
    change_list_template = "admin/gallery/model/list.html"
    fields = (
        "id", "name", "format", "size", "review_since", "open_reports", "error_code", "created_at", "updated_at",
        "published_at", "completed_at", "failed_at",
    )  # fmt: skip

    # --- The list -----------------------------------------------------------------------------------------------------
    @admin.display(description=_("preview"))
    def preview(self, obj: Model) -> str:
        """A thumbnail."""
        address = files.url(obj.key("preview"))
        template = '<img src="{}" alt="{}" width="64" height="64" loading="lazy">'
        return format_html(template, address, obj.name) if address else "–"

    @admin.display(description=_("owner"))
    def owner_link(self, obj: Model) -> str:
        """Whose it is."""
        return format_html(
            '<a href="{}">{}</a>', reverse("admin:accounts_user_change", args=[obj.owner_id]), obj.owner.shown_name
        )

    @admin.display(description=_("created"), ordering="id")
    def created(self, obj: Model) -> Any:
        """Ids are in the order of time, and the key of the table."""
        return obj.created_at

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Model], search_term: str
    ) -> tuple[QuerySet[Model], bool]:
        """An id, an address, or else a name: one look-up each, and no more than the newest are read for a name."""
        return found(queryset, search_term.strip()), False

    def has_moderate_permission(self, request: HttpRequest) -> bool:
        """Whoever moderates."""
        return bool(verbs_for(request.user))

    @admin.action(description=_("Approve"), permissions=["moderate"])
    def approve(self, request: HttpRequest, queryset: QuerySet[Model]) -> HttpResponse:
        """They have been looked at."""
        return self.ask("approve", request, queryset)

    @admin.action(description=_("Hide from the gallery"), permissions=["moderate"])
    def hide(self, request: HttpRequest, queryset: QuerySet[Model]) -> HttpResponse:
        """Nobody but the owners sees them."""
        return self.ask("hide", request, queryset)

    @admin.action(description=_("Restore to the gallery"), permissions=["moderate"])
    def restore(self, request: HttpRequest, queryset: QuerySet[Model]) -> HttpResponse:
        """They are seen again."""
        return self.ask("restore", request, queryset)

    @admin.action(description=_("Remove, with their files"), permissions=["moderate"])
    def remove(self, request: HttpRequest, queryset: QuerySet[Model]) -> HttpResponse:
        """They go."""
        return self.ask("remove", request, queryset)

    def ask(self, verb: str, request: HttpRequest, chosen: QuerySet[Model]) -> HttpResponse:
        """The page that asks for a reason."""
        ids = list(chosen.values_list("pk", flat=True)[: acting.MOST_AT_ONCE + 1])
        try:
            acting.check_number(VERBS[verb], ids)
        except Invalid as error:
            return acting.refusal(error, request, self.admin_site)
        return acting.question(VERBS[verb], ids, request, self.admin_site)

    # --- A model's page -----------------------------------------------------------------------------------------------
    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        """Whoever may look sees all that is known."""
        model = Model.objects.with_owner().with_id(object_id or "")
        known = self.known_of(model, request) if model and self.has_view_permission(request, model) else {}
        return super().changeform_view(request, object_id, form_url, {**(extra_context or {}), **known})

    def known_of(self, model: Model, request: HttpRequest) -> dict[str, Any]:
        """What the page shows besides the row."""
        user: Any = request.user
        appeals = Appeal.objects.filter(decision__model=model).select_related("decision__decided_by")
        return {
            "card": cards_for([model], request)[0],
            "files": files_of(model, request),
            "decisions": decisions_of(model),
            "reports": reports_of(model) if user.has_perm("gallery.view_report") else None,
            "appeals": appeals.order_by("-created_at") if user.has_perm("gallery.view_appeal") else None,
            "lines": lines_of(model) if user.has_perm("lumi.view_auditentry") else None,
            "reasons": USUAL_REASONS,
        }

    # --- Pages of its own ---------------------------------------------------------------------------------------------
    def get_urls(self) -> list[URLPattern]:
        """The queue, what it posts, and models for the 3D viewer."""
        wrap = self.admin_site.admin_view
        return [
            path("queue/", wrap(self.queue_view), name="gallery_model_queue"),
            path("act/", wrap(self.act_view), name="gallery_model_act"),
            path("<path:object_id>/view.glb", wrap(self.glb_view), name="gallery_model_glb"),
            *super().get_urls(),
        ]

    def queue_view(self, request: HttpRequest) -> HttpResponse:
        """What waits for a decision."""
        tabs = queue.tabs_for(request.user)
        tab = next((tab for tab in tabs if tab.name == request.GET.get("tab", tab.name)), None)
        if tab is None:
            raise PermissionDenied
        try:
            page = queue.page_of(tab, request.GET.get("after", ""), request)
        except Invalid as error:
            return acting.refusal(error, request, self.admin_site)
        context = {
            **self.admin_site.each_context(request), "title": _("Moderation"), "opts": self.opts, "tab": tab,
            "tabs": queue.counts(tabs), "page": page, "verbs": verbs_for(request.user),
            "for_many": verbs_for(request.user, many=True), "reasons": USUAL_REASONS, "keys": True,
        }  # fmt: skip
        return TemplateResponse(request, "admin/gallery/model/queue.html", context)

    def act_view(self, request: HttpRequest) -> HttpResponse:
        """A verb for one or several."""
        return acting.act(request, self.admin_site) if request.method == "POST" else HttpResponseNotAllowed(["POST"])

    def glb_view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """A model for the 3D viewer."""
        model = Model.objects.with_id(object_id)
        if not self.has_view_permission(request, model):
            raise PermissionDenied
        return glb.answer(model)


# --- Questions --------------------------------------------------------------------------------------------------------
def found(models: QuerySet[Model], words: str) -> QuerySet[Model]:
    """What somebody looks for. Nothing is joined, and no two questions are made one with OR."""
    if "@" in words:
        return models.filter(owner__in=people_with(words))
    if len(words) == ID_LENGTH and " " not in words:
        by_id = models.filter(pk=words)
        return by_id if by_id.exists() else models.filter(owner=words)
    return named(models, words) if words else models


def people_with(address: str) -> list[str]:
    """The id of the person with this address, if there is one."""
    try:
        return list(User.objects.filter(email=one_spelling(address)).values_list("pk", flat=True))
    except UnicodeError:  # no address at all
        return []


def named(models: QuerySet[Model], words: str) -> QuerySet[Model]:
    """Those among the newest whose names hold the words."""
    oldest = Model.objects.order_by("-pk").values_list("pk", flat=True)[MOST_SEARCHED : MOST_SEARCHED + 1].first()
    newest = models.filter(pk__gt=oldest) if oldest else models
    return newest.filter(name__icontains=words)


def decisions_of(model: Model) -> QuerySet[Decision]:
    """Newest first."""
    rows = Decision.objects.filter(model=model).select_related("decided_by")
    return rows.order_by("-created_at", "-id")[:MOST_LINES]


def reports_of(model: Model) -> QuerySet[Report]:
    """Newest first, also those that are decided."""
    rows = Report.objects.filter(model=model).select_related("reporter")
    return rows.order_by("-created_at", "-id")[:MOST_LINES]


def lines_of(model: Model) -> QuerySet[AuditEntry]:
    """Of the audit trail, newest first."""
    return AuditEntry.objects.filter(subject_id=model.pk).order_by("-number")[:MOST_LINES]
