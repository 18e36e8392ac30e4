"""The offline model provider as a vendor: submit, poll, fetch, cancel; and its worker process living and dying."""

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from providers.base import Fault, JobState, ModelOrder, ModelProvider, ProviderError, RemoteFile, Report
from providers.offline.files import KEPT_SECONDS
from providers.offline.images import draw_png
from providers.offline.jobs import MOST_STARTS, _kill_group
from providers.offline.models import FILES, OfflineModels

PROJECT = Path(__file__).resolve().parents[2]
OVER = (JobState.DONE, JobState.FAILED)


@pytest.fixture(scope="session")
def picture() -> bytes:
    return draw_png("star", 0)


@pytest.fixture
def models(tmp_path: Path) -> Iterator[OfflineModels]:
    """A provider with a folder of its own, whose builds end with the test."""
    provider = OfflineModels(tmp_path / "jobs")
    yield provider
    for job in provider.folder.iterdir() if provider.folder.exists() else ():
        provider.cancel(job.name)


def order(picture: bytes, reference: str = "attempt-1") -> ModelOrder:
    return ModelOrder(reference=reference, prompt="star", name="star", image=picture, image_url="")


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def reports_until_over(models: OfflineModels, ref: str) -> list[Report]:
    reports = [models.poll(ref)]
    wait_until(lambda: reports.append(models.poll(ref)) or reports[-1].state in OVER)
    return reports


def worker(models: OfflineModels, ref: str) -> int:
    return int((models.folder / ref / "lock").read_text())


def starts(models: OfflineModels, ref: str) -> int:
    return int((models.folder / ref / "starts").read_text())


