"""Crash points: the rows of the crash matrix (docs: shared/reliability.md C5), without a hook in production code.

CRASH_AT names a point (or more, separated by commas); the function that stands there is wrapped, and the process ends
itself as kill -9 would. It writes down beforehand, in the file CRASH_RECORD, at which point and over which job.
CRASH_KIND: for jobs of this kind only. CRASH_JOBS: for these jobs only (ids, separated by commas).
"""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

KILLED = 137
LEDGER_SECONDS = 10.0
dying = threading.Lock()  # one thread dies; never released


def arm() -> None:
    """Wrap what CRASH_AT names; nothing without it."""
    for point in filter(None, os.environ.get("CRASH_AT", "").split(",")):
        POINTS[point](point)


def die(point: str, job: Any = None) -> None:
    """Write down, then end at once, unless the job is not of those that are meant."""
    if is_meant(job) and dying.acquire():
        record(point, job)
        os._exit(KILLED)


def is_meant(job: Any) -> bool:
    """Of the right kind, and one of the right jobs."""
    kind, jobs = os.environ.get("CRASH_KIND"), os.environ.get("CRASH_JOBS")
    if job is None:
        return True
    return (not kind or job.kind == kind) and (not jobs or job.pk in jobs.split(","))


def record(point: str, job: Any) -> None:
    """One line in a file, for sure."""
    line = {"point": point, "job": getattr(job, "pk", None), "kind": getattr(job, "kind", None)}
    line["reference"] = getattr(job, "reference", None)
    with Path(os.environ["CRASH_RECORD"]).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line | {"pid": os.getpid(), "time": time.time()}) + "\n")
        file.flush()
        os.fsync(file.fileno())


# --- How to wrap ----------------------------------------------------------------------------------------------------


def before(owner: Any, name: str, point: str, job_of: Callable[..., Any]) -> None:
    """Die before the function runs."""
    wrapped = getattr(owner, name)

    def function(*args: Any, **kwargs: Any) -> Any:
        die(point, job_of(*args, **kwargs))
        return wrapped(*args, **kwargs)

    setattr(owner, name, function)


def after(owner: Any, name: str, point: str, job_of: Callable[..., Any]) -> None:
    """Die when the function has run."""
    wrapped = getattr(owner, name)

    def function(*args: Any, **kwargs: Any) -> Any:
        result = wrapped(*args, **kwargs)
        die(point, job_of(*args, **kwargs))
        return result

    setattr(owner, name, function)


def first(*args: Any, **_: Any) -> Any:
    """The job is the first argument."""
    return args[0]


def nobody(*_: Any, **__: Any) -> None:
    """No job in particular."""


# --- The web ----------------------------------------------------------------------------------------------------------


def before_commit(point: str) -> None:
    """1: all rows of a request, or of a choice, are written; the transaction is open."""
    from generation import tasks  # noqa: PLC0415

    before(tasks, "ring_after_commit", point, nobody)


def after_commit(point: str) -> None:
    """2: the rows are there, the bell is not rung."""
    from django.db import transaction  # noqa: PLC0415

    from generation import tasks  # noqa: PLC0415

    tasks.ring_after_commit = lambda: transaction.on_commit(lambda: die(point))


def cancelling(point: str) -> None:
    """14: everything is cancelled, the transaction is open."""
    from generation import pipeline  # noqa: PLC0415

    after(pipeline, "cancel_locked", point, nobody)


def cancelled(point: str) -> None:
    """14: it is committed; the provider is not told, the files are not deleted."""
    from django.db import transaction  # noqa: PLC0415

    from generation import pipeline  # noqa: PLC0415

    wrapped = pipeline.cancel_locked

    def function(*args: Any, **kwargs: Any) -> Any:
        transaction.on_commit(lambda: die(point))
        return wrapped(*args, **kwargs)

    pipeline.cancel_locked = function


def discarding(point: str) -> None:
    """14: a request is being deleted, its files are doomed; the transaction is open."""
    from lumi import files  # noqa: PLC0415

    within_discard(files, "doom", point)


def discarded(point: str) -> None:
    """14: it is committed; its files are still there."""
    from lumi import files  # noqa: PLC0415

    within_discard(files, "delete_doomed", point)


