"""Generation's questions, named for who asks. Times come from the database's clock (`lumi.clock.now`)."""

from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from django.apps import apps
from django.db import models
from django.db.models import Prefetch, Q
from django.utils import timezone

from generation.states import UNFINISHED, RequestStatus, Stage

if TYPE_CHECKING:
    from generation.models import GenerationRequest, ImageGenerationJob, Job, ModelGenerationJob  # noqa: F401 in strings
    from lumi.accounts.models import User

AnyJob = TypeVar("AnyJob", bound="Job")


def free(now: datetime) -> Q:
    """Nobody's at the moment: no lease, or one that is over."""
    return Q(lease_until__isnull=True) | Q(lease_until__lt=now)


class RequestQuerySet(models.QuerySet["GenerationRequest"]):
    """Requests."""

    def owned_by(self, user: "User") -> "RequestQuerySet":
        """A person's own."""
        return self.filter(owner=user)

    def newest_first(self) -> "RequestQuerySet":
        """By creation; the id breaks ties."""
        return self.order_by("-created_at", "-id")

    def with_images(self) -> "RequestQuerySet":
        """Ready to be shown, but for the model: one statement more, however many rows."""
        images = apps.get_model("generation", "GeneratedImage")._default_manager
        return self.prefetch_related(Prefetch("images", images.select_related("job").order_by("index")))

    def to_design(self, now: datetime) -> "RequestQuerySet":
        """Requests whose prompts are still to be written."""
        return self.filter(free(now), status=RequestStatus.IMAGE_PENDING, next_at__lte=now).order_by("next_at")

    def overdue(self, now: datetime) -> "RequestQuerySet":
        """Unfinished ones whose time is up."""
        return self.filter(status__in=[status.value for status in UNFINISHED], deadline_at__lt=now)

    def touch(self, request_id: str) -> None:
        """Something under the request moved."""
        self.filter(pk=request_id).update(updated_at=timezone.now())

    def unsettled(self) -> "RequestQuerySet":
        """Busy ones under which nothing is open: whoever should have moved them did not."""
        images = Q(status=RequestStatus.IMAGE_GENERATING) & ~Q(images__status__in=["PENDING", "GENERATING"])
        return self.filter(images)


class JobQuerySet(models.QuerySet[AnyJob]):
    """Jobs of either kind."""

    def waiting(self, now: datetime) -> "JobQuerySet[AnyJob]":
        """To be submitted now, the most urgent first."""
        return self.filter(free(now), stage=Stage.WAITING, next_at__lte=now).order_by("-priority", "next_at", "id")

    def to_follow_up(self, now: datetime) -> "JobQuerySet[AnyJob]":
        """Submitted ones whose next poll or storing is due."""
        due = self.filter(free(now), stage__in=[Stage.POLLING, Stage.STORING], next_at__lte=now)
        return due.order_by("next_at", "id")

    def at_provider(self, provider: str, now: datetime) -> "JobQuerySet[AnyJob]":
        """What takes up a place at a provider: handed over, or about to be."""
        about_to = Q(stage=Stage.WAITING, lease_until__gte=now)
        return self.filter(about_to | Q(stage__in=[Stage.SUBMITTING, Stage.POLLING]), provider=provider)

    def lost_in_submit(self, now: datetime) -> "JobQuerySet[AnyJob]":
        """Whoever was handing it over is gone, and nobody knows whether the provider took it."""
        return self.filter(free(now), stage=Stage.SUBMITTING)

    def unknown_for_too_long(self, now: datetime) -> "JobQuerySet[AnyJob]":
        """No late answer came within the hold time."""
        return self.filter(stage=Stage.UNKNOWN, next_at__lte=now)

    def open(self) -> "JobQuerySet[AnyJob]":
        """Not ended."""
        return self.exclude(stage=Stage.ENDED)

    def with_context(self) -> "JobQuerySet[AnyJob]":
        """With all that a step needs to know."""
        raise NotImplementedError

    def claimed(self, job_id: str, fence: int) -> "Any | None":
        """The job with its context if it is still this claim's, else None."""
        return self.with_context().filter(pk=job_id, fence=fence).first()


class ImageJobQuerySet(JobQuerySet["ImageGenerationJob"]):
    """Jobs that paint."""

    def with_context(self) -> "ImageJobQuerySet":
        """The image and its request come with the row."""
        return self.select_related("image__request")

    def of_request(self, request_id: str) -> "ImageJobQuerySet":
        """The four of a request."""
        return self.filter(image__request_id=request_id)


class ModelJobQuerySet(JobQuerySet["ModelGenerationJob"]):
    """Jobs that build."""

    def with_context(self) -> "ModelJobQuerySet":
        """The model, the request and the source image come with the row."""
        return self.select_related("model", "request", "source_image")

    def of_request(self, request_id: str) -> "ModelJobQuerySet":
        """The one of a request, if there is one."""
        return self.filter(request_id=request_id)
