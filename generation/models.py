"""What generation remembers: requests, their four images, and the jobs that make images and models.

Rows are the queue's truth. A status is written by `move()` only: one UPDATE guarded by what the writer believed
(status, and for jobs the fence); zero rows mean that somebody else was faster, and raise `Stale`.
"""

from datetime import datetime
from typing import Any, ClassVar

from django.conf import settings
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from gallery.models import Model
from generation.querysets import ImageJobQuerySet, ModelJobQuerySet, RequestQuerySet
from generation.states import (
    REQUEST_MOVES,
    ImageStatus,
    JobStatus,
    Phase,
    RequestStatus,
    Stage,
    check_job_move,
    check_request_move,
    phase_of,
)
from lumi.ids import IdField

IMAGES_PER_REQUEST = 4
MAX_PROMPT = 500


class Stale(Exception):
    """The row is no longer what the writer believed: the write was refused and nothing changed."""


def one_of(enum: type[Any]) -> list[tuple[str, str]]:
    """The choices of a column that holds a word of `enum`."""
    return [(word.value, word.value) for word in enum]


def words_of(enum: type[Any]) -> list[str]:
    """The words of `enum`, for a check constraint."""
    return [word.value for word in enum]


class GenerationRequest(models.Model):
    """A person's sentence and how far it has come."""

    id = IdField()
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", verbose_name=_("owner")
    )
    prompt = models.CharField(_("prompt"), max_length=MAX_PROMPT)
    optimize_prompt = models.BooleanField(_("let the LLM design"), default=True)
    status = models.CharField(
        _("status"), max_length=20, choices=one_of(RequestStatus), default=RequestStatus.IMAGE_PENDING.value
    )
    ended_from = models.CharField(_("status it was ended from"), max_length=20, blank=True)
    selected_image_index = models.PositiveSmallIntegerField(_("chosen image"), null=True, blank=True)
    error_code = models.CharField(_("error"), max_length=40, blank=True)
    notice_code = models.CharField(_("notice"), max_length=40, blank=True)
    # The design step: claimed like a job.
    design_tries = models.PositiveSmallIntegerField(_("times the LLM was asked"), default=0)
    next_at = models.DateTimeField(_("next step at"), null=True, blank=True)
    lease_until = models.DateTimeField(_("leased until"), null=True, blank=True)
    fence = models.PositiveIntegerField(_("fence"), default=0)
    deadline_at = models.DateTimeField(_("deadline"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)
    completed_at = models.DateTimeField(_("completed"), null=True, blank=True)

    objects = RequestQuerySet.as_manager()

    class Meta:
        db_table = "generation_requests"
        verbose_name = _("request")
        verbose_name_plural = _("requests")
        indexes = [
            models.Index(fields=["owner", "-created_at", "-id"], name="requests_own"),
            models.Index(fields=["status", "next_at"], name="requests_due"),
            models.Index(fields=["status", "deadline_at"], name="requests_deadline"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(status__in=words_of(RequestStatus)), name="requests_status"),
            models.CheckConstraint(
                condition=Q(selected_image_index__isnull=True) | Q(selected_image_index__lt=IMAGES_PER_REQUEST),
                name="requests_selected_index",
            ),
            models.CheckConstraint(
                condition=Q(status__in=["FAILED", "CANCELLED"], ended_from__gt="")
                | (~Q(status__in=["FAILED", "CANCELLED"]) & Q(ended_from="")),
                name="requests_ended_from",
            ),
        ]

    def __str__(self) -> str:
        return self.prompt[:60]

    @property
    def phase(self) -> Phase:
        """Computed from the status."""
        return phase_of(self.status, self.ended_from)

    @property
    def is_final(self) -> bool:
        """Nothing can happen to it any more, not even a retry."""
        return not REQUEST_MOVES[RequestStatus(self.status)]

    def move(self, status: RequestStatus, **fields: Any) -> None:
        """The only writer of `status`. Raises IllegalMove (a bug) and Stale (somebody was faster)."""
        check_request_move(self.status, status)
        fields.update(status=status.value, updated_at=timezone.now())
        if not GenerationRequest.objects.filter(pk=self.pk, status=self.status).update(**fields):
            raise Stale
        for name, value in fields.items():
            setattr(self, name, value)

    def touch(self) -> None:
        """Something under it moved."""
        GenerationRequest.objects.touch(self.pk)


class GeneratedImage(models.Model):
    """One of the four pictures of a request."""

    id = IdField()
    request = models.ForeignKey(
        GenerationRequest, on_delete=models.CASCADE, related_name="images", verbose_name=_("request")
    )
    index = models.PositiveSmallIntegerField(_("index"), validators=[MaxValueValidator(IMAGES_PER_REQUEST - 1)])
    prompt = models.CharField(_("prompt actually painted"), max_length=MAX_PROMPT, blank=True)
    key = models.CharField(_("storage key"), max_length=255, blank=True)
    status = models.CharField(
        _("status"), max_length=20, choices=one_of(ImageStatus), default=ImageStatus.PENDING.value
    )
    error_code = models.CharField(_("error"), max_length=40, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)
    completed_at = models.DateTimeField(_("completed"), null=True, blank=True)
    failed_at = models.DateTimeField(_("failed"), null=True, blank=True)

    class Meta:
        db_table = "generated_images"
        verbose_name = _("image")
        verbose_name_plural = _("images")
        ordering = ["index"]
        constraints = [
            models.UniqueConstraint(fields=["request", "index"], name="images_request_index"),
            models.CheckConstraint(condition=Q(index__lt=IMAGES_PER_REQUEST), name="images_index"),
            models.CheckConstraint(condition=Q(status__in=words_of(ImageStatus)), name="images_status"),
        ]

    def __str__(self) -> str:
        return f"{self.request_id} #{self.index}"

    @property
    def is_open(self) -> bool:
        """Neither painted nor given up."""
        return self.status in (ImageStatus.PENDING, ImageStatus.GENERATING)


class Job(models.Model):
    """What image jobs and model jobs have in common: one paid order at one provider, and what became of it.

    `stage` says what the next step is, `next_at` when; `lease_until` and `fence` say whose it is: a worker whose fence
    is no longer the row's writes nothing.
    """

    kind: ClassVar[str]

    id = IdField()
    status = models.CharField(_("status"), max_length=20, choices=one_of(JobStatus), default=JobStatus.PENDING.value)
    stage = models.CharField(_("stage"), max_length=20, choices=one_of(Stage), default=Stage.WAITING.value)
    priority = models.SmallIntegerField(_("priority"), default=0, help_text=_("higher goes first"))
    retry_count = models.PositiveSmallIntegerField(_("retries"), default=0)
    attempt = models.PositiveIntegerField(_("attempt"), default=1, help_text=_("never starts again"))
    max_retries = models.PositiveSmallIntegerField(_("most retries"), default=2)
    next_at = models.DateTimeField(_("next step at"), null=True, blank=True)
    timeout_at = models.DateTimeField(_("given up at"), null=True, blank=True)
    lease_until = models.DateTimeField(_("leased until"), null=True, blank=True)
    fence = models.PositiveIntegerField(_("fence"), default=0)
    provider = models.CharField(_("provider"), max_length=40, blank=True)
    provider_job_id = models.CharField(_("job id at the provider"), max_length=255, blank=True)
    results = models.JSONField(_("results at the provider"), default=list, blank=True)
    progress = models.PositiveSmallIntegerField(_("progress"), default=0)
    error_code = models.CharField(_("error"), max_length=40, blank=True)
    error_text = models.TextField(_("evidence"), blank=True)
    duration_ms = models.PositiveBigIntegerField(_("duration in ms"), null=True, blank=True)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
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

    def move(self, stage: Stage, status: JobStatus, **fields: Any) -> None:
        """The only writer of `status` and `stage`, guarded by the fence. Ends the lease unless told to keep it.

        Raises IllegalMove (a bug) and Stale (the job is somebody else's now, or gone).
        """
        check_job_move(self.stage, stage, status)
        fields = {"lease_until": None, **fields, "stage": stage.value, "status": status.value}
        fields["updated_at"] = timezone.now()
        mine = type(self)._default_manager.filter(pk=self.pk, stage=self.stage, fence=self.fence)
        if not mine.update(**fields):
            raise Stale
        for name, value in fields.items():
            setattr(self, name, value)

    def take(self, until: datetime, **fields: Any) -> None:
        """Make the job the caller's: a new fence, so that whoever had it before writes nothing more. Raises Stale."""
        mine = type(self)._default_manager.filter(pk=self.pk, stage=self.stage, fence=self.fence)
        fields.update(fence=self.fence + 1, lease_until=until)
        if not mine.update(**fields):
            raise Stale
        for name, value in fields.items():
            setattr(self, name, value)


class ImageGenerationJob(Job):
    """Paints one image."""

    kind = "image"

    image = models.OneToOneField(GeneratedImage, on_delete=models.CASCADE, related_name="job", verbose_name=_("image"))

    objects = ImageJobQuerySet.as_manager()

    class Meta:
        db_table = "image_generation_jobs"
        verbose_name = _("image job")
        verbose_name_plural = _("image jobs")
        indexes = [
            models.Index(fields=["stage", "next_at"], name="image_jobs_due"),
            models.Index(fields=["stage", "lease_until"], name="image_jobs_lease"),
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
        ]
        constraints = [
            models.CheckConstraint(condition=Q(status__in=words_of(JobStatus)), name="model_jobs_status"),
            models.CheckConstraint(condition=Q(stage__in=words_of(Stage)), name="model_jobs_stage"),
            models.CheckConstraint(condition=Q(progress__lte=100), name="model_jobs_progress"),
        ]


class ProviderGate(models.Model):
    """The turnstile before a provider: locked while jobs are let through, so that limits hold over all workers.

    `starts`: the moments of the last submits let through within a minute (UNIX seconds by the database's clock).
    `closed_until`: the provider asked everybody to wait.
    """

    kind = models.CharField(_("kind"), max_length=10)
    provider = models.CharField(_("provider"), max_length=40)
    starts = models.JSONField(_("recent starts"), default=list, blank=True)
    closed_until = models.DateTimeField(_("closed until"), null=True, blank=True)

    class Meta:
        db_table = "provider_gates"
        verbose_name = _("provider gate")
        verbose_name_plural = _("provider gates")
        constraints = [models.UniqueConstraint(fields=["kind", "provider"], name="gates_kind_provider")]

    def __str__(self) -> str:
        return f"{self.kind} {self.provider}"