def within_discard(owner: Any, name: str, point: str) -> None:
    """Die where this is called on behalf of a delete; the sweep calls it too."""
    from generation import pipeline  # noqa: PLC0415

    here = threading.local()
    discard, wrapped = pipeline.discard, getattr(owner, name)

    def flagged(*args: Any, **kwargs: Any) -> Any:
        here.on = True
        return discard(*args, **kwargs)

    def function(*args: Any, **kwargs: Any) -> Any:
        if getattr(here, "on", False):
            die(point)
        return wrapped(*args, **kwargs)

    pipeline.discard = flagged
    setattr(owner, name, function)


# --- Claim and submit -------------------------------------------------------------------------------------------------


def after_claim(point: str) -> None:
    """3: the tick has claimed a job, its message was never sent."""
    from generation import queue, tasks  # noqa: PLC0415

    wrapped = tasks.queue.claim

    def function(kind: str) -> Any:
        claims = wrapped(kind)
        for job_id, _ in claims:
            die(point, queue.jobs_of(kind).filter(pk=job_id).first())
        return claims

    queue.claim = function


def before_work(point: str) -> None:
    """3: a worker has heard the bell."""
    from generation import steps  # noqa: PLC0415

    before(steps, "work_on", point, first)


def before_submitting(point: str) -> None:
    """4: it is leased to a worker, SUBMITTING is not committed."""
    from generation import submits  # noqa: PLC0415

    before(submits, "begin_submit", point, first)


def in_submitting(point: str) -> None:
    """4: SUBMITTING is written, the transaction is open."""
    from generation import journal  # noqa: PLC0415

    after(journal, "sent", point, first)


def after_submitting(point: str) -> None:
    """5: SUBMITTING is committed, nothing has left."""
    from generation import submits  # noqa: PLC0415

    after(submits, "begin_submit", point, first)


def accepted(point: str) -> None:
    """6: the vendor has charged; the answer is on its way."""
    from generation import submits  # noqa: PLC0415

    wrapped = submits.begin_submit

    def function(job: Any, order: Any) -> Any:
        passed = wrapped(job, order)
        if is_meant(job):
            threading.Thread(target=die_when_charged, args=(point, job), daemon=True).start()
        return passed

    submits.begin_submit = function


def die_when_charged(point: str, job: Any) -> None:
    """Wait for the reference in the vendor's ledger."""
    ledger, until = Path(os.environ["CHAOS_LEDGER"]), time.monotonic() + LEDGER_SECONDS
    while time.monotonic() < until:
        if job.reference in ledger.read_text(encoding="utf-8"):
            die(point, job)
        time.sleep(0.005)


def answer_read(point: str) -> None:
    """7: the answer is in memory, the journal does not have it."""
    from generation import journal  # noqa: PLC0415

    before(journal, "answered", point, first)


def journaled(point: str) -> None:
    """8: the journal has the answer, the job is still SUBMITTING."""
    from generation import journal  # noqa: PLC0415

    after(journal, "answered", point, first)


# --- Polls, results, the end ------------------------------------------------------------------------------------------


def before_poll(point: str) -> None:
    """9: a batch is claimed, nobody is asked yet."""
    from generation import polls  # noqa: PLC0415

    before(polls, "ask", point, first)


def after_poll(point: str) -> None:
    """9: the vendor has answered a poll."""
    from generation import polls  # noqa: PLC0415

    after(polls, "ask", point, first)


def done_seen(point: str) -> None:
    """10: the vendor says DONE, STORING is not committed."""
    from generation import outcomes  # noqa: PLC0415

    before(outcomes, "results_ready", point, first)


def storing(point: str) -> None:
    """11: STORING is committed, nothing is fetched."""
    from generation import steps  # noqa: PLC0415

    before(steps, "fetch_and_keep", point, first)


def fetched(point: str) -> None:
    """11: the files are on this machine's disk, none is in the storage."""
    for kind in kinds():
        before(kind, "keep", point, first)


def half_kept(point: str) -> None:
    """11: one file is in the storage, its row of doom is written."""
    from generation import kinds as module  # noqa: PLC0415

    inside: list[Any] = []
    for kind in kinds():
        remember(kind, "keep", inside)
    after(module, "store", point, lambda *_: inside[-1])


def remember(owner: Any, name: str, seen: list[Any]) -> None:
    """Keep the job that a function was called with."""
    wrapped = getattr(owner, name)

    def function(job: Any, *args: Any) -> Any:
        seen.append(job)
        return wrapped(job, *args)

    setattr(owner, name, function)


