"""What may happen to workers: lost, paused beyond their lease, overtaken."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from generation import queue, steps, sweeps
from generation.models import ImageGenerationJob, ModelGenerationJob, Stale
from lumi import clock
from lumi.accounts.models import User
from providers import registry
from providers.base import ImageOrder, LostSubmit, ModelOrder
from tests.factories import make_request
from tests.generation.conftest import HERE
from tests.generation.vendor import Vendor

AGO = timedelta(hours=1)
PICTURE = ImageOrder(reference="r", prompt="a cat")
ORDER = ModelOrder(reference="r", prompt="a cat", name="cat", image=b"png", image_url="")


class KilledError(BaseException):
    """kill -9 at this very point: nothing that follows is done, and nobody catches it."""


def model_job() -> ModelGenerationJob:
    """The only one there is, as it is now."""
    return ModelGenerationJob.objects.with_context().get()


def image_job(index: int = 0) -> ImageGenerationJob:
    """The job of one of the four pictures of the only request."""
    return ImageGenerationJob.objects.with_context().get(image__index=index)


def at_the_vendor(owner: User, number: int) -> list[str]:
    """Jobs that are due to be asked after, the longest wait first; their ids."""
    for _ in range(number):
        make_request(owner, status="MODEL_GENERATING")
    ids = list(ModelGenerationJob.objects.order_by("created_at", "id").values_list("pk", flat=True))
    now = clock.now()
    for age, pk in enumerate(reversed(ids)):
        due = now - timedelta(milliseconds=age)
        ModelGenerationJob.objects.filter(pk=pk).update(next_at=due, provider_job_id=f"at-{pk}")
    return ids


def leases_end() -> None:
    """Time passes, and nobody has renewed anything."""
    for jobs in (ImageGenerationJob.objects, ModelGenerationJob.objects):
        jobs.filter(lease_until__isnull=False).update(lease_until=clock.now() - AGO)


def sweep_after_the_lease() -> None:
    """What becomes of jobs whose workers are gone."""
    leases_end()
    sweeps.sweep()


def die(*_: Any) -> None:
    """Be killed."""
    raise KilledError


def work_until_killed(kind: str) -> int:
    """Claim what is due and work on it in workers that may be killed; how many were."""
    killed = 0
    for claim in queue.claim(kind):
        job = queue.jobs_of(kind).claimed(*claim)
        if job is None:  # it has gone along with another meanwhile
            continue
        try:
            steps.work_on(job)
        except KilledError:
            killed += 1
        except Stale:
            continue
    return killed


@dataclass
class Findable(Vendor):
    """A vendor that can be asked for an order by our reference."""

    found: Any = None  # what it answers; an exception is raised; "look" looks into its ledger
    asked: list[str] = field(default_factory=list)

    def find(self, lost: LostSubmit) -> Any:
        """The job as it stands, or None."""
        reference = lost.reference
        self.asked.append(reference)
        if self.found == "look":
            return self.running(f"job-{reference}", 5) if reference in self.ledger else None
        return self.give(self.found)


def use(vendor: Vendor) -> Vendor:
    """Put a vendor in the place of the one for its kind."""
    HERE[vendor.kind] = vendor
    registry.get.cache_clear()
    return vendor
