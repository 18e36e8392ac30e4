"""The gallery's desk for staff: look at everything, hide and restore, throw away. Changes go through actions."""

from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from gallery import actions, sharing
from gallery.facts import facts_of
from gallery.models import Model, Moderation
from lumi import files
from lumi.admin import staff
from lumi.process import acting_as


@admin.register(Model)
class ModelAdmin(admin.ModelAdmin):
    """Models, newest first."""

    list_display = (
        "preview", "name", "owner", "source", "visibility", "moderation",
        "view_count", "like_count", "favorite_count", "download_count", "created_at", "completed_at",
    )  # fmt: skip
    list_display_links = ("preview", "name")
    list_filter = ("visibility", "moderation", "source", "created_at")
    list_select_related = ("owner",)
    list_per_page = 50
    search_fields = ("id__exact", "name", "owner__email")
    show_full_result_count = False
    ordering = ("-id",)
    exclude = ("files",)
    readonly_fields = ("preview", "id", "file_links", "request", "job")
    actions = ("hide", "restore")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Models are generated or uploaded."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """A model's words are its owner's; staff hide it or leave it."""
        return False

    def has_moderate_permission(self, request: HttpRequest) -> bool:
        """Whoever may change models may hide them."""
        return request.user.has_perm("gallery.change_model")

    # --- What is shown ------------------------------------------------------------------------------------------------
    @admin.display(description=_("preview"))
    def preview(self, obj: Model) -> str:
        """A thumbnail."""
        address = files.url(obj.key("preview"))
        return format_html('<img src="{}" alt="" width="64" height="64" loading="lazy">', address) if address else "–"

    @admin.display(description=_("files"))
    def file_links(self, obj: Model) -> str:
        """A link to each file."""
        links = [format_html('<a href="{}">{}</a>', files.url(file["key"]), file["role"]) for file in obj.files]
        return format_html(" · ".join(["{}"] * len(links)), *links) if links else "–"

    @admin.display(description=_("request"))
    def request(self, obj: Model) -> str:
        """The request that it came from."""
        return self.facts(obj).get("requestId") or "–"

    @admin.display(description=_("job"))
    def job(self, obj: Model) -> str:
        """The job that makes it."""
        job = self.facts(obj).get("generationJob")
        return f"{job['status']} {job['progress']} % ({job['id']})" if job else "–"

    def facts(self, obj: Model) -> Any:
        """What generation knows."""
        return facts_of([obj.pk]).get(obj.pk, {})

    # --- What is done -------------------------------------------------------------------------------------------------
    @admin.action(description=_("Hide from the gallery"), permissions=["moderate"])
    def hide(self, request: HttpRequest, queryset: QuerySet[Model]) -> None:
        """Nobody but the owners sees them."""
        self.moderate(request, queryset, Moderation.HIDDEN)

    @admin.action(description=_("Restore to the gallery"), permissions=["moderate"])
    def restore(self, request: HttpRequest, queryset: QuerySet[Model]) -> None:
        """They are seen again."""
        self.moderate(request, queryset, Moderation.VISIBLE)

    def moderate(self, request: HttpRequest, queryset: QuerySet[Model], moderation: Moderation) -> None:
        """Do it, write down who did it, say so."""
        chosen = list(queryset)
        count = sharing.moderate(model_ids=[model.pk for model in chosen], moderation=moderation)
        LogEntry.objects.log_actions(str(request.user.pk), chosen, CHANGE, moderation.value)
        sentence = ngettext("%(count)d model: %(state)s.", "%(count)d models: %(state)s.", count)
        self.message_user(request, sentence % {"count": count, "state": moderation.label}, messages.SUCCESS)

    def get_deleted_objects(
        self, objs: Any, request: HttpRequest
    ) -> tuple[list[Any], dict[str, int], set[str], list[str]]:
        """What hangs on a model goes with it and is nobody else's to keep."""
        return [str(obj) for obj in objs], {str(Model._meta.verbose_name_plural): len(objs)}, set(), []

    def delete_model(self, request: HttpRequest, obj: Model) -> None:
        """With its files."""
        with acting_as(staff(request)):
            actions.erase(model_id=obj.pk)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Model]) -> None:
        """With their files."""
        with acting_as(staff(request)):
            for model_id in queryset.values_list("pk", flat=True):
                actions.erase(model_id=model_id)
