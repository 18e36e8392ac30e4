"""Jobs of either kind: the list, and all that is known of one."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.translation import gettext_lazy as _

from generation import operators, spending
from generation.admin import calls, search, timeline
from generation.admin.confirm import CANCEL, FAIL, OF_JOBS, REQUEUE, Verb
from generation.admin.desks import OperatedDesk, action
from generation.admin.filters import AgeFilter, ErrorFilter, ProviderFilter
from generation.admin.shown import as_text, badge, money, short, state_of, thumbnail, tone_of, took, without_secrets
from generation.messages import sentence
from generation.models import ImageGenerationJob, Job, ModelGenerationJob
from generation.states import JobStatus, Stage
from lumi import files

EXPERT = (
    "attempt", "retry_count", "max_retries", "priority", "next_at", "timeout_at", "lease_until", "holder", "fence",
    "recoveries", "refused_by", "started_at", "ended_at", "created_at", "updated_at",
)  # fmt: skip


class JobAdmin(OperatedDesk):
    """Jobs of either kind."""

    list_display = (
        "picture", "name", "state", "provider", "owner_link", "age", "duration", "cost",
    )  # fmt: skip
    list_display_links = ("name",)
    list_filter = ("status", "stage", ProviderFilter, ErrorFilter, AgeFilter)
    search_fields = ("pk",)  # there is a field to search in: see get_search_results
    search_help_text = search.HELP
    actions = (action(REQUEUE), action(CANCEL), action(FAIL))
    verbs = OF_JOBS
    page_template = "admin/generation/job.html"
    context: ClassVar[tuple[str, ...]]

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        """With what a row's page and a line of the list need: a statement for each table. MariaDB begins a join with
        the smallest table, and then sorts all jobs."""
        return super().get_queryset(request).prefetch_related("owner", *self.context)

    def things_of(self, verb: Verb, rows: list[Any]) -> list[Any]:
        """Cancelled are requests, once each."""
        if verb is not CANCEL:
            return rows
        requests = {job.request_id: operators.request_of(job) for job in rows}
        return list(requests.values())

    # --- A line of the list -------------------------------------------------------------------------------------------

    @admin.display(description=_("picture"))
    def picture(self, job: Any) -> str:
        """As people would rather look than read."""
        return thumbnail(self.picture_key(job))

    @admin.display(description=_("prompt"))
    def name(self, job: Any) -> str:
        """The words that it works from; the id where there are none yet."""
        return short(job.words) or job.pk

    @admin.display(description=_("state"), ordering="status")
    def state(self, job: Any) -> str:
        """The wire's word; and the error, the progress or the stage."""
        if job.has_ended:
            return badge(job.status, tone_of(job), job.error_code)
        return badge(job.status, tone_of(job), f"{job.progress} %" if job.stage == Stage.POLLING else job.stage)

    @admin.display(description=_("duration"), ordering="duration_ms")
    def duration(self, job: Any) -> str:
        """From the first submit to the end."""
        return took(job)

    # --- Its page -----------------------------------------------------------------------------------------------------

    def picture_key(self, job: Any) -> str:
        """Of the picture that stands for it."""
        raise NotImplementedError

    def result_of(self, job: Any) -> dict[str, Any]:
        """What was made, for the page."""
        raise NotImplementedError

    def facts_of(self, job: Any) -> dict[str, Any]:
        """All that is known of it."""
        mine = calls.newest(job.pk)
        return {
            "title": f"{self.opts.verbose_name} · {short(job.words)}" if job.words else f"{self.opts.verbose_name}",
            "job": job,
            "badge": badge(job.status, tone_of(job)),
            "state": state_of(job),
            "duration": took(job),
            "evidence": without_secrets(job.error_text),
            "sentence": sentence(job.error_code) if job.status != JobStatus.COMPLETED else None,
            "cost": money(spending.total(operators.calls_of(job))),
            "calls": calls.shown(mine),
            "all_calls": listed("providercall", job.pk),
            "timeline": timeline.of_job(job.pk),
            "all_events": listed("jobevent", job.pk),
            "siblings": siblings(job),
            "expert": expert(job),
            "request_link": reverse("admin:generation_generationrequest_change", args=[job.request_id]),
            "owner_link": reverse("admin:accounts_user_change", args=[job.owner_id]),
            "is_lost": operators.may_be_adopted(job),
            **self.result_of(job),
        }


def listed(table: str, job_id: str) -> str:
    """All rows about a job."""
    return f"{reverse(f'admin:generation_{table}_changelist')}?q={job_id}"


def expert(job: Job) -> list[tuple[Any, Any]]:
    """Who holds it until when, and how often it was tried."""
    facts = [(job._meta.get_field(name).verbose_name, getattr(job, name)) for name in EXPERT]  # type: ignore[union-attr]
    return [
        (_("reference of this attempt"), job.reference),
        *facts,
        (_("results at the provider"), as_text(job.results)),
    ]


def siblings(job: Job) -> list[tuple[str, str, str]]:
    """The other jobs of its request: what, where, and how they stand. Two statements."""
    others = [one for one in jobs_of_request(job.request_id) if one.pk != job.pk]
    return [(name_of(other), address_of(other), badge(other.status, tone_of(other))) for other in others]


def jobs_of_request(request_id: str) -> Sequence[Any]:
    """All of a request's jobs, in their order, with their context. Two statements."""
    images = ImageGenerationJob.objects.of_request(request_id).with_context().order_by("image__index")
    return [*images, *ModelGenerationJob.objects.of_request(request_id).with_context()]


def name_of(job: Any) -> str:
    """What it is called beside the others of its request."""
    if isinstance(job, ImageGenerationJob):
        return str(_("picture %d") % (job.image.index + 1))
    return str(_("model"))


def address_of(job: Job) -> str:
    """Where its page is."""
    return reverse(f"admin:generation_{job._meta.model_name}_change", args=[job.pk])


@admin.register(ImageGenerationJob)
class ImageJobAdmin(JobAdmin):
    """Image jobs."""

    context = ("image__request",)

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """See `search`."""
        prompts = ("image__prompt", "image__request__prompt")
        return search.narrowed(queryset, search_term, search.image_job_ids, prompts), False

    def picture_key(self, job: ImageGenerationJob) -> str:
        """What it has painted."""
        return job.image.key

    def result_of(self, job: ImageGenerationJob) -> dict[str, Any]:
        """The picture."""
        return {
            "picture": files.url(job.image.key),
            "order": [(_("prompt"), job.words), (_("variant"), job.image.index)],
        }


@admin.register(ModelGenerationJob)
class ModelJobAdmin(JobAdmin):
    """Model jobs."""

    context = ("model", "request", "source_image")

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        """See `search`."""
        prompts = ("source_image__prompt", "request__prompt")
        return search.narrowed(queryset, search_term, search.model_job_ids, prompts), False

    def picture_key(self, job: ModelGenerationJob) -> str:
        """The model's preview, or else the picture that it is built from."""
        return job.model.key("preview") or job.source_image.key

    def result_of(self, job: ModelGenerationJob) -> dict[str, Any]:
        """The model, in 3D, and the picture that it is built from."""
        number = job.source_image.index + 1
        return {
            "model": job.model,
            "glb": reverse("admin:gallery_model_glb", args=[job.model_id]) if job.model.is_finished else "",
            "model_link": reverse("admin:gallery_model_change", args=[job.model_id]),
            "source": files.url(job.source_image.key),
            "order": [
                (_("prompt"), job.words),
                (_("name"), job.model.name),
                (_("picture"), number),
            ],
        }
