"""`manage.py doctor`: says what is wrong and how to mend it, in a bounded time, and tells no secret."""

import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any

import pytest
import trustme
from django.core.checks import Error, Info, Warning
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from pytest_django import Settings

from generation.models import Breaker, QueuePause
from lumi import clock, files
from lumi.accounts.models import User
from lumi.doctor import clockwork, database, findings, machine, rounds
from lumi.doctor.findings import Examination, Finding, Result, doubtful, examine, fine, wrong
from lumi.models import DoomedFile
from tests.accounts.mailserver import mail_server, write_certificate
from tests.journeys.stack import ROOT
from tests.lumi.console import failing, run, script
from tests.services import free_port

OK, WARN, BAD, SKIPPED = Result


@pytest.fixture
def not_served(settings: Settings, tmp_path: Path) -> None:
    """A data folder of its own, where nothing runs; no worker is looked for."""
    settings.DATA_DIR, settings.EMBEDDED_WORKER = tmp_path, True


# --- The command ------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("not_served")
class TestCommand:
    def test_looks_at_everything(self) -> None:
        found = script("doctor")
        names = [one.name for one in rounds.all_examinations()]
        assert list(dict.fromkeys(one["check"] for one in found)) == names
        assert [one for one in found if one["result"] == BAD] == []

    def test_says_how_to_mend_whatever_is_not_fine(self) -> None:
        assert [one for one in script("doctor") if one["result"] in (WARN, BAD) and not one["mend"]] == []

    def test_for_people(self) -> None:
        page = run("doctor")
        assert ["ok", "database"] in [line.split()[:2] for line in page.splitlines()]
        assert " ok, " in page.splitlines()[-1]

    def test_fails_when_anything_is_bad(self, settings: Settings) -> None:
        settings.WHITENOISE_USE_FINDERS = False
        page, reason = failing("doctor")
        assert reason == "1 thing(s) must be mended."
        assert "→ Run `manage.py collectstatic`." in page

    def test_without_tables_it_says_migrate_and_no_more(self) -> None:
        recorder = MigrationRecorder(connection)
        recorder.record_unapplied("interactions", "0001_initial")
        try:
            page = failing("doctor")[0]
        finally:
            recorder.record_applied("interactions", "0001_initial")
        assert "1 migrations are not applied: interactions.0001_initial." in page
        assert page.count("Needs the migrations.") == sum(
            one.needs == "migrations" for one in rounds.all_examinations()
        )


