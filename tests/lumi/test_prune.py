"""`manage.py prune`: what is old goes; what is young, or still needed, or what money and blame hang on, stays."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.sessions.models import Session as StaffSession
from django.db.models import Model as Table

from generation.models import IdempotencyKey, ImageGenerationJob, JobEvent, ProviderCall
from lumi import audit, clock, pruning
from lumi.accounts.models import ApiToken, EmailVerificationCode, Notice, Session, User
from lumi.models import AuditEntry
from tests.factories import make_request
from tests.lumi.console import failing, run, script

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)
ENDED = "0192b3a4-0000-7000-8000-000000000001"  # a job that is gone


def event(days: float, job_id: str = ENDED) -> JobEvent:
    """A line of history, so many days old."""
    made = JobEvent.objects.create(kind="image", job_id=job_id, event="COMPLETED")
    JobEvent.objects.filter(pk=made.pk).update(at=clock.now() - days * DAY)
    return made


def call(days: float, job_id: str = ENDED, **fields: Any) -> ProviderCall:
    """An answered call, so many days old."""
    sent = clock.now() - days * DAY
    known = {"kind": "image", "provider": "offline", "outcome": "ACCEPTED", "answer": {"state": "DONE"}, "cost": 2}
    known |= {"sent_at": sent, "answered_at": sent, "job_id": job_id, "reference": f"{days}-{job_id}"}
    return ProviderCall.objects.create(**known | fields)


def key(person: User, days: float, **fields: Any) -> IdempotencyKey:
    """A client's key."""
    made = clock.now() - days * DAY
    return IdempotencyKey.objects.create(user=person, key=str(days), fingerprint="f", created_at=made, **fields)


def code(days: float) -> EmailVerificationCode:
    """A code that expired so long ago."""
    expired = clock.now() - days * DAY
    return EmailVerificationCode.objects.create(
        email="a@example.com", purpose="LOGIN", code_hash="h", expires_at=expired
    )


def session(person: User, **moments: float) -> Session:
    """A sign-in; moments in days ago."""
    at = {name: clock.now() - days * DAY for name, days in moments.items()}
    return Session.objects.create(user=person, refresh_jti="j", **{"expires_at": clock.now() + DAY, **at})


def token(person: User, name: str, **moments: float) -> ApiToken:
    """A script's; moments in days ago."""
    at = {name: clock.now() - days * DAY for name, days in moments.items()}
    return ApiToken.objects.create(
        user=person, name=name, scopes=[], token_hash=name, **{"expires_at": clock.now() + DAY, **at}
    )


def notice(person: User, days: float | None, **fields: Any) -> Notice:
    """What was read so long ago."""
    read = None if days is None else clock.now() - days * DAY
    return Notice.objects.create(user=person, kind="WARNING", read_at=read, **fields)


def staff_session(person: User, days: float) -> StaffSession:
    """Of the admin."""
    return StaffSession.objects.create(session_key=str(days), session_data="x", expire_date=clock.now() - days * DAY)


def log_line(person: User, days: float) -> LogEntry:
    """Of the admin."""
    return LogEntry.objects.create(
        user=person, action_time=clock.now() - days * DAY, object_repr="x", action_flag=CHANGE
    )


# Kind -> what is made: (goes, stays).
HEAPS: dict[str, Callable[[User], tuple[list[Table], list[Table]]]] = {
    "history": lambda person: ([event(181), event(400)], [event(179)]),
    "idempotency": lambda person: (
        [key(person, 1.1), key(person, 3, locked_until=clock.now() - DAY)],
        [key(person, 0.9), key(person, 2, locked_until=clock.now() + DAY)],
    ),
    "codes": lambda person: ([code(8)], [code(6), code(-1)]),
    "sessions": lambda person: (
        [session(person, ended_at=31), session(person, expires_at=31)],
        [session(person), session(person, ended_at=29), session(person, expires_at=29)],
    ),
    "tokens": lambda person: (
        [token(person, "a", revoked_at=31), token(person, "b", expires_at=31)],
        [token(person, "c"), token(person, "d", revoked_at=29), token(person, "e", expires_at=1)],
    ),
    "notices": lambda person: (
        [notice(person, 181)], [notice(person, None), notice(person, 179), notice(person, 181, mail_at=clock.now())],
    ),
    "staff-sessions": lambda person: ([staff_session(person, 0.1)], [staff_session(person, -1)]),
    "admin-log": lambda person: ([log_line(person, 731)], [log_line(person, 729)]),
}  # fmt: skip


def test_every_kind_is_tested_here() -> None:
    assert {heap.name for heap in pruning.heaps()} == {*HEAPS, "answers"}