def kept(point: str) -> None:
    """12: all files are in the storage, COMPLETED is not begun."""
    for kind in kinds():
        after(kind, "keep", point, first)


def completing(point: str) -> None:
    """12: COMPLETED is written, the transaction is open."""
    for kind in kinds():
        after(kind, "complete", point, first)


def completed(point: str) -> None:
    """After the end: committed, the bell not rung."""
    from generation import steps  # noqa: PLC0415

    after(steps, "complete", point, first)


def kinds() -> Iterable[Any]:
    """What is done differently for images and models."""
    from generation.kinds import KINDS  # noqa: PLC0415

    return KINDS.values()


# --- The sweep --------------------------------------------------------------------------------------------------------


def sweeping(point: str) -> None:
    """15: the sweep has taken a job that was lost in SUBMITTING, and decided nothing."""
    from generation import recovery  # noqa: PLC0415

    before(recovery, "recover_submit", point, first)


def swept(point: str) -> None:
    """15: the sweep has decided, and leaves the other jobs as they are."""
    from generation import recovery  # noqa: PLC0415

    after(recovery, "recover_submit", point, first)


def ending_unknown(point: str) -> None:
    """15: the hold time is over, OUTCOME_UNKNOWN is written, the transaction is open."""
    for kind in kinds():
        before(kind, "fail", point, first)


# --- Stops ------------------------------------------------------------------------------------------------------------


def stop(point: str, job: Any) -> None:
    """Stop this process as SIGSTOP does, once for each kind. Somebody else wakes it."""
    if is_meant(job) and (point, job.kind) not in stopped:
        stopped.add((point, job.kind))
        record(point, job)
        os.kill(os.getpid(), signal.SIGSTOP)
        time.sleep(0.05)  # the signal may be delivered a moment later


stopped: set[tuple[str, str]] = set()


def stopping(owner_of: Callable[[], list[Any]], name: str, *, late: bool) -> Callable[[str], None]:
    """A point at which the process is stopped, before or (`late`) after the function."""

    def armed(point: str) -> None:
        for owner in owner_of():
            wrap_stop(owner, name, point, late=late)

    return armed


def wrap_stop(owner: Any, name: str, point: str, *, late: bool) -> None:
    """Stop, then go on as if nothing had been."""
    wrapped = getattr(owner, name)

    def function(job: Any, *args: Any, **kwargs: Any) -> Any:
        if not late:
            stop(point, job)
        result = wrapped(job, *args, **kwargs)
        if late:
            stop(point, job)
        return result

    setattr(owner, name, function)


def modules(*names: str) -> Callable[[], list[Any]]:
    """Modules of generation, when they can be imported."""
    from importlib import import_module  # noqa: PLC0415

    return lambda: [import_module(f"generation.{name}") for name in names]


POINTS: dict[str, Callable[[str], None]] = {
    "before-commit": before_commit,
    "after-commit": after_commit,
    "cancelling": cancelling,
    "cancelled": cancelled,
    "discarding": discarding,
    "discarded": discarded,
    "after-claim": after_claim,
    "before-work": before_work,
    "before-submitting": before_submitting,
    "in-submitting": in_submitting,
    "after-submitting": after_submitting,
    "accepted": accepted,
    "answer-read": answer_read,
    "journaled": journaled,
    "before-poll": before_poll,
    "after-poll": after_poll,
    "done-seen": done_seen,
    "storing": storing,
    "fetched": fetched,
    "half-kept": half_kept,
    "kept": kept,
    "completing": completing,
    "completed": completed,
    "sweeping": sweeping,
    "swept": swept,
    "ending-unknown": ending_unknown,
    "stop-before-submitting": stopping(modules("submits"), "begin_submit", late=False),
    "stop-after-submitting": stopping(modules("submits"), "begin_submit", late=True),
    "stop-answer-read": stopping(modules("journal"), "answered", late=False),
    "stop-journaled": stopping(modules("journal"), "answered", late=True),
    "stop-in-poll": stopping(modules("polls"), "ask", late=True),
    "stop-done-seen": stopping(modules("outcomes"), "results_ready", late=False),
    "stop-kept": stopping(lambda: list(kinds()), "keep", late=True),
}