def is_gone(process: int) -> bool:
    """Dead and reaped: not even a zombie."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


def kill(process: int) -> None:
    os.kill(process, signal.SIGKILL)
    wait_until(lambda: is_gone(process))


def faults_of(report: Report) -> tuple[JobState, Fault | None, bool | None]:
    return report.state, report.error and report.error.fault, report.error and report.error.permanent


def test_the_contract(models: OfflineModels, picture: bytes, tmp_path: Path) -> None:
    provider: ModelProvider = models
    assert (provider.name, provider.resubmit_is_free) == ("offline", True)
    first = provider.submit(order(picture))
    assert (first.state, first.progress) == (JobState.RUNNING, 0)
    process = worker(models, first.ref)
    reports = reports_until_over(models, first.ref)
    progress = [report.progress or 0 for report in reports]
    assert progress == sorted(progress)
    assert len(set(progress)) >= 4
    assert all(report.files == () for report in reports[:-1])
    done = reports[-1]
    assert (done.state, done.progress, done.error) == (JobState.DONE, 100, None)
    out = tmp_path / "out"
    out.mkdir()
    results = provider.fetch(done.files, out)
    assert {result.role: result.path.name for result in results} == FILES
    assert all(result.path.parent == out and result.path.stat().st_size > 50 for result in results)
    assert starts(models, first.ref) == 1
    wait_until(lambda: is_gone(process))
    assert provider.submit(order(picture)) == done  # the same reference is the same job


def test_the_same_reference_is_the_same_job(models: OfflineModels, picture: bytes) -> None:
    first, second = models.submit(order(picture)), models.submit(order(picture))
    other = models.submit(order(picture, "attempt-2"))
    assert first.ref == second.ref != other.ref
    assert starts(models, first.ref) == 1
    assert len(list(models.folder.iterdir())) == 2


def test_a_killed_build_is_started_again(models: OfflineModels, picture: bytes) -> None:
    ref = models.submit(order(picture)).ref
    first = worker(models, ref)
    kill(first)
    assert models.poll(ref).state is JobState.RUNNING
    assert worker(models, ref) != first
    assert reports_until_over(models, ref)[-1].state is JobState.DONE
    assert starts(models, ref) == 2


def test_a_build_that_dies_every_time_fails(models: OfflineModels, picture: bytes) -> None:
    ref = models.submit(order(picture)).ref
    for _ in range(MOST_STARTS):
        assert models.poll(ref).state is JobState.RUNNING
        kill(worker(models, ref))
    report = models.poll(ref)
    assert faults_of(report) == (JobState.FAILED, Fault.JOB_FAILED, True)
    assert models.poll(ref).state is JobState.FAILED


def test_many_pollers_start_a_dead_build_once(models: OfflineModels, picture: bytes) -> None:
    ref = models.submit(order(picture)).ref
    kill(worker(models, ref))
    reports: list[Report] = []
    barrier = threading.Barrier(8)

    def poll() -> None:
        barrier.wait()
        reports.append(OfflineModels(models.folder).poll(ref))

    threads = [threading.Thread(target=poll) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [report.state for report in reports] == [JobState.RUNNING] * 8
    assert starts(models, ref) == 2


def test_another_process_may_poll_and_restart(models: OfflineModels, picture: bytes) -> None:
    ref = models.submit(order(picture)).ref
    kill(worker(models, ref))
    code = (
        "import sys; from pathlib import Path; from providers.offline.models import OfflineModels;"
        "print(OfflineModels(Path(sys.argv[1])).poll(sys.argv[2]).state)"
    )
    command = [sys.executable, "-c", code, str(models.folder), ref]
    answer = subprocess.run(command, cwd=PROJECT, env={}, capture_output=True, text=True, check=True)
    assert answer.stdout == "RUNNING\n"
    assert starts(models, ref) == 2
    assert reports_until_over(models, ref)[-1].state is JobState.DONE  # the build outlived who started it
    assert starts(models, ref) == 2


def test_cancel_kills_the_build_and_forgets_it(models: OfflineModels, picture: bytes) -> None:
    ref = models.submit(order(picture)).ref
    process = worker(models, ref)
    assert not is_gone(process)
    models.cancel(ref)
    wait_until(lambda: is_gone(process))
    assert faults_of(models.poll(ref)) == (JobState.FAILED, Fault.JOB_LOST, True)
    assert list(models.folder.iterdir()) == []
    models.cancel(ref)
    assert models.submit(order(picture)).state is JobState.RUNNING


def test_cancel_spares_a_stranger_with_the_builds_old_number(models: OfflineModels, picture: bytes) -> None:
    ref = models.submit(order(picture)).ref
    kill(worker(models, ref))
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as stranger:
        (models.folder / ref / "lock").write_text(str(stranger.pid))
        models.cancel(ref)
        _kill_group(stranger.pid)
        assert stranger.poll() is None
        stranger.kill()
    assert models.poll(ref).state is JobState.FAILED


@pytest.mark.parametrize("ref", ["0" * 32, "", "..", "../jobs", "a/b"])
def test_an_unknown_job_is_lost(models: OfflineModels, ref: str) -> None:
    models.folder.mkdir()
    models.cancel(ref)
    assert faults_of(models.poll(ref)) == (JobState.FAILED, Fault.JOB_LOST, True)
    assert models.folder.is_dir()


def test_an_unreadable_picture_fails_for_good(models: OfflineModels) -> None:
    ref = models.submit(order(b"not a picture")).ref
    report = reports_until_over(models, ref)[-1]
    assert faults_of(report) == (JobState.FAILED, Fault.INVALID_INPUT, True)
    assert report.error is not None
    assert "unreadable" in report.error.evidence
    assert starts(models, ref) == 1


def test_no_picture_is_refused(models: OfflineModels) -> None:
    with pytest.raises(ProviderError) as caught:
        models.submit(order(b""))
    assert caught.value.fault is Fault.INVALID_INPUT


def test_the_worker_inherits_nothing(models: OfflineModels, picture: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_VENDORS_KEY", "secret")
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    ref = models.submit(order(picture)).ref
    os.close(writer)
    process = worker(models, ref)
    ended, _, _ = select.select([reader], [], [], 1)  # end of file: nobody else holds the other end
    assert ended
    assert os.read(reader, 1) == b""
    os.close(reader)
    assert not is_gone(process)
    assert os.getsid(process) == process
    environment = Path(f"/proc/{process}/environ")
    if environment.exists():
        wait_until(lambda: b"PYTHONUTF8" in environment.read_bytes())
        assert b"A_VENDORS_KEY" not in environment.read_bytes()


def test_jobs_are_kept_for_a_day(models: OfflineModels, picture: bytes, tmp_path: Path) -> None:
    old = models.submit(order(b"not a picture", "old")).ref
    reports_until_over(models, old)
    long_ago = time.time() - KEPT_SECONDS - 60
    os.utime(models.folder / old, (long_ago, long_ago))
    new = models.submit(order(picture, "new")).ref
    assert faults_of(models.poll(old)) == (JobState.FAILED, Fault.JOB_LOST, True)
    assert models.poll(new).state is JobState.RUNNING
    gone = RemoteFile(role="stl", url=(models.folder / old / "results" / "model.stl").resolve().as_uri())
    with pytest.raises(ProviderError) as caught:
        models.fetch((gone,), tmp_path)
    assert caught.value.fault is Fault.RESULT_GONE


def test_progress_is_replaced_whole(models: OfflineModels, picture: bytes) -> None:
    ref = models.submit(order(picture)).ref
    path, seen = models.folder / ref / "progress.json", set()
    wait_until(path.exists)
    while (percent := json.loads(path.read_text())["percent"]) < 100:  # a torn file would not parse
        seen.add(percent)
    assert seen <= set(range(10, 100, 10)) | {99}
    assert len(seen) >= 4
