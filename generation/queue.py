"""Which jobs go next. Claims are made here and nowhere else: a claim is a new fence and a lease.

The tick claims about as much as the gates have room for, the owners taking turns; a job passes its gate (`pass_gate`)
in the transaction that says that it is about to be paid for, so that limits hold over all workers and in every window.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Case, Count, F, PositiveSmallIntegerField, Value, When

from generation import choice
from generation.models import (
    GenerationRequest,
    ImageGenerationJob,
    Job,
    JobEvent,
    ModelGenerationJob,
    ProviderGate,
    QueuePause,
    Stale,
)
from generation.states import RequestStatus, Stage
from lumi import clock, process
from lumi.ids import new_id
from providers.base import ProviderError

JOBS: dict[str, type[Job]] = {"image": ImageGenerationJob, "model": ModelGenerationJob}
MOST_AT_ONCE = 200  # claims a tick
POLLS_AT_ONCE = 1000  # a batch
POLLED = (
    "id", "stage", "fence", "holder", "recoveries", "progress", "provider", "provider_job_id", "next_at", "timeout_at",
    "trace_id",
)  # fmt: skip
SUSPECT = 2  # lost workers, after which a poll may be what kills them
NOBODYS: dict[str, Any] = {"lease_until": None, "holder": "", "recoveries": 0}
MOST_REMEMBERED = 200  # people whose last turn is kept in mind
MARGIN = 2.0  # seconds that an order may be on its way from the gate to the provider
WINDOW = 60.0 + MARGIN

Claim = tuple[str, int]  # id and fence


def jobs_of(kind: str) -> Any:
    """The jobs of a kind, as a manager with the questions of `JobQuerySet`."""
    return JOBS[kind]._default_manager


def lease_from(now: datetime) -> datetime:
    """When work begun now is given up unless the lease is renewed."""
    return now + timedelta(seconds=settings.GENERATION["lease"])


def held(now: datetime) -> dict[str, Any]:
    """The fields of a job that this process works on."""
    return {"lease_until": lease_from(now), "holder": process.name()}


def bell_until(now: datetime) -> datetime:
    """When a claim whose bell nobody heard may be claimed again."""
    return now + timedelta(seconds=settings.GENERATION["bell"])


def is_paused(kind: str) -> bool:
    """An operator has stopped this queue."""
    return QueuePause.objects.filter(pk=kind).exists()


# --- Claims ---------------------------------------------------------------------------------------------------------


def claim_designs() -> list[Claim]:
    """Requests whose prompts are to be written now, the owners taking turns."""
    now = clock.now()
    due = GenerationRequest.objects.to_design(now)
    if not due.exists() or is_paused("design"):
        return []
    busy = Counter(GenerationRequest.objects.being_designed(now).values_list("owner_id", flat=True))
    places = settings.GENERATION["designs_at_once"] - busy.total()
    if places <= 0:
        return []
    with locked_gate("design", "") as gate:
        chosen = in_turns(due, busy, gate.served, places)
        taken = [request for request in chosen if claim_design(request, bell_until(now))]
        gate.served = remembered(gate, [request.owner_id for request in taken], now)
        gate.save(update_fields=["served"])
    return [(request.id, request.fence + 1) for request in taken]


def claim_design(request: GenerationRequest, until: datetime) -> bool:
    """Make the design step the caller's; False when somebody was faster."""
    mine = GenerationRequest.objects.filter(pk=request.pk, fence=request.fence, status=RequestStatus.IMAGE_PENDING)
    return bool(mine.update(fence=request.fence + 1, lease_until=until))


def claim(kind: str) -> list[Claim]:
    """Jobs of a kind to be stored now, and to be submitted now as far as there is room."""
    now = clock.now()
    return take(jobs_of(kind).to_store(now)[:MOST_AT_ONCE], bell_until(now)) + let_through(kind, now)