@pytest.fixture
def deaf() -> Iterator[int]:
    """A port that takes calls and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def answer_of(environment: dict[str, str], folder: Path) -> tuple[int, list[dict[str, Any]], str]:
    """The exit code, the findings, and all that was printed, of a process with this environment."""
    own = {"LUMI_DATA_DIR": str(folder), "DJANGO_SETTINGS_MODULE": "lumi.settings"}
    done = subprocess.run(
        [sys.executable, "manage.py", "doctor", "--json"],
        cwd=ROOT, env=os.environ | own | environment, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    return done.returncode, json.loads(done.stdout), done.stdout + done.stderr


class TestDeadHosts:
    """Everything is away at once: it ends, says so, and tells no password."""

    @pytest.mark.parametrize("kind", ["refuses", "never says a word"])
    def test_are_told_of(self, kind: str, deaf: int, tmp_path: Path) -> None:
        port = deaf if kind != "refuses" else free_port()
        code, found, printed = answer_of({
            "DATABASE_URL": f"mysql://lumi:hunter2@127.0.0.1:{port}/lumi",
            "REDIS_URL": f"redis://:hunter2@127.0.0.1:{port}/0",
            "CELERY_BROKER_URL": "",
            "EMAIL_URL": f"smtp://lumi:hunter2@127.0.0.1:{port}",
            "LUMI_S3_BUCKET": "lumi", "LUMI_S3_ENDPOINT_URL": f"http://127.0.0.1:{port}",
            "LUMI_S3_ACCESS_KEY": "key", "LUMI_S3_SECRET_KEY": "hunter2",
        }, tmp_path)  # fmt: skip
        results = {one["check"]: one["result"] for one in found}
        assert code == 1
        assert {name for name, result in results.items() if result == BAD} >= {
            "database", "cache", "broker", "storage", "mail",
        }  # fmt: skip
        assert {results[name] for name in ("setup", "migrations", "clock", "sweep", "workers", "addresses")} == {
            SKIPPED
        }
        assert "hunter2" not in printed


# --- How it looks -----------------------------------------------------------------------------------------------------


class TestExaminations:
    def test_one_that_hangs_is_given_up(self) -> None:
        hangs = Examination("slow", lambda: fine(str(Event().wait(60))), "Wait.", seconds=0.1)
        examine([hangs])
        assert hangs.found == [wrong("No answer within 0 seconds.", "Wait.")]

    def test_one_that_raises_is_bad(self) -> None:
        def fall() -> Finding:
            raise OSError("no route")

        falls = Examination("host", fall, "Look at the way there.")
        examine([falls])
        assert falls.found == [wrong("OSError: no route", "Look at the way there.")]

    def test_what_needs_another_comes_after_it(self) -> None:
        seen: list[str] = []

        def look(name: str, result: Callable[[str, str], Finding]) -> Callable[[], Finding]:
            return lambda: seen.append(name) or result(name, "")  # type: ignore[func-returns-value]

        done = examine([
            Examination("c", look("c", doubtful), "", needs="b"),
            Examination("b", look("b", doubtful), "", needs="a"),
            Examination("a", look("a", doubtful), ""),
        ])  # fmt: skip
        assert seen == ["a", "b", "c"]
        assert [one.name for one in done] == ["c", "b", "a"]

    def test_what_needs_something_bad_is_passed_over_and_so_on(self) -> None:
        done = examine([
            Examination("a", lambda: wrong("down", "up"), ""),
            Examination("b", lambda: fine(""), "", needs="a"),
            Examination("c", lambda: fine(""), "", needs="b"),
        ])  # fmt: skip
        assert [one.found[0].result for one in done] == [BAD, SKIPPED, SKIPPED]

    def test_counts(self) -> None:
        done = examine([Examination("a", lambda: [fine("1"), fine("2"), wrong("3", "")], "")])
        assert dict(findings.counted(done)) == {OK: 2, WARN: 0, BAD: 1, SKIPPED: 0}


# --- What it looks at -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("policy", "most", "result"), [
    ("noeviction", 0, OK), ("noeviction", 1000, OK), ("allkeys-lru", 0, OK), ("allkeys-lru", 1000, BAD),
])  # fmt: skip
def test_a_broker_may_throw_nothing_away(policy: str, most: int, result: Result) -> None:
    assert clockwork.eviction(policy, most).result == result


@pytest.mark.parametrize(("seconds", "result"), [(0.0, OK), (3.0, WARN), (-3.0, WARN), (9.0, BAD), (-9.0, BAD)])
def test_clocks(monkeypatch: pytest.MonkeyPatch, db: None, seconds: float, result: Result) -> None:
    read = clock.read
    monkeypatch.setattr(clock, "read", lambda: read() + timedelta(seconds=seconds))
    assert database.time().result == result


@pytest.mark.parametrize(("free", "result"), [(10**11, OK), (10**9, WARN), (10**8, BAD)])
def test_disk(monkeypatch: pytest.MonkeyPatch, free: int, result: Result) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=free))
    assert machine.disk().result == result


@pytest.mark.parametrize(("level", "result"), [(Error, BAD), (Warning, WARN), (Info, OK)])
def test_djangos_checks(level: type[Any], result: Result) -> None:
    found = machine.finding_of(level("It is so.", hint="Do that.", id="lumi.X001"))
    assert (found.result, found.says) == (result, "It is so. (lumi.X001)")


def test_what_django_says_of_https_is_one_line(settings: Settings) -> None:
    settings.SECURE_SSL_REDIRECT = settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = False
    settings.SECURE_HSTS_SECONDS = 0
    assert [one.mend for one in machine.checks()].count("Set LUMI_HTTPS=true.") == 1


@pytest.mark.django_db
class TestDatabase:
    def test_as_settings_make_it(self) -> None:
        assert {one.result for one in [database.version(), *database.setup(), database.migrations()]} == {OK}

    def test_files_that_should_be_gone(self) -> None:
        DoomedFile.objects.create(key="a", after=clock.now() - timedelta(minutes=9))
        assert database.doomed().result == OK
        DoomedFile.objects.create(key="b", after=clock.now() - timedelta(minutes=11))
        assert database.doomed().says == "1 files should have been deleted."

    @pytest.mark.django_db(transaction=True)  # a probe closes its connection
    def test_what_holds_jobs_back(self) -> None:
        QueuePause.objects.create(kind="image", paused_by="Kim")
        Breaker.objects.create(kind="model", provider="meshy", operation="poll", open_until=clock.now())
        providers, queues = machine.holding_back()
        assert (providers.result, queues.result) == (WARN, WARN)
        assert "meshy" in providers.says
        assert "jobs resume" in queues.mend

    def test_staff(self, alice: User) -> None:
        assert machine.staff().result == WARN
        User.objects.create_superuser("boss@example.com", "a long password")
        assert machine.staff().result == OK


@pytest.mark.django_db(transaction=True)
class TestSweep:
    @pytest.fixture(autouse=True)
    def quick(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        """Workers are somewhere, and sweep often."""
        settings.EMBEDDED_WORKER, settings.SWEEP_SECONDS = False, 0.1
        monkeypatch.setattr(clockwork, "LOOK_EVERY", 0.05)

    def test_that_comes(self) -> None:
        def sweep_soon() -> None:
            try:
                while not DoomedFile.objects.exists():
                    time.sleep(0.05)
                files.sweep()
            finally:
                connection.close()

        (sweeping := Thread(target=sweep_soon)).start()
        assert clockwork.sweep().result == OK
        sweeping.join()

    def test_that_does_not_come_and_nothing_is_left(self) -> None:
        assert clockwork.sweep().mend == "Start a worker and `celery -A lumi beat`."
        assert not DoomedFile.objects.exists()


class TestServing:
    def test_nobody_serves(self, not_served: None) -> None:
        assert clockwork.sweep().mend == "Start it: `manage.py serve`."

    def test_somebody_serves(self, not_served: None, tmp_path: Path) -> None:
        with (tmp_path / "serve.lock").open("w") as lock:
            assert not clockwork.is_served()
            fcntl.flock(lock, fcntl.LOCK_EX)
            assert clockwork.is_served()


class TestSpool:
    @pytest.mark.parametrize(("name", "age", "result"), [
        ("a.json", 0, OK), ("a.json", 100, WARN), ("a.aside", 0, WARN), ("a.tmp", 100, OK),
    ])  # fmt: skip
    def test_answers_that_wait(self, not_served: None, tmp_path: Path, name: str, age: int, result: Result) -> None:
        (path := tmp_path / "spool" / name).parent.mkdir()
        path.touch()
        os.utime(path, (time.time() - age, time.time() - age))
        assert machine.spool().result == result


class TestMail:
    @pytest.fixture
    def authority(self) -> trustme.CA:
        """Who signs the server's certificate."""
        return trustme.CA()

    @pytest.mark.parametrize("to", ["", "kim@example.com"])
    def test_is_sent_only_where_it_is_asked_for(
        self, authority: trustme.CA, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, to: str
    ) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", str(write_certificate(authority, tmp_path)))
        with mail_server(authority) as mailbox:
            settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
            settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_USE_TLS = "127.0.0.1", mailbox.port, True
            settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "lumi", "p@ss word"
            assert machine.mail(to).result == OK
            assert mailbox.recipients == ([to] if to else [])


@pytest.mark.skipif(not os.environ.get("REDIS_URL"), reason="in the pass with a real Redis")
class TestRedis:
    def test_answers(self) -> None:
        assert [one.result for one in clockwork.broker()] == [OK, OK]
        assert clockwork.caching().result == OK

    def test_has_no_worker(self) -> None:
        assert clockwork.workers().says == "No worker answers."
