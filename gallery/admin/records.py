"""What was said and decided about models: reports, decisions, appeals. Nothing of it is changed by hand; an appeal is
answered."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.urls import URLPattern, path
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from gallery import moderation
from gallery.admin import acting
from gallery.admin.cards import page_of
from gallery.admin.queue import may_answer
from gallery.admin.verbs import MODERATE, Outcome
from gallery.models import Appeal, Decision, Report
from lumi.admin import ReadOnly, staff
from lumi.errors import Forbidden, Invalid, LumiError, NotFound
from lumi.process import acting_as

GRANTED, REFUSED = _("The appeal was granted."), _("The appeal was refused.")
ID_HELP = _("The whole id of a row, of a model or of a person")


class AboutModels(ReadOnly):
    """Rows that speak of a model. `of_model`: the way to its id; `of_person`: to a person's."""

    ordering = ("-id",)
    sortable_by = ()
    search_fields = ("id",)
    search_help_text = ID_HELP
    of_model = "model"
    of_person = "decided_by"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """An id, of whatever it is: one look-up after the other."""
        words = search_term.strip()
        if not words:
            return queryset, False
        found = (queryset.filter(**{field: words}) for field in ("pk", self.of_model, self.of_person))
        return next((rows for rows in found if rows.exists()), queryset.none()), False

    @admin.display(description=_("model"))
    def about(self, obj: Any) -> str:
        """A way to the model."""
        model = self.model_of(obj)
        return format_html('<a href="{}">{}</a>', page_of("gallery_model", model.pk), model.name)

    def model_of(self, obj: Any) -> Any:
        """The model that a row speaks of."""
        return obj.model


@admin.register(Report)
class ReportAdmin(AboutModels):
    """What people have said against models."""

    list_display = ("created_at", "about", "reason", "text", "state", "reporter", "decided_by")
    list_filter = ("state", "reason")
    list_select_related = ("model", "reporter")
    fields = ("id", "about", "reporter", "reason", "text", "state", "decided_by", "decided_at", "created_at")
    readonly_fields = ("about",)
    of_person = "reporter"


@admin.register(Decision)
class DecisionAdmin(AboutModels):
    """What was decided."""

    list_display = ("created_at", "about", "verdict", "reason", "decided_by")
    list_filter = ("verdict",)
    list_select_related = ("model", "decided_by")
    fields = ("id", "about", "verdict", "reason", "decided_by", "created_at")
    readonly_fields = ("about",)


@admin.register(Appeal)
class AppealAdmin(AboutModels):
    """Owners who do not agree. Whoever has decided does not decide again."""

    list_display = ("created_at", "about", "text", "state", "answer", "decided_by")
    list_filter = ("state",)
    list_select_related = ("decision__model",)
    fields = (
        "id",
        "about",
        "verdict",
        "verdict_by",
        "text",
        "state",
        "answer",
        "decided_by",
        "decided_at",
        "created_at",
    )
    readonly_fields = ("about", "verdict", "verdict_by")
    change_form_template = "admin/gallery/appeal/page.html"
    of_model = "decision__model"
    of_person = "decision__model__owner"

    def model_of(self, obj: Appeal) -> Any:
        """What the decision was about."""
        return obj.decision.model

    @admin.display(description=_("decision"))
    def verdict(self, obj: Appeal) -> str:
        """What it is against."""
        return f"{obj.decision.get_verdict_display()}: {obj.decision.reason}"

    @admin.display(description=_("decided by"))
    def verdict_by(self, obj: Appeal) -> str:
        """Who has to leave this to others."""
        return obj.decision.decided_by.shown_name if obj.decision.decided_by else "–"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Appeal]:
        """With what they are about."""
        found: QuerySet[Appeal] = super().get_queryset(request)
        return found.select_related("decision__model", "decision__decided_by")

    def render_change_form(self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """With the two answers, for whoever may give one."""
        appeal = kwargs.get("obj")
        context["may_answer"] = appeal is not None and may_answer(request.user, appeal)
        return super().render_change_form(request, context, *args, **kwargs)

    def get_urls(self) -> list[URLPattern]:
        """One more: what the answers are posted to."""
        view = self.admin_site.admin_view(self.answer_view)
        return [path("<path:object_id>/answer/", view, name="gallery_appeal_answer"), *super().get_urls()]

    def answer_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Grant or refuse. What went wrong is told in a sentence, with its status."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        try:
            outcome = answered(object_id, request)
        except LumiError as error:
            return acting.refusal(error, request, self.admin_site)
        return acting.told([outcome], request)


def answered(appeal_id: str, request: HttpRequest) -> Outcome:
    """What became of it. Raises NotFound, Forbidden, Invalid and what `moderation.decide_appeal` raises."""
    appeal = Appeal.objects.select_related("decision").filter(pk=appeal_id).first()
    verdict, text = request.POST.get("verdict"), request.POST.get("reason", "")
    if not request.user.has_perm(MODERATE):
        raise Forbidden
    if appeal is None:
        raise NotFound
    if verdict not in ("grant", "refuse"):
        raise Invalid(_("There is no such action."))
    granted, by = verdict == "grant", acting.member(request)
    with acting_as(staff(request)):
        moderation.decide_appeal(appeal_id=appeal_id, granted=granted, answer=text, by=by)
    return Outcome(appeal.decision.model_id, 200, str(GRANTED if granted else REFUSED), "")
