"""A job whose order nobody knows the outcome of, and which the provider turns out to have: an operator has found its id
in the provider's own list. It is gone on with from there, and is not paid for again."""

from dataclasses import replace

from django.core.exceptions import ObjectDoesNotExist

from generation import journal, messages, outcomes, pipeline, queue, sweeps, tasks
from generation.kinds import locked_request
from generation.models import Job, ProviderCall, Stale
from generation.operators.verbs import facts_of, subject
from generation.queue import jobs_of
from generation.states import FAILED, Stage
from lumi import audit
from lumi.again import again_after_deadlock
from lumi.chores import Refused
from providers.base import Fault, JobState, ProviderError, Report

LONGEST_ID = 255


def may_be_adopted(job: Job) -> bool:
    """An order of it went out, and nobody knows whether the provider took it."""
    is_lost = job.stage == Stage.UNKNOWN or (job.status in FAILED and job.error_code == messages.OUTCOME_UNKNOWN)
    return is_lost and journal.is_unknown(job)


def adopt(job: Job, provider_job_id: str) -> None:
    """Go on with a job of unknown outcome that the provider has under this id. The provider is asked first, outside of
    any transaction. Raises Refused, and then nothing was changed."""
    provider_job_id = well_formed(provider_job_id)
    check(job, provider_job_id)
    report = asked(job, provider_job_id)
    queue.ensure_gate(job.kind, job.provider)
    take_over(job, report)


def well_formed(provider_job_id: str) -> str:
    """The id without white space around it. Raises Refused for what no provider's id is."""
    found = provider_job_id.strip()
    if not found or len(found) > LONGEST_ID or not found.isprintable():
        raise Refused("this is no id of a job at a provider")
    return found


def check(job: Job, provider_job_id: str) -> None:
    """Raises Refused."""
    if not may_be_adopted(job):
        raise Refused("only a job of unknown outcome can be given an id of the provider's")
    if is_anothers(job, provider_job_id):
        raise Refused("another job has this id already")


def is_anothers(job: Job, provider_job_id: str) -> bool:
    """Whether another order at this provider is known by the id: of another job, or an earlier one of this job."""
    at_provider = {"provider": job.provider, "provider_job_id": provider_job_id}
    if jobs_of(job.kind).filter(**at_provider).exclude(pk=job.pk).exists():
        return True
    since = journal.sent_at(job) - journal.LOOK_BACK
    calls = ProviderCall.objects.filter(kind=job.kind, sent_at__gte=since, **at_provider)
    return calls.exclude(reference=job.reference).exists()


def asked(job: Job, provider_job_id: str) -> Report:
    """How the provider says that the job stands. Raises Refused unless it has it, and works on it or is done."""
    answer = outcomes.answer_of(lambda: outcomes.provider_of(job).poll(provider_job_id))
    if isinstance(answer, ProviderError):
        raise Refused(f"the provider could not be asked for it: {answer}")
    if answer.state == JobState.FAILED:
        is_lost = answer.error is not None and answer.error.fault == Fault.JOB_LOST
        raise Refused("the provider does not know this job" if is_lost else f"it has failed there: {answer.error}")
    return replace(answer, ref=provider_job_id)


@again_after_deadlock
def take_over(job: Job, report: Report) -> None:
    """The late answer into the journal, and then what follows from one. The gate is held, so that two operators cannot
    give one id to two jobs. Raises Refused."""
    try:
        with locked_request(job.request_id):
            job = jobs_of(job.kind).with_context().select_for_update().get(pk=job.pk)
            with queue.locked_gate(job.kind, job.provider):
                check(job, report.ref)
                before = facts_of(job)
                journal.write(job.reference, journal.as_fields(report) | cost_of(job, report))
            go_on(job)
            told = facts_of(job) | {"providerJobId": report.ref}
            audit.record("adopted", subject(job), before=before, after=told)
    except (Stale, ObjectDoesNotExist) as error:
        raise Refused("it has just been deleted, or moved by somebody else") from error


def cost_of(job: Job, report: Report) -> dict[str, str]:
    """The journal's cost, where the provider says more than was expected."""
    call = ProviderCall.objects.get(reference=job.reference)
    return journal.cost_fields(call.provider, call.product, report)


def go_on(job: Job) -> None:
    """From where the provider is. Raises Stale."""
    if job.has_ended:
        job.note("ADOPTED")
        if not pipeline.requeue(job=job):
            raise Refused("its request no longer waits for it")
        job.refresh_from_db()
    else:
        sweeps.adopt_late_answer(job)
        tasks.ring_after_commit()
