"""The law: statuses, allowed moves, the phase of a status, when to try again. Pure: no ORM, no clock, no settings."""

from dataclasses import dataclass
from enum import StrEnum


class RequestStatus(StrEnum):
    """Where a request stands (wire words; FAILED is a request whose time ran out before anything was chosen)."""

    IMAGE_PENDING = "IMAGE_PENDING"
    IMAGE_GENERATING = "IMAGE_GENERATING"
    IMAGE_COMPLETED = "IMAGE_COMPLETED"
    IMAGE_FAILED = "IMAGE_FAILED"
    MODEL_PENDING = "MODEL_PENDING"
    MODEL_GENERATING = "MODEL_GENERATING"
    MODEL_COMPLETED = "MODEL_COMPLETED"
    MODEL_FAILED = "MODEL_FAILED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class Phase(StrEnum):
    """What a request is busy with."""

    IMAGE_GENERATION = "IMAGE_GENERATION"
    AWAITING_SELECTION = "AWAITING_SELECTION"
    MODEL_GENERATION = "MODEL_GENERATION"
    COMPLETED = "COMPLETED"


class ImageStatus(StrEnum):
    """Where one of the four pictures stands."""

    PENDING = "PENDING"
    GENERATING = "GENERATING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


class JobStatus(StrEnum):
    """Where a job stands (wire words)."""

    PENDING = "PENDING"
    RUNNING = "RUNNING"
    RETRYING = "RETRYING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMEOUT = "TIMEOUT"


class Stage(StrEnum):
    """The inner stage of a job, kept beside its status: what the next step is, and whether money may be out.

    SUBMITTING is committed before the paid call. A job whose lease ends there has an unknown outcome: it becomes
    UNKNOWN and is never submitted again by itself.
    """

    WAITING = "WAITING"
    SUBMITTING = "SUBMITTING"
    POLLING = "POLLING"
    STORING = "STORING"
    UNKNOWN = "UNKNOWN"
    ENDED = "ENDED"


R, J, S = RequestStatus, JobStatus, Stage

REQUEST_MOVES: dict[RequestStatus, frozenset[RequestStatus]] = {
    R.IMAGE_PENDING: frozenset({R.IMAGE_GENERATING, R.IMAGE_FAILED, R.FAILED, R.CANCELLED}),
    R.IMAGE_GENERATING: frozenset({R.IMAGE_COMPLETED, R.IMAGE_FAILED, R.CANCELLED}),
    R.IMAGE_COMPLETED: frozenset({R.MODEL_PENDING, R.FAILED, R.CANCELLED}),
    R.IMAGE_FAILED: frozenset({R.IMAGE_PENDING}),
    R.MODEL_PENDING: frozenset({R.MODEL_GENERATING, R.MODEL_FAILED, R.CANCELLED}),
    R.MODEL_GENERATING: frozenset({R.COMPLETED, R.MODEL_FAILED, R.CANCELLED}),
    R.MODEL_FAILED: frozenset({R.MODEL_PENDING}),
    R.MODEL_COMPLETED: frozenset({R.COMPLETED}),
    R.COMPLETED: frozenset(),
    R.FAILED: frozenset(),
    R.CANCELLED: frozenset(),
}
UNFINISHED = frozenset(status for status, moves in REQUEST_MOVES.items() if R.CANCELLED in moves)
BUSY = UNFINISHED - {R.IMAGE_COMPLETED}  # work waits or runs; the choice is the person's
RETRYABLE = frozenset({R.IMAGE_FAILED, R.MODEL_FAILED})

STAGE_MOVES: dict[Stage, frozenset[Stage]] = {
    S.WAITING: frozenset({S.WAITING, S.SUBMITTING, S.ENDED}),
    S.SUBMITTING: frozenset({S.POLLING, S.STORING, S.WAITING, S.UNKNOWN, S.ENDED}),
    S.POLLING: frozenset({S.POLLING, S.STORING, S.WAITING, S.ENDED}),
    S.STORING: frozenset({S.STORING, S.ENDED}),
    S.UNKNOWN: frozenset({S.UNKNOWN, S.POLLING, S.STORING, S.ENDED}),
    S.ENDED: frozenset({S.WAITING, S.POLLING, S.STORING}),  # a person's or an operator's retry
}
FAILED = frozenset({J.FAILED, J.TIMEOUT})  # may be tried again
STATUSES_OF: dict[Stage, frozenset[JobStatus]] = {
    S.WAITING: frozenset({J.PENDING, J.RETRYING}),
    S.SUBMITTING: frozenset({J.RUNNING}),
    S.POLLING: frozenset({J.RUNNING}),
    S.STORING: frozenset({J.RUNNING}),
    S.UNKNOWN: frozenset({J.RUNNING}),
    S.ENDED: frozenset({J.COMPLETED, J.FAILED, J.CANCELLED, J.TIMEOUT}),
}

PHASES: dict[RequestStatus, Phase] = {
    R.IMAGE_PENDING: Phase.IMAGE_GENERATION,
    R.IMAGE_GENERATING: Phase.IMAGE_GENERATION,
    R.IMAGE_FAILED: Phase.IMAGE_GENERATION,
    R.IMAGE_COMPLETED: Phase.AWAITING_SELECTION,
    R.MODEL_PENDING: Phase.MODEL_GENERATION,
    R.MODEL_GENERATING: Phase.MODEL_GENERATION,
    R.MODEL_FAILED: Phase.MODEL_GENERATION,
    R.MODEL_COMPLETED: Phase.COMPLETED,
    R.COMPLETED: Phase.COMPLETED,
}


class IllegalMove(Exception):
    """A move that the law does not know: a mistake in the code, not in the input."""


def phase_of(status: str, ended_from: str = "") -> Phase:
    """The phase of a request; a cancelled or failed one keeps the phase of the status it left (`ended_from`)."""
    return PHASES[RequestStatus(ended_from or status)]


def check_request_move(old: str, new: str) -> None:
    """Raises IllegalMove unless a request may go from `old` to `new`."""
    if RequestStatus(new) not in REQUEST_MOVES[RequestStatus(old)]:
        raise IllegalMove(f"request: {old} -> {new}")


def check_job_move(old: str, new: str, status: str) -> None:
    """Raises IllegalMove unless a job may go from stage `old` to `new` and bear `status` there."""
    if Stage(new) not in STAGE_MOVES[Stage(old)] or JobStatus(status) not in STATUSES_OF[Stage(new)]:
        raise IllegalMove(f"job: {old} -> {new} as {status}")


@dataclass(frozen=True)
class Retry:
    """Try again after so many seconds; `counts` as one of the tries or not."""

    after: float
    counts: bool = True


@dataclass(frozen=True)
class GiveUp:
    """No further try."""


def backoff(base: float, retry: int) -> float:
    """Seconds before retry number `retry` (0, 1, 2...): exponential, at most ten minutes."""
    return min(base * 2**retry, 600.0)


def after_failure(
    *, base: float, retries: int, max_retries: int, permanent: bool, later: bool, retry_after: float | None
) -> Retry | GiveUp:
    """What follows a failed try that surely cost nothing.

    `later`: the provider said "not now" and accepted nothing, so the try does not count. `retry_after`: the provider's
    own word on when; never less than the backoff.
    """
    if permanent or (not later and retries >= max_retries):
        return GiveUp()
    return Retry(after=max(backoff(base, retries), retry_after or 0.0), counts=not later)
