"""Requests: the list with their pictures, and the page with the four of them side by side, the model and all that has
happened."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.translation import gettext_lazy as _

from generation.admin import calls, search, timeline
from generation.admin.confirm import CANCEL, OF_REQUESTS, RETRY
from generation.admin.desks import OperatedDesk, action
from generation.admin.filters import AgeFilter, ErrorFilter
from generation.admin.jobs import address_of, jobs_of_request, name_of
from generation.admin.shown import REQUESTS, badge, costs_of, money, short, thumbnail, tone_of
from generation.messages import sentence
from generation.models import GeneratedImage, GenerationRequest, ImageGenerationJob, ModelGenerationJob
from generation.states import ImageStatus
from lumi import files
from lumi.admin import ReadOnly


@admin.register(GenerationRequest)
class RequestAdmin(OperatedDesk):
    """Requests."""

    list_display = ("pictures", "name", "owner_link", "state", "age", "cost")
    list_display_links = ("name",)
    list_filter = ("status", ErrorFilter, AgeFilter)
    search_fields = ("pk",)  # there is a field to search in: see get_search_results
    search_help_text = search.HELP
    actions = (action(CANCEL), action(RETRY))
    verbs = OF_REQUESTS
    page_template = "admin/generation/request.html"

    def get_queryset(self, request: HttpRequest) -> "QuerySet[GenerationRequest]":
        """With their owners and pictures."""
        return super().get_queryset(request).prefetch_related("owner", "images")

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """See `search`."""
        return search.narrowed(queryset, search_term, search.request_ids, ["prompt"]), False

    # --- The list -----------------------------------------------------------------------------------------------------

    def costs_of_rows(self, rows: Sequence[GenerationRequest]) -> dict[str, Any]:
        """Of their designs and of all of their jobs. Three statements."""
        ids = [request.pk for request in rows]
        images = ImageGenerationJob.objects.filter(image__request_id__in=ids).values_list("pk", "image__request_id")
        models = ModelGenerationJob.objects.filter(request_id__in=ids).values_list("pk", "request_id")
        request_of = dict([*images, *models, *((pk, pk) for pk in ids)])
        total: dict[str, Any] = {}
        for job_id, cost in costs_of(request_of).items():
            total[request_of[job_id]] = total.get(request_of[job_id], 0) + cost
        return total

    @admin.display(description=_("pictures"))
    def pictures(self, request: GenerationRequest) -> str:
        """Those that are painted."""
        painted = [(thumbnail(image.key, 44),) for image in request.images.all() if image.key]
        return format_html_join("", "{}", painted) or "–"

    @admin.display(description=_("prompt"))
    def name(self, request: GenerationRequest) -> str:
        """The person's own words."""
        return short(request.prompt)

    @admin.display(description=_("status"), ordering="status")
    def state(self, request: GenerationRequest) -> str:
        """The wire's word, and the error."""
        return badge(request.status, tone_of(request), request.error_code)

    # --- The page -----------------------------------------------------------------------------------------------------

    def facts_of(self, thing: GenerationRequest) -> dict[str, Any]:
        """All that is known of it."""
        jobs = list(jobs_of_request(thing.pk))
        names = {job.pk: name_of(job) for job in jobs}
        all_calls = calls.newest(thing.pk, *names)
        questions = [call for call in all_calls if call.job_id == thing.pk]
        model_job = next((job for job in jobs if isinstance(job, ModelGenerationJob)), None)
        costs = costs_of([thing.pk, *names])
        return {
            "title": short(thing.prompt),
            "request_row": thing,
            "badge": badge(thing.status, tone_of(thing)),
            "state": REQUESTS[thing.status],
            "sentence": sentence(thing.error_code),
            "notice": sentence(thing.notice_code),
            "cost": money(sum(costs.values())),
            "pictures": [picture(image, thing.selected_image_index, jobs, costs) for image in thing.images.all()],
            "model_job": model_job and job_facts(model_job, costs),
            **(model_facts(model_job) if model_job else {}),
            "questions": calls.shown(questions),
            "calls": calls.shown([call for call in all_calls if call.job_id != thing.pk], names),
            "timeline": timeline.of_request(thing, names, questions[::-1]),
            "owner_link": reverse("admin:accounts_user_change", args=[thing.owner_id]),
        }


def picture(image: GeneratedImage, chosen: int | None, jobs: list[Any], costs: dict[str, Any]) -> dict[str, Any]:
    """One of the four, or why there is none. `chosen`: the index of the one that was."""
    job = next((job for job in jobs if isinstance(job, ImageGenerationJob) and job.image_id == image.pk), None)
    return {
        "number": image.index + 1,
        "prompt": image.prompt,
        "address": files.url(image.key),
        "is_chosen": image.index == chosen,
        "badge": badge(image.status, tone_of(job) if job else ""),
        "sentence": sentence(image.error_code) if image.status == ImageStatus.FAILED else None,
        "error_code": image.error_code,
        "job": job and job_facts(job, costs),
    }


def job_facts(job: Any, costs: dict[str, Any]) -> dict[str, Any]:
    """A job in a few words, and where its page is."""
    return {
        "link": address_of(job),
        "badge": badge(job.status, tone_of(job)),
        "provider": job.provider,
        "evidence": job.error_text,
        "sentence": sentence(job.error_code),
        "error_code": job.error_code,
        "progress": job.progress,
        "cost": money(costs.get(job.pk, 0)),
    }


def model_facts(job: ModelGenerationJob) -> dict[str, Any]:
    """What is built, in 3D when it is there."""
    return {
        "model": job.model,
        "glb": reverse("admin:gallery_model_glb", args=[job.model_id]) if job.model.is_finished else "",
        "model_link": reverse("admin:gallery_model_change", args=[job.model_id]),
    }


@admin.register(GeneratedImage)
class ImageAdmin(ReadOnly):
    """Images."""

    list_display = ("id", "request", "index", "status", "error_code", "created_at")
    sortable_by = ()
    list_select_related = ()  # no join: see `JobAdmin.get_queryset`
    search_fields = ("pk",)  # there is a field to search in: see get_search_results
    ordering = ("-pk",)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[GeneratedImage]":
        """With their requests."""
        return super().get_queryset(request).prefetch_related("request")

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """By image or request."""
        found = search.image_ids(search_term) if search_term else None
        return queryset if found is None else queryset.filter(pk__in=found), False
