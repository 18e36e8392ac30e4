"""Requests and their four images."""

from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from generation.models.words import IMAGES_PER_REQUEST, MAX_PROMPT, Stale, one_of, words_of
from generation.querysets import RequestQuerySet
from generation.states import ImageStatus, Phase, RequestStatus, check_request_move, phase_of
from lumi import logs
from lumi.ids import IdField


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
    trace_id = models.CharField(
        _("HTTP request"),
        max_length=64,
        blank=True,
        default=logs.current,
        db_default="",
        help_text=_("that ordered it: as in the log"),
    )
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