def take(jobs: Any, until: datetime, **fields: Any) -> list[Claim]:
    """Claim these jobs, but for those that somebody else was faster with."""
    taken = []
    for job in jobs:
        lost = {"holder": "", "recoveries": job.recoveries + 1} if job.holder else {}
        try:
            job.take(until, **fields, **lost)
        except Stale:
            continue
        if lost:
            job.note("RECOVERED", recoveries=job.recoveries)
        taken.append((job.id, job.fence))
    return taken


def let_go(job: Job) -> None:
    """This process works on the job no more; nobody is lost."""
    jobs_of(job.kind).filter(pk=job.pk, fence=job.fence, holder=process.name()).update(lease_until=None, holder="")


def let_through(kind: str, now: datetime) -> list[Claim]:
    """Claim waiting jobs, each for the first provider that takes it now, about as many as there is room for."""
    waiting = jobs_of(kind).waiting(now)
    left = set(waiting.values_list("refused_by", flat=True).distinct())
    if not left or is_paused(kind):
        return []
    claims = []
    for door in choice.doors(kind, now):
        mine = {refused for refused in left if door.provider in choice.candidates(kind, refused)}
        if mine:
            claims += let_through_door(kind, door, waiting.filter(refused_by__in=mine), now)
        if not door.is_probe:
            left -= mine
    return claims


def let_through_door(kind: str, door: choice.Door, waiting: Any, now: datetime) -> list[Claim]:
    """Claim these jobs for one provider, the owners taking turns."""
    gate = ProviderGate.objects.filter(kind=kind, provider=door.provider).first()
    at_provider = jobs_of(kind).at_provider(door.provider, now, perhaps_there(kind, door.provider, now))
    busy = Counter(dict(at_provider.values_list("owner_id").annotate(Count("id"))))
    places = room(choice.limits(kind, door.provider), gate, now, busy.total())
    chosen = in_turns(waiting, busy, gate.served if gate else {}, min(places, 1) if door.is_probe else places)
    return take(chosen, bell_until(now), provider=door.provider)


def in_turns(waiting: Any, busy: Counter[str], served: dict[str, float], places: int) -> list[Any]:
    """The next ones: whoever has least under way comes first, then whoever's last turn is longest ago, then the longest
    wait. Without the second rule a few owners of many old jobs would take each place that their own jobs leave."""
    if places <= 0:
        return []
    found = waiting.with_turns(served)[: places * (1 + len(busy))]

    def rank(row: Any) -> tuple[Any, ...]:
        return (-row.priority, row.turn + busy[row.owner_id], row.last, row.next_at, row.pk)

    return sorted(found, key=rank)[:places]


def remembered(gate: ProviderGate, owners: list[str], now: datetime) -> dict[str, float]:
    """Whose turn it was last, with these now; of so many people at most."""
    turns = gate.served | dict.fromkeys(owners, now.timestamp())
    return dict(sorted(turns.items(), key=lambda turn: turn[1])[-MOST_REMEMBERED:])


def room(limits: dict[str, Any], gate: ProviderGate | None, now: datetime, busy: int) -> int:
    """How many more may be submitted now: by the provider's word, at once, and within a minute."""
    if gate is None:
        return max(0, min(limits["at_once"] - busy, limits["per_minute"]))
    if gate.closed_until and gate.closed_until > now:
        return 0
    return max(0, min(limits["at_once"] - busy, limits["per_minute"] - len(recent(gate, now))))


def perhaps_there(kind: str, provider: str, now: datetime) -> datetime:
    """A job of unknown outcome takes up a place like one that was accepted, for as long as that would have been asked
    after: those do so whose hold ends later than this."""
    held_for = settings.GENERATION["unknown_hold"] - choice.limits(kind, provider)["timeout"]
    return now + timedelta(seconds=held_for)


def recent(gate: ProviderGate, now: datetime) -> list[float]:
    """The starts that still count."""
    return [start for start in gate.starts if start > now.timestamp() - WINDOW]


# --- Gates ----------------------------------------------------------------------------------------------------------


def ensure_gate(kind: str, provider: str) -> None:
    """Make the gate's row, outside of any transaction that wants it locked: an INSERT that meets another's holds a
    shared lock, and two of those that both want the row are a deadlock."""
    ProviderGate.objects.get_or_create(kind=kind, provider=provider)


