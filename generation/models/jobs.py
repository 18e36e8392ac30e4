"""Jobs: one paid order at one provider each, and what became of it."""

from datetime import datetime
from typing import Any, ClassVar

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from gallery.models import Model
from generation.models.records import JobEvent
from generation.models.requests import GeneratedImage, GenerationRequest
from generation.models.words import Stale, one_of, words_of
from generation.querysets import ImageJobQuerySet, ModelJobQuerySet
from generation.states import JobStatus, Stage, check_job_move
from lumi import logs, process
from lumi.ids import IdField


class Job(models.Model):
    """What image jobs and model jobs have in common: one paid order at one provider, and what became of it.

    `stage` says what the next step is, `next_at` when; `lease_until` and `fence` say whose it is: a worker whose fence
    is no longer the row's writes nothing.
    """

    kind: ClassVar[str]
    request_id: Any  # of the request it works for
    words: Any  # the prompt that it works from

    id = IdField()
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", verbose_name=_("owner")
    )
    status = models.CharField(_("status"), max_length=20, choices=one_of(JobStatus), default=JobStatus.PENDING.value)
    stage = models.CharField(_("stage"), max_length=20, choices=one_of(Stage), default=Stage.WAITING.value)
    priority = models.SmallIntegerField(_("priority"), default=0, help_text=_("higher goes first"))
    retry_count = models.PositiveSmallIntegerField(_("retries"), default=0)
    attempt = models.PositiveIntegerField(_("attempt"), default=1, help_text=_("never starts again"))
    max_retries = models.PositiveSmallIntegerField(_("most retries"), default=2)
    next_at = models.DateTimeField(_("next step at"), null=True, blank=True)
    timeout_at = models.DateTimeField(_("given up at"), null=True, blank=True)
    lease_until = models.DateTimeField(_("leased until"), null=True, blank=True)
    holder = models.CharField(_("held by"), max_length=80, blank=True, help_text=_("the process that works on it"))
    fence = models.PositiveIntegerField(_("fence"), default=0)
    recoveries = models.PositiveSmallIntegerField(_("workers lost"), default=0)
    provider = models.CharField(_("provider"), max_length=40, blank=True)
    refused_by = models.CharField(
        _("refused by"), max_length=200, blank=True, help_text=_("providers that surely will not do it, with commas")
    )
    provider_job_id = models.CharField(_("job id at the provider"), max_length=255, blank=True)
    results = models.JSONField(_("results at the provider"), default=list, blank=True)
    progress = models.PositiveSmallIntegerField(_("progress"), default=0)
    error_code = models.CharField(_("error"), max_length=40, blank=True)
    error_text = models.TextField(_("evidence"), blank=True)
    duration_ms = models.PositiveBigIntegerField(_("duration in ms"), null=True, blank=True)
    trace_id = models.CharField(
        _("HTTP request"),
        max_length=64,
        blank=True,
        default=logs.current,
        db_default="",
        help_text=_("that ordered it: as in the log"),
    )
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    ended_at = models.DateTimeField(_("ended"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"

    @property
    def reference(self) -> str:
        """Our name for this attempt at the provider: the same for a submit that is repeated because its outcome is
        unknown, another for a new try."""
        return f"{self.id}-{self.attempt}"

    @property
    def has_ended(self) -> bool:
        """Nothing follows by itself."""
        return self.stage == Stage.ENDED

    def move(self, stage: Stage, status: JobStatus, *, event: str = "", **fields: Any) -> None:
        """The only writer of `status` and `stage`, guarded by the fence; its line of history is written with it.

        Ends the lease unless told to keep it. `event` is the line's word where the new stage or status is not enough;
        "-" for none. Raises IllegalMove (a bug) and Stale (the job is somebody else's now, or gone).
        """
        check_job_move(self.stage, stage, status)
        ended_at = timezone.now() if stage == Stage.ENDED else None
        fields = {"lease_until": None, "holder": "", "ended_at": ended_at, **fields}
        fields |= {"stage": stage.value, "status": status.value}
        says_more = stage == Stage.ENDED or status == JobStatus.RETRYING
        with transaction.atomic(savepoint=False):
            written = self.write({**fields, "updated_at": timezone.now()})
            if written and event != "-":
                self.note(event or (status if says_more else stage).value)
        if not written:  # raised outside, so that a caller's transaction is left as it was
            raise Stale

    def take(self, until: datetime, **fields: Any) -> None:
        """Make the job the caller's: a new fence, so that whoever had it before writes nothing more. Raises Stale."""
        if not self.write({**fields, "fence": self.fence + 1, "lease_until": until}):
            raise Stale

    def write(self, fields: dict[str, Any]) -> bool:
        """One UPDATE; False when it was refused, because the row is not as this instance believes."""
        mine = type(self)._default_manager.filter(pk=self.pk, stage=self.stage, fence=self.fence)
        if not mine.update(**fields):
            return False
        for name, value in fields.items():
            setattr(self, name, value)
        return True

    def note(self, event: str, **detail: Any) -> None:
        """A line of history."""
        known = {"attempt": self.attempt, "progress": self.progress, "error": self.error_code} | detail
        JobEvent.objects.create(
            kind=self.kind,
            job_id=self.pk,
            event=event,
            fence=self.fence,
            process=process.name(),
            actor=process.actor.get(),
            detail={name: value for name, value in known.items() if value},
        )


class ImageGenerationJob(Job):
    """Paints one image."""

    kind = "image"

    image = models.OneToOneField(GeneratedImage, on_delete=models.CASCADE, related_name="job", verbose_name=_("image"))

    objects = ImageJobQuerySet.as_manager()

    class Meta:
        db_table = "image_generation_jobs"
        permissions = [("operate_jobs", _("Can requeue, cancel, fail and adopt jobs, and pause queues"))]
        verbose_name = _("image job")
        verbose_name_plural = _("image jobs")
        indexes = [
            models.Index(fields=["stage", "next_at"], name="image_jobs_due"),
            models.Index(fields=["stage", "lease_until"], name="image_jobs_lease"),
            models.Index(
                fields=["ended_at", "provider", "status", "error_code", "duration_ms"], name="image_jobs_ended"
            ),
            models.Index(fields=["provider_job_id"], name="image_jobs_at_provider"),
            models.Index(fields=["status", "id"], name="image_jobs_by_status"),
            models.Index(fields=["error_code", "id"], name="image_jobs_by_error"),
            models.Index(fields=["provider", "id"], name="image_jobs_by_provider"),
            models.Index(fields=["owner", "created_at"], name="image_jobs_of_owner"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(status__in=words_of(JobStatus)), name="image_jobs_status"),
            models.CheckConstraint(condition=Q(stage__in=words_of(Stage)), name="image_jobs_stage"),
            models.CheckConstraint(condition=Q(progress__lte=100), name="image_jobs_progress"),
        ]

    @property
    def request(self) -> GenerationRequest:
        """The request it works for."""
        return self.image.request

    @property
    def request_id(self) -> str:
        """The id of the request it works for."""
        return self.image.request_id

    @property
    def words(self) -> str:
        """The prompt that is painted."""
        return self.image.prompt


class ModelGenerationJob(Job):
    """Builds a model from the chosen image."""

    kind = "model"

    model = models.OneToOneField(Model, on_delete=models.CASCADE, related_name="+", verbose_name=_("model"))
    request = models.OneToOneField(
        GenerationRequest, on_delete=models.CASCADE, related_name="model_job", verbose_name=_("request")
    )
    source_image = models.ForeignKey(
        GeneratedImage, on_delete=models.CASCADE, related_name="+", verbose_name=_("source image")
    )

    objects = ModelJobQuerySet.as_manager()

    class Meta:
        db_table = "model_generation_jobs"
        verbose_name = _("model job")
        verbose_name_plural = _("model jobs")
        indexes = [
            models.Index(fields=["stage", "next_at"], name="model_jobs_due"),
            models.Index(fields=["stage", "lease_until"], name="model_jobs_lease"),
            models.Index(
                fields=["ended_at", "provider", "status", "error_code", "duration_ms"], name="model_jobs_ended"
            ),
            models.Index(fields=["provider_job_id"], name="model_jobs_at_provider"),
            models.Index(fields=["status", "id"], name="model_jobs_by_status"),
            models.Index(fields=["error_code", "id"], name="model_jobs_by_error"),
            models.Index(fields=["provider", "id"], name="model_jobs_by_provider"),
            models.Index(fields=["owner", "created_at"], name="model_jobs_of_owner"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(status__in=words_of(JobStatus)), name="model_jobs_status"),
            models.CheckConstraint(condition=Q(stage__in=words_of(Stage)), name="model_jobs_stage"),
            models.CheckConstraint(condition=Q(progress__lte=100), name="model_jobs_progress"),
        ]

    @property
    def words(self) -> str:
        """The prompt that the chosen picture was painted from."""
        return self.source_image.prompt or self.request.prompt
