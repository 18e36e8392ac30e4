"""The law, as tables."""

import pytest

from generation.states import (
    PHASES,
    REQUEST_MOVES,
    STAGE_MOVES,
    STATUSES_OF,
    UNFINISHED,
    GiveUp,
    IllegalMove,
    JobStatus,
    Phase,
    RequestStatus,
    Retry,
    Stage,
    after_failure,
    backoff,
    check_job_move,
    check_request_move,
    phase_of,
)

R, S, J = RequestStatus, Stage, JobStatus


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (R.IMAGE_PENDING, R.IMAGE_GENERATING),
        (R.IMAGE_GENERATING, R.IMAGE_COMPLETED),
        (R.IMAGE_GENERATING, R.IMAGE_FAILED),
        (R.IMAGE_COMPLETED, R.MODEL_PENDING),
        (R.MODEL_PENDING, R.MODEL_GENERATING),
        (R.MODEL_GENERATING, R.COMPLETED),
        (R.MODEL_GENERATING, R.MODEL_FAILED),
        (R.IMAGE_FAILED, R.IMAGE_PENDING),
        (R.MODEL_FAILED, R.MODEL_PENDING),
    ],
)
def test_the_road_is_open(old: R, new: R) -> None:
    check_request_move(old, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (R.IMAGE_PENDING, R.IMAGE_COMPLETED),
        (R.IMAGE_COMPLETED, R.COMPLETED),
        (R.COMPLETED, R.CANCELLED),
        (R.CANCELLED, R.IMAGE_PENDING),
        (R.IMAGE_FAILED, R.CANCELLED),
        (R.MODEL_FAILED, R.COMPLETED),
        (R.FAILED, R.IMAGE_PENDING),
    ],
)
def test_short_cuts_are_closed(old: R, new: R) -> None:
    with pytest.raises(IllegalMove):
        check_request_move(old, new)


def test_every_status_has_its_moves_and_every_one_that_is_not_left_by_retry_has_a_phase() -> None:
    assert set(REQUEST_MOVES) == set(R)
    assert set(PHASES) == set(R) - {R.FAILED, R.CANCELLED}
    assert set(STAGE_MOVES) == set(S) == set(STATUSES_OF)
    assert {status for statuses in STATUSES_OF.values() for status in statuses} == set(J)


def test_unfinished_is_what_can_be_cancelled() -> None:
    assert {R.IMAGE_PENDING, R.IMAGE_GENERATING, R.IMAGE_COMPLETED, R.MODEL_PENDING, R.MODEL_GENERATING} == UNFINISHED


@pytest.mark.parametrize(
    ("status", "ended_from", "phase"),
    [
        (R.IMAGE_PENDING, "", Phase.IMAGE_GENERATION),
        (R.IMAGE_FAILED, "", Phase.IMAGE_GENERATION),
        (R.IMAGE_COMPLETED, "", Phase.AWAITING_SELECTION),
        (R.MODEL_PENDING, "", Phase.MODEL_GENERATION),
        (R.MODEL_FAILED, "", Phase.MODEL_GENERATION),
        (R.COMPLETED, "", Phase.COMPLETED),
        (R.CANCELLED, R.IMAGE_GENERATING, Phase.IMAGE_GENERATION),
        (R.CANCELLED, R.IMAGE_COMPLETED, Phase.AWAITING_SELECTION),
        (R.CANCELLED, R.MODEL_GENERATING, Phase.MODEL_GENERATION),
        (R.FAILED, R.IMAGE_COMPLETED, Phase.AWAITING_SELECTION),
    ],
)
def test_phase(status: R, ended_from: str, phase: Phase) -> None:
    assert phase_of(status, ended_from) == phase


@pytest.mark.parametrize(
    ("old", "new", "status"),
    [
        (S.WAITING, S.POLLING, J.RUNNING),  # polled without ever having been submitted
        (S.UNKNOWN, S.WAITING, J.RETRYING),  # a second paid submit after an unknown outcome
        (S.STORING, S.WAITING, J.RETRYING),  # paid for, and thrown away
        (S.WAITING, S.SUBMITTING, J.PENDING),  # a status that does not belong to the stage
        (S.POLLING, S.ENDED, J.RUNNING),
    ],
)
def test_job_moves_that_would_cost_money_or_lie_are_closed(old: S, new: S, status: J) -> None:
    with pytest.raises(IllegalMove):
        check_job_move(old, new, status)


@pytest.mark.parametrize(("retry", "seconds"), [(0, 5), (1, 10), (2, 20), (3, 40), (20, 600)])
def test_backoff_doubles_up_to_ten_minutes(retry: int, seconds: float) -> None:
    assert backoff(5, retry) == seconds


@pytest.mark.parametrize(
    ("retries", "permanent", "later", "retry_after", "decision"),
    [
        (0, False, False, None, Retry(after=5)),
        (1, False, False, None, Retry(after=10)),
        (2, False, False, None, GiveUp()),  # the third try was the last
        (0, True, False, None, GiveUp()),
        (0, False, False, 60, Retry(after=60)),  # the provider's word is longer
        (1, False, False, 1, Retry(after=10)),  # ... or shorter than our own patience
        (2, False, True, 30, Retry(after=30, counts=False)),  # "not now" uses up nothing
        (0, True, True, 30, GiveUp()),
    ],
)
def test_after_failure(
    retries: int, permanent: bool, later: bool, retry_after: float | None, decision: Retry | GiveUp
) -> None:
    found = after_failure(
        base=5, retries=retries, max_retries=2, permanent=permanent, later=later, retry_after=retry_after
    )
    assert found == decision
