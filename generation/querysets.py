"""Generation's questions, named for who asks. Times come from the database's clock (`lumi.clock.now`)."""

from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from django.apps import apps
from django.db import models
from django.db.models import Case, F, FloatField, Prefetch, Q, Value, When, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from generation.states import BUSY, UNFINISHED, RequestStatus, Stage

if TYPE_CHECKING:
    from generation.models import GenerationRequest, ImageGenerationJob, Job, ModelGenerationJob  # noqa: F401 in strings
    from lumi.accounts.models import User

AnyJob = TypeVar("AnyJob", bound="Job")


def free(now: datetime) -> Q:
    """Nobody's at the moment: no lease, or one that is over."""
    return Q(lease_until__isnull=True) | Q(lease_until__lt=now)


def last_turn(served: dict[str, float]) -> Case:
    """When the owner last had a turn; 0 for whoever had none lately."""
    turns = (When(owner_id=owner, then=Value(moment)) for owner, moment in served.items())
    return Case(*turns, default=Value(0.0), output_field=FloatField())


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

    def being_designed(self, now: datetime) -> "RequestQuerySet":
        """Those whose prompts are being written, or about to be."""
        return self.filter(status=RequestStatus.IMAGE_PENDING, lease_until__gte=now)

    def with_turns(self, served: dict[str, float]) -> "RequestQuerySet":
        """See `JobQuerySet.with_turns`."""
        order = [F("next_at").asc(), F("id").asc()]
        turn = Window(RowNumber(), partition_by=[F("owner_id")], order_by=order)
        found = self.annotate(turn=turn, priority=Value(0), last=last_turn(served))
        return found.order_by("turn", "last", "next_at", "id")

    def unfinished(self) -> "RequestQuerySet":
        """Those that wait for work, or are worked on: what fills the queue."""
        return self.filter(status__in=[status.value for status in BUSY])

    def overdue(self, now: datetime) -> "RequestQuerySet":
        """Unfinished ones whose time is up."""
        return self.filter(status__in=[status.value for status in UNFINISHED], deadline_at__lt=now).order_by(
            "deadline_at"
        )

    def touch(self, request_id: str) -> None:
        """Something under the request moved."""
        self.touch_all([request_id])

    def touch_all(self, request_ids: list[str]) -> None:
        """Something under these requests moved."""
        self.filter(pk__in=request_ids).update(updated_at=timezone.now())

    def unsettled(self) -> "RequestQuerySet":
        """Busy ones under which nothing is open: whoever should have moved them did not."""
        images = Q(status=RequestStatus.IMAGE_GENERATING) & ~Q(images__status__in=["PENDING", "GENERATING"])
        return self.filter(images)


class JobQuerySet(models.QuerySet[AnyJob]):
    """Jobs of either kind."""

    def waiting(self, now: datetime) -> "JobQuerySet[AnyJob]":
        """To be submitted now."""
        return self.filter(free(now), stage=Stage.WAITING, next_at__lte=now)

    def with_turns(self, served: dict[str, float]) -> "JobQuerySet[AnyJob]":
        """With `turn`: 1 for the first of each owner, 2 for the second... All first ones come before any second one,
        and among them those of owners whose last turn (`served`) is longest ago."""
        order = [F("priority").desc(), F("next_at").asc(), F("id").asc()]
        turn = Window(RowNumber(), partition_by=[F("owner_id")], order_by=order)
        found = self.annotate(turn=turn, last=last_turn(served))
        return found.order_by("-priority", "turn", "last", "next_at", "id")  # type: ignore[return-value]

    def to_poll(self, now: datetime) -> "JobQuerySet[AnyJob]":
        """Submitted ones that it is time to ask after."""
        return self.filter(free(now), stage=Stage.POLLING, next_at__lte=now).order_by("next_at")

    def to_store(self, now: datetime) -> "JobQuerySet[AnyJob]":
        """Those whose results are to be fetched."""
        return self.filter(free(now), stage=Stage.STORING, next_at__lte=now).order_by("next_at", "id")

    def at_provider(self, provider: str, now: datetime, perhaps_there: datetime) -> "JobQuerySet[AnyJob]":
        """What takes up a place at a provider: handed over, or about to be."""
        about_to = self.filter(stage=Stage.WAITING, lease_until__gte=now, provider=provider)
        return about_to | self.in_hands_of(provider, perhaps_there)

    def in_hands_of(self, provider: str, perhaps_there: datetime) -> "JobQuerySet[AnyJob]":
        """Handed over, or being handed over; or of unknown outcome, with a hold that ends after `perhaps_there`."""
        unknown = Q(stage=Stage.UNKNOWN, next_at__gt=perhaps_there)
        return self.filter(unknown | Q(stage__in=[Stage.SUBMITTING, Stage.POLLING]), provider=provider)

    def lost_in_submit(self, now: datetime) -> "JobQuerySet[AnyJob]":
        """Whoever was handing it over is gone, and nobody knows whether the provider took it."""
        return self.filter(free(now), stage=Stage.SUBMITTING).order_by("lease_until")

    def of_unknown_outcome(self) -> "JobQuerySet[AnyJob]":
        """Nobody knows whether the provider took them."""
        return self.filter(stage=Stage.UNKNOWN).order_by("next_at")

    def to_look_up(self, providers: list[str], now: datetime, latest: datetime) -> "JobQuerySet[AnyJob]":
        """Of unknown outcome, at providers that can be asked, and held since long enough for a late order to arrive."""
        return self.of_unknown_outcome().filter(free(now), provider__in=providers, next_at__lte=latest)

    def unknown_for_too_long(self, now: datetime) -> "JobQuerySet[AnyJob]":
        """No late answer came within the hold time."""
        return self.filter(stage=Stage.UNKNOWN, next_at__lte=now)

    def open(self) -> "JobQuerySet[AnyJob]":
        """Not ended."""
        return self.exclude(stage=Stage.ENDED)

    def with_context(self) -> "JobQuerySet[AnyJob]":
        """With all that a step needs to know."""
        raise NotImplementedError

    def request_ids(self) -> "models.QuerySet[Any, Any]":
        """Of the requests that they work for."""
        raise NotImplementedError

    def claimed(self, job_id: str, fence: int) -> "Any | None":
        """The job with its context if it is still this claim's and has not ended, else None."""
        return self.open().with_context().filter(pk=job_id, fence=fence).first()


class ImageJobQuerySet(JobQuerySet["ImageGenerationJob"]):
    """Jobs that paint."""

    def with_context(self) -> "ImageJobQuerySet":
        """The image and its request come with the row."""
        return self.select_related("image__request")

    def of_request(self, request_id: str) -> "ImageJobQuerySet":
        """The four of a request."""
        return self.filter(image__request_id=request_id)

    def request_ids(self) -> "models.QuerySet[Any, Any]":
        """By way of the image."""
        return self.values_list("image__request_id", flat=True)


class ModelJobQuerySet(JobQuerySet["ModelGenerationJob"]):
    """Jobs that build."""

    def with_context(self) -> "ModelJobQuerySet":
        """The model, the request and the source image come with the row."""
        return self.select_related("model", "request", "source_image")

    def of_request(self, request_id: str) -> "ModelJobQuerySet":
        """The one of a request, if there is one."""
        return self.filter(request_id=request_id)

    def request_ids(self) -> "models.QuerySet[Any, Any]":
        """Each its own."""
        return self.values_list("request_id", flat=True)
