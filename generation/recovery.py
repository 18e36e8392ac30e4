"""What becomes of a job whose submit was left unfinished: adopted, looked up, repeated if that is free, or unknown."""

from datetime import timedelta
from typing import Any

from django.conf import settings

from generation import journal, outcomes, queue
from generation.models import GenerationRequest, Job
from generation.states import JobStatus, Stage
from lumi import clock
from providers.base import LooksUp, ProviderError, Report

NO_SUCH_JOB = object()


def recover_submit(job: Job) -> None:
    """Whoever was handing this job over is gone. What the journal or the provider knows is adopted; where a second
    submit is free, it is made; else the outcome is unknown. Raises Stale."""
    answer = journal.answer_to(job) or look_up(job)
    if isinstance(answer, Report | ProviderError):
        job.note("ADOPTED")
        let_go_if(outcomes.take_answer(job, answer), job)
    elif outcomes.provider_of(job).resubmit_is_free:
        resubmit(job)
    elif answer is NO_SUCH_JOB:
        resubmit_when_sure(job)
    else:
        outcomes.hold(job, "the worker was lost while submitting")


def adopt_late_answer(job: Job) -> None:
    """An unknown outcome that is known by now. A late "no" ends the job: the person may try again, and pays once.
    Raises Stale."""
    answer = journal.answer_to(job)
    if answer is None:
        return
    job.note("ADOPTED")
    if isinstance(answer, Report):
        let_go_if(outcomes.accepted_or_stopped(job, answer), job)
    else:
        outcomes.give_up(job, JobStatus.FAILED, answer.fault, answer.evidence)


def look_up_unknown(job: Job) -> None:
    """Ask the provider for a job of unknown outcome. One that it does not have is held on: the order may still be on
    its way. Raises Stale."""
    found = look_up(job)
    if isinstance(found, Report):
        job.note("ADOPTED")
        let_go_if(outcomes.accepted_or_stopped(job, found), job)


def let_go_if(goes_on: bool, job: Job) -> None:
    """Its next step can follow at once: it is for a worker."""
    if goes_on:
        queue.let_go(job)


def look_up(job: Job) -> Any:
    """Ask the provider whether it has the job: a Report, NO_SUCH_JOB, or None where it cannot be asked or does not
    answer."""
    provider = outcomes.provider_of(job)
    if not isinstance(provider, LooksUp):
        return None
    found = outcomes.answer_of(provider.find, journal.lost(job))
    if isinstance(found, ProviderError):
        return None
    found = found and outcomes.in_words(found)
    if isinstance(found, ProviderError):  # found, without an id to follow it by
        return None
    if found:
        journal.answered(job, found)
    return found or NO_SUCH_JOB


def resubmit_when_sure(job: Job) -> None:
    """The provider does not have it: an order that was still on its way would have arrived by its deadline. Before
    that the job stays as it is, and is looked up again when this lease is over."""
    arrived_by = journal.sent_at(job) + timedelta(seconds=settings.GENERATION["call_deadline"])
    if clock.now() > arrived_by:
        resubmit(job)


def resubmit(job: Job) -> None:
    """The same attempt once more. How often is bounded, so that a job which kills its workers comes to an end."""
    if job.recoveries >= settings.GENERATION["most_recoveries"]:
        outcomes.give_up_lost(job)
        return
    lost = job.recoveries + 1
    job.move(Stage.WAITING, JobStatus.RETRYING, event="RECOVERED", next_at=clock.now(), recoveries=lost)
    GenerationRequest.objects.touch(job.request_id)
