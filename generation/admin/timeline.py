"""What has happened, as a line of moments: of one job, or of a request with all of its jobs and its questions to the
LLM."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext as _

from generation.admin.shown import BAD, BUSY, GOOD, QUIET, WARN, money, span
from generation.models import GenerationRequest, JobEvent, ProviderCall

AT_ONCE = timedelta(milliseconds=100)
MOST_LINES = 300  # of history on a page: the newest
TONES = {
    "COMPLETED": GOOD, "FAILED": BAD, "TIMEOUT": BAD, "CANCELLED": QUIET, "UNKNOWN": WARN, "RETRYING": WARN,
    "FAILED_OVER": WARN, "STORE_FAILED": WARN, "RECOVERED": WARN, "STALE_WRITE": WARN, "NOT_SENT": WARN,
}  # fmt: skip


@dataclass(frozen=True)
class Moment:
    """One line. `about`: which of several jobs; `by`: a person, or else a process; `gap`: since the line before."""

    at: datetime
    event: str
    about: str | Promise = ""
    said: str = ""
    by: str = ""
    is_person: bool = False
    gap: str = ""
    tone: str = BUSY


@dataclass(frozen=True)
class Timeline:
    """`left_out`: there are older lines, which are not shown."""

    moments: list[Moment]
    left_out: bool


def of_job(job_id: str) -> Timeline:
    """One job's history. One statement."""
    return of_jobs({job_id: ""})


def of_request(request: GenerationRequest, jobs: Mapping[str, Any], calls: Iterable[ProviderCall]) -> Timeline:
    """A request's, from its beginning to its end; `jobs`: what its jobs are called, by their ids; `calls`: its
    questions to the LLM. One statement."""
    history = of_jobs(jobs)
    own = [Moment(request.created_at, "REQUESTED", tone=QUIET), *map(asked, calls)]
    if request.completed_at:
        own.append(Moment(request.completed_at, "REQUEST_COMPLETED", tone=GOOD))
    moments = sorted([*own, *history.moments], key=lambda moment: moment.at)
    return Timeline(with_gaps(moments), history.left_out)


def of_jobs(jobs: Mapping[str, Any]) -> Timeline:
    """What happened to these, in its order."""
    newest = list(JobEvent.objects.filter(job_id__in=list(jobs)).order_by("-pk")[: MOST_LINES + 1])
    events = newest[:MOST_LINES][::-1]
    moments = [moment(list(run), jobs) for _, run in groupby(events, key=run_of)]
    return Timeline(with_gaps(moments), len(newest) > MOST_LINES)


def run_of(event: JobEvent) -> tuple[Any, ...]:
    """What belongs into one line: a job's progress from poll to poll; anything else stands alone."""
    return (event.job_id,) if event.event == "PROGRESS" else (event.job_id, event.pk)


def moment(events: list[JobEvent], jobs: Mapping[str, Any]) -> Moment:
    """The line of some that belong together."""
    last = events[-1]
    said = said_by(last.detail)
    if len(events) > 1:
        said = _("%(many)d times, from %(first)s %% to %(last)s %%") % {
            "many": len(events),
            "first": events[0].detail.get("progress", 0),
            "last": last.detail.get("progress", 0),
        }
    tone = TONES.get(last.event, BUSY)
    by, is_person = last.actor or last.process, bool(last.actor)
    return Moment(last.at, last.event, jobs.get(last.job_id, ""), said, by, is_person, tone=tone)


def said_by(detail: dict[str, Any]) -> str:
    """What a line of history says besides its word."""
    return ", ".join(f"{name}: {value}" for name, value in detail.items())


def asked(call: ProviderCall) -> Moment:
    """A question to the LLM."""
    words = (call.provider, call.product, call.outcome or "…", money(call.cost))
    return Moment(call.sent_at, "ASKED_LLM", said=", ".join(filter(None, words)))


def with_gaps(moments: list[Moment]) -> list[Moment]:
    """Each with the time since the one before it, where there was any to speak of."""
    befores = [None, *moments[:-1]]
    return [
        replace(moment, gap=span(moment.at - before.at)) if before and moment.at - before.at > AT_ONCE else moment
        for before, moment in zip(befores, moments, strict=bool(moments))
    ]