@pytest.mark.parametrize("kind", HEAPS)
class TestEachKind:
    def test_the_old_goes_and_the_rest_stays(self, kind: str, alice: User) -> None:
        going, staying = HEAPS[kind](alice)
        assert [(one["name"], one["rows"]) for one in script("prune", kind)] == [(kind, len(going))]
        assert kept(going) == []
        assert kept(staying) == staying

    def test_a_dry_run_tells_how_many_and_leaves_them(self, kind: str, alice: User) -> None:
        going, staying = HEAPS[kind](alice)
        assert [one["rows"] for one in script("prune", kind, "--dry-run")] == [len(going)]
        assert kept(going + staying) == going + staying
        assert not AuditEntry.objects.exists()


def kept(rows: list[Any]) -> list[Any]:
    """Those that are still there."""
    return [row for row in rows if type(row)._base_manager.filter(pk=row.pk).exists()]


class TestHistory:
    def test_of_a_job_that_has_not_ended_stays(self, alice: User) -> None:
        request = make_request(alice, status="IMAGE_COMPLETED")
        ended, open_one = ImageGenerationJob.objects.of_request(request.pk)[:2]
        ImageGenerationJob.objects.filter(pk=open_one.pk).update(stage="POLLING", status="RUNNING")
        JobEvent.objects.all().delete()
        going, staying = event(400, ended.pk), event(400, open_one.pk)
        run("prune", "history")
        assert kept([going, staying]) == [staying]


class TestAnswers:
    @pytest.fixture
    def jobs(self, alice: User) -> dict[str, str]:
        """Ids of jobs by status."""
        request = make_request(alice, status="IMAGE_COMPLETED")
        jobs = ImageGenerationJob.objects.of_request(request.pk)
        for job, status in zip(jobs, ("COMPLETED", "CANCELLED", "FAILED", "TIMEOUT"), strict=True):
            ImageGenerationJob.objects.filter(pk=job.pk).update(status=status)
        return {job.status: job.pk for job in ImageGenerationJob.objects.of_request(request.pk)}

    @pytest.mark.parametrize(
        ("status", "goes"), [("COMPLETED", True), ("CANCELLED", True), ("FAILED", False), ("TIMEOUT", False)]
    )
    def test_go_where_no_retry_can_ask_for_them(self, jobs: dict[str, str], status: str, goes: bool) -> None:
        made = call(91, jobs[status])
        run("prune", "answers")
        made.refresh_from_db()
        assert (made.answer == {}) == goes

    @pytest.mark.parametrize("fields", [
        {"kind": "llm"}, {"answered_at": None, "outcome": ""}, {"cancel_wanted_at": datetime.now(UTC)},
    ])  # fmt: skip
    def test_stay_where_they_are_wanted(self, fields: dict[str, Any]) -> None:
        made = call(91, **fields)
        run("prune", "answers")
        made.refresh_from_db()
        assert made.answer == {"state": "DONE"}

    def test_the_rows_and_their_sums_stay(self) -> None:
        call(91), call(1, "b")
        month = (clock.now() - 91 * DAY).strftime("%Y-%m")
        before = costs(month)
        assert script("prune", "answers")[0]["rows"] == 1
        assert script("prune", "answers")[0]["rows"] == 0  # what is gone is not found again
        assert costs(month) == before == "2.000000"


def costs(month: str) -> Any:
    """What that month cost."""
    return script("costs", "--month", month)["cost"]


class TestAll:
    def test_every_kind_at_its_own_age(self, alice: User) -> None:
        going = [row for make in HEAPS.values() for row in make(alice)[0]]
        told = {one["name"]: one["rows"] for one in script("prune")}
        assert sum(told.values()) == len(going)
        assert kept(going) == []

    def test_in_batches_each_a_transaction(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pruning, "BATCH", 3)
        for _ in range(7):
            event(200)
        assert script("prune", "history")[0]["rows"] == 7
        assert not JobEvent.objects.exists()

    def test_another_age_for_one_kind(self) -> None:
        event(20), event(5)
        assert script("prune", "history", "--history", "10d")[0]["rows"] == 1

    def test_is_one_line_of_the_audit_trail_which_stays(self) -> None:
        event(200), code(30)
        run("prune", "--by", "Kim")
        run("prune", "--admin-log", "0d", "--by", "Kim")
        (line,) = audit.lines()
        assert (line.action, line.actor) == ("pruned", "operator Kim")
        assert {name: facts["rows"] for name, facts in line.after.items()} == {"history": 1, "codes": 1}

    @pytest.mark.parametrize(("words", "said"), [
        (["--codes", "47h"], "--codes must be 48h or more"),
        (["--history", "23h"], "--history must be 24h or more"),
        (["--history", "soon"], "'soon' is no span of time"),
        (["everything"], "There is no everything"),
    ])  # fmt: skip
    def test_refuses_what_would_do_harm(self, words: list[str], said: str) -> None:
        event(200)
        assert said in failing("prune", *words)[1]
        assert JobEvent.objects.exists()