def pass_gate(job: Job) -> datetime | None:
    """Let the job through, inside the caller's transaction; else when to come again. Locked after the request."""
    gate = ProviderGate.objects.select_for_update().get(kind=job.kind, provider=job.provider)
    now = clock.now()  # not before the lock is there: others may have waited for it, too
    limits = choice.limits(job.kind, job.provider)
    in_hands = jobs_of(job.kind).in_hands_of(job.provider, perhaps_there(job.kind, job.provider, now))
    if room(limits, gate, now, in_hands.exclude(pk=job.pk).count()) > 0:
        gate.starts = [*recent(gate, now), now.timestamp()]
        gate.served = remembered(gate, [job.owner_id], now)
        gate.save(update_fields=["starts", "served"])
        return None
    return next_chance(limits, gate, now)


def next_chance(limits: dict[str, Any], gate: ProviderGate, now: datetime) -> datetime:
    """When the gate may have room again."""
    starts = recent(gate, now)
    if gate.closed_until and gate.closed_until > now:
        return gate.closed_until
    if starts and len(starts) >= limits["per_minute"]:
        return datetime.fromtimestamp(min(starts) + WINDOW, UTC)
    return now + timedelta(seconds=1)


@contextmanager
def locked_gate(kind: str, provider: str) -> Iterator[ProviderGate]:
    """A transaction that holds the gate: one at a time may count."""
    ensure_gate(kind, provider)
    with transaction.atomic():
        yield ProviderGate.objects.select_for_update().get(kind=kind, provider=provider)


def hold_front_gate() -> None:
    """Let one at a time add to the queue, until the caller's transaction ends. One statement, that makes the row or
    locks it; SQLite's transactions come one at a time anyway."""
    if connection.features.has_select_for_update:
        gate = ProviderGate(kind="front", provider="")
        ProviderGate.objects.bulk_create([gate], update_conflicts=True, update_fields=["closed_until"])


def close_gate(*, kind: str, provider: str, seconds: float) -> None:
    """The provider asked for a pause: nobody submits before it is over."""
    until = clock.now() + timedelta(seconds=seconds)
    with locked_gate(kind, provider) as gate:
        gate.closed_until = max(until, gate.closed_until or until)
        gate.save(update_fields=["closed_until"])


def hasten(kind: str, provider: str) -> None:
    """Jobs that wait to try this provider again need not any more: they go to the next one. One row a statement: these
    locks are held together by nobody."""
    now = clock.now()
    backing_off = jobs_of(kind).filter(stage=Stage.WAITING, provider=provider, next_at__gt=now)
    for pk in backing_off.values_list("pk", flat=True)[:MOST_AT_ONCE]:
        jobs_of(kind).filter(pk=pk, stage=Stage.WAITING, next_at__gt=now).update(next_at=now)


# --- Polls, in batches ----------------------------------------------------------------------------------------------


@dataclass
class Batch:
    """Jobs claimed to be asked after: all held by one token. `more`: others were due, too."""

    kind: str
    token: str
    jobs: list[Any]
    more: bool = False

    def still_mine(self, ids: Iterable[str]) -> Any:
        """Those of these jobs that nobody has cancelled, deleted or claimed meanwhile."""
        return jobs_of(self.kind).filter(pk__in=list(ids), holder=self.token, stage=Stage.POLLING)


def polls_due(kind: str, now: datetime) -> bool:
    """Whether there is anything to ask a provider."""
    return bool(jobs_of(kind).to_poll(now).exists())


def take_polls(kind: str, providers: list[str], *, now: datetime | None = None, most: int = POLLS_AT_ONCE) -> Batch:
    """Claim a batch of due polls at these providers. One transaction of two statements, however many there are.

    Others' batches are passed over (SKIP LOCKED) where the database can.
    """
    now = now or clock.now()
    with transaction.atomic():
        due = jobs_of(kind).to_poll(now).filter(provider__in=providers).select_for_update(skip_locked=True)
        found = list(due.only(*POLLED)[:most])
        batch = Batch(kind, new_id(), without_suspects(found))
        batch.more = len(batch.jobs) < len(found) or len(found) == most
        if found:  # MySQL assigns from left to right: recoveries need the old holder
            jobs_of(kind).filter(pk__in=[job.pk for job in batch.jobs]).update(
                recoveries=recovered(), holder=batch.token, lease_until=lease_from(now), fence=F("fence") + 1
            )
    for job in batch.jobs:
        job.recoveries += bool(job.holder)
        job.holder, job.fence = batch.token, job.fence + 1
    give_back_lost_time(kind, batch.jobs, now)
    return batch


