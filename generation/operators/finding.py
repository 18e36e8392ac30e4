"""Which jobs an operator means."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import reduce

from django.db.models import Q

from generation.models import GenerationRequest, Job
from generation.queue import JOBS, jobs_of
from generation.states import FAILED
from lumi import clock
from lumi.chores import Refused


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which jobs are meant; what is empty does not narrow."""

    ids: tuple[str, ...] = ()
    kind: str = ""
    statuses: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    older_than: timedelta | None = None
    owner: str = ""  # e-mail or id
    provider: str = ""
    error: str = ""

    def conditions(self) -> Iterable[Q]:
        """What narrows."""
        words = {
            "pk__in": self.ids,
            "status__in": self.statuses,
            "stage__in": self.stages,
            "provider": self.provider,
            "error_code": self.error,
        }
        yield from (Q(**{name: value}) for name, value in words.items() if value)
        if self.owner:
            yield Q(owner_id=self.owner) | Q(owner__email__iexact=self.owner)
        if self.older_than is not None:
            yield Q(created_at__lt=clock.now() - self.older_than)


def find(wanted: Wanted, *, newest_first: bool = False, most: int | None = None) -> list[Job]:
    """The jobs that are meant, of both kinds together, by age."""
    kinds = [kind for kind in JOBS if wanted.kind in ("", kind)]
    order = ("-created_at", "-pk") if newest_first else ("created_at", "pk")
    condition = reduce(Q.__and__, wanted.conditions(), Q())
    pages = (jobs_of(kind).filter(condition).with_context().select_related("owner") for kind in kinds)
    found = [job for page in pages for job in page.order_by(*order)[:most]]
    return sorted(found, key=lambda job: (job.created_at, job.pk), reverse=newest_first)[:most]


def named(ids: Iterable[str]) -> list[Job]:
    """These jobs. Raises Refused for an id that no job has: a typing mistake is not silence."""
    wanted = list(dict.fromkeys(ids))
    found = {job.pk: job for job in find(Wanted(ids=tuple(wanted)))} if wanted else {}
    if missing := [job_id for job_id in wanted if job_id not in found]:
        raise Refused(f"No such job: {', '.join(missing)}")
    return [found[job_id] for job_id in wanted]


def span(text: str) -> timedelta:
    """`90s`, `10m`, `2h`, `3d`. Raises Refused."""
    units = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
    number, unit = text[:-1], units.get(text[-1:])
    if not (number.isascii() and number.isdigit() and len(number) < 7 and unit):
        raise Refused(f"{text!r} is no span of time: write 90s, 10m, 2h or 3d.")
    return timedelta(**{unit: int(number)})


def failed_ones(wanted: Wanted) -> list[Job]:
    """The failed jobs that are meant, the oldest first. Raises Refused for an id of another job, or of none."""
    jobs = [job for job in find(wanted) if job.status in FAILED]
    if missing := sorted(set(wanted.ids) - {job.pk for job in jobs}):
        raise Refused(f"Not a failed job: {', '.join(missing)}")
    return jobs


def request_of(job: Job) -> GenerationRequest:
    """The request that a job works for."""
    request: GenerationRequest = job.request  # type: ignore[attr-defined]
    return request