def without_suspects(jobs: list[Any]) -> list[Any]:
    """Up to the first one that was there when two batches were lost: it is asked after alone, so that a poll which
    kills its worker takes no other job with it."""
    suspects = [number for number, job in enumerate(jobs) if job.recoveries >= SUSPECT]
    return jobs[: max(1, suspects[0])] if suspects else jobs


def recovered() -> Any:
    """One more where whoever held it has not been heard of since."""
    return Case(When(holder="", then=F("recoveries")), default=F("recoveries") + 1)


def patience(job: Any) -> timedelta:
    """How long after its time a job may be asked after without having lost any."""
    return timedelta(seconds=choice.limits(job.kind, job.provider)["poll_every"])


def give_back_lost_time(kind: str, jobs: list[Any], now: datetime) -> None:
    """Jobs that we could not ask in time (no worker, provider down) get that time on their deadline. One statement."""
    late = [job for job in jobs if job.timeout_at and now - job.next_at > patience(job)]
    if late:
        lost = max(now - job.next_at for job in late)
        mine = jobs_of(kind).filter(pk__in=[job.pk for job in late], holder=late[0].holder, stage=Stage.POLLING)
        mine.update(timeout_at=F("timeout_at") + lost)
        for job in late:
            job.timeout_at += lost


def put_back(batch: Batch, provider: str, progress: dict[str, int | None], asked_at: datetime | None = None) -> None:
    """Jobs of a batch that this provider still works on: to be asked again. By job id the new progress, or None where
    it has not moved. One statement. Due half a tick early: else the tick that is meant comes just too soon.
    """
    if not progress:
        return
    moved: dict[int, list[str]] = {}
    for pk, value in progress.items():
        if value is not None:
            moved.setdefault(value, []).append(pk)
    cases = [When(pk__in=pks, then=Value(value)) for value, pks in moved.items()]
    known = Case(*cases, default=F("progress"), output_field=PositiveSmallIntegerField())
    fields = {"progress": known} if moved else {}
    wait = timedelta(seconds=choice.limits(batch.kind, provider)["poll_every"] - settings.TICK_SECONDS / 2)
    batch.still_mine(progress).update(
        next_at=(asked_at or clock.now()) + wait, **NOBODYS, error_code="", error_text="", **fields
    )


def put_back_unanswered(batch: Batch, provider: str, ids: list[str], error: ProviderError) -> None:
    """Jobs of a batch whose question to this provider failed."""
    wait = max(choice.limits(batch.kind, provider)["poll_every"], error.retry_after or 0.0)
    batch.still_mine(ids).update(
        next_at=clock.now() + timedelta(seconds=wait),
        error_code=error.fault,
        error_text=error.evidence[:2000],
        **NOBODYS,
    )


def put_back_unasked(batch: Batch, ids: list[str]) -> None:
    """Jobs of a batch that there was no time for: still due."""
    if ids:
        batch.still_mine(ids).update(**NOBODYS)


def note_progress(kind: str, moved: list[Any], progress: dict[str, int]) -> None:
    """The history and the requests of jobs whose progress has moved. Three statements."""
    if not moved:
        return
    JobEvent.objects.bulk_create(
        JobEvent(
            kind=kind, job_id=job.pk, event="PROGRESS", fence=job.fence, process=process.name(),
            detail={"progress": progress[job.pk]},
        )
        for job in moved
    )  # fmt: skip
    ids = [job.pk for job in moved]
    GenerationRequest.objects.touch_all(list(jobs_of(kind).filter(pk__in=ids).request_ids()))
