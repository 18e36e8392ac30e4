"""An operator finds an order of unknown outcome in the provider's own list, and gives the job its id."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import CommandError

from generation import messages, operators, outcomes, pipeline, queue
from generation.models import GenerationRequest, ImageGenerationJob, Job, JobEvent, ModelGenerationJob, ProviderCall
from generation.states import JobStatus
from lumi.accounts.models import User
from lumi.models import AuditEntry
from lumi.process import acting_as
from providers.base import Billed, Fault, JobState, ProviderError, Report
from tests.factories import make_request
from tests.generation.conftest import turn, turn_to_the_end
from tests.generation.shell import jobs
from tests.generation.vendor import Vendor

pytestmark = pytest.mark.django_db
LOST = ProviderError(Fault.NETWORK, billed=Billed.UNKNOWN, evidence="the connection was reset")
AT_PROVIDER = "vendor-77"


def lose(alice: User, vendor: Vendor) -> Job:
    """A job whose order went out, and whose answer was lost."""
    vendor.say("submit", LOST)
    make_request(alice, status="MODEL_PENDING" if vendor.kind == "model" else "IMAGE_GENERATING")
    if vendor.kind == "image":
        ImageGenerationJob.objects.update(next_at=None)
        first = ImageGenerationJob.objects.earliest("pk")
        ImageGenerationJob.objects.filter(pk=first.pk).update(next_at=first.created_at)
    turn()
    return lost_job(vendor.kind)


def lost_job(kind: str) -> Job:
    """As it is now."""
    return queue.jobs_of(kind).with_context().get(provider="scripted")


def give_up(job: Job) -> Job:
    """The hold is over: the person is told that nobody knows."""
    outcomes.give_up(job, JobStatus.FAILED, messages.OUTCOME_UNKNOWN, job.error_text)
    return lost_job(job.kind)


def keep(job: Job) -> Job:
    """The hold goes on."""
    return job


@pytest.fixture(params=["image", "model"])
def vendor(request: pytest.FixtureRequest, painter: Vendor, builder: Vendor) -> Vendor:
    """Each kind, working in its own time."""
    found = {"image": painter, "model": builder}[request.param]
    found.at_once = False
    return found


@pytest.mark.parametrize("stand", [keep, give_up])
class TestAJobThatTheProviderHas:
    def test_is_gone_on_with_and_paid_once(self, alice: User, vendor: Vendor, stand: Callable[[Job], Job]) -> None:
        job = stand(lose(alice, vendor))
        vendor.say("poll", vendor.running(AT_PROVIDER, 30))
        with acting_as("Olga"):
            operators.adopt(job, f" {AT_PROVIDER} ")
        now = lost_job(vendor.kind)
        assert (now.stage, now.status, now.provider_job_id) == ("POLLING", "RUNNING", AT_PROVIDER)
        turn_to_the_end()
        assert lost_job(vendor.kind).status == "COMPLETED"
        assert vendor.ledger.count(job.reference) == 1
        assert not [one for one in vendor.ledger if one.startswith(job.pk) and one != job.reference]

    def test_that_is_done_is_stored(self, alice: User, vendor: Vendor, stand: Callable[[Job], Job]) -> None:
        operators.adopt(stand(lose(alice, vendor)), AT_PROVIDER)
        assert lost_job(vendor.kind).stage == "STORING"
        turn_to_the_end()
        assert lost_job(vendor.kind).status == "COMPLETED"

    def test_is_in_the_journal_as_accepted_and_billed(
        self, alice: User, vendor: Vendor, stand: Callable[[Job], Job], settings: Any
    ) -> None:
        settings.PRICES = {"scripted:work": 0.25}
        job = stand(lose(alice, vendor))
        operators.adopt(job, AT_PROVIDER)
        call = ProviderCall.objects.get(job_id=job.pk)
        assert (call.outcome, call.provider_job_id, str(call.cost)) == ("ACCEPTED", AT_PROVIDER, "0.250000")

    def test_is_in_its_history_and_in_the_audit_trail(
        self, alice: User, vendor: Vendor, stand: Callable[[Job], Job]
    ) -> None:
        job = stand(lose(alice, vendor))
        with acting_as("Olga"):
            operators.adopt(job, AT_PROVIDER)
        assert JobEvent.objects.get(job_id=job.pk, event="ADOPTED").actor == "Olga"
        line = AuditEntry.objects.get()
        assert (line.actor, line.action, line.subject_id) == ("Olga", "adopted", job.pk)
        assert (line.before["status"], line.after["stage"]) == (job.status, "STORING")
        assert line.after["providerJobId"] == AT_PROVIDER


WHAT_STANDS = {"attempt", "stage", "status", "provider_job_id", "error_code"}


def standing(job: Job) -> tuple[Any, ...]:
    """What must not have changed."""
    now = queue.jobs_of(job.kind).filter(pk=job.pk).values_list(*sorted(WHAT_STANDS)).first()
    outcomes_now = ProviderCall.objects.filter(job_id=job.pk).values_list("outcome", "provider_job_id")
    return now, *outcomes_now, AuditEntry.objects.count()


@pytest.mark.parametrize("stand", [keep, give_up])
class TestNothingIsChanged:
    @pytest.mark.parametrize("bad", ["", "   ", "x" * 256, "a\nb", "a\x00b"])
    def test_by_what_is_no_id(self, alice: User, builder: Vendor, stand: Callable[[Job], Job], bad: str) -> None:
        self.refused(stand(lose(alice, builder)), bad, "no id")
        assert builder.polls == []

    def test_by_the_id_of_another_job(self, alice: User, builder: Vendor, stand: Callable[[Job], Job]) -> None:
        job = stand(lose(alice, builder))
        make_request(alice, status="MODEL_GENERATING")
        ModelGenerationJob.objects.exclude(pk=job.pk).update(provider_job_id=AT_PROVIDER, provider="scripted")
        self.refused(job, AT_PROVIDER, "another job")

    def test_by_the_id_of_an_earlier_order(self, alice: User, builder: Vendor, stand: Callable[[Job], Job]) -> None:
        job = stand(lose(alice, builder))
        ProviderCall.objects.create(
            reference="gone-1", kind="model", job_id="gone", provider="scripted", provider_job_id=AT_PROVIDER
        )
        self.refused(job, AT_PROVIDER, "another job")

    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (ProviderError(Fault.INVALID_INPUT, permanent=True, evidence="404"), "could not be asked"),
            (ProviderError(Fault.NETWORK), "could not be asked"),
            (ValueError("the adapter failed"), "could not be asked"),
            (Report(state=JobState.FAILED, error=ProviderError(Fault.JOB_LOST)), "does not know"),
            (Report(state=JobState.FAILED, error=ProviderError(Fault.JOB_FAILED)), "has failed there"),
            (Report(state=JobState.FAILED), "has failed there"),
        ],
    )
    def test_by_what_the_provider_does_not_have(
        self, alice: User, builder: Vendor, stand: Callable[[Job], Job], answer: Any, said: str
    ) -> None:
        job = stand(lose(alice, builder))
        builder.say("poll", answer)
        self.refused(job, "unheard-of", said)

    def test_when_it_was_deleted_meanwhile(self, alice: User, builder: Vendor, stand: Callable[[Job], Job]) -> None:
        job = stand(lose(alice, builder))
        builder.during["poll"] = lambda: pipeline.discard(owner=alice, request_id=job.request_id)
        self.refused(job, AT_PROVIDER, "just been deleted")
        assert not GenerationRequest.objects.exists()

    def test_when_somebody_else_was_faster(self, alice: User, builder: Vendor, stand: Callable[[Job], Job]) -> None:
        job = stand(lose(alice, builder))
        builder.during["poll"] = lambda: operators.adopt(lost_job("model"), "vendor-78")
        with pytest.raises(operators.Refused, match="unknown outcome"):
            operators.adopt(job, AT_PROVIDER)
        assert lost_job("model").provider_job_id == "vendor-78"
        assert AuditEntry.objects.count() == 1

    def refused(self, job: Job, provider_job_id: str, said: str) -> None:
        """With a word, and without a trace."""
        before = standing(job)
        with pytest.raises(operators.Refused, match=said):
            operators.adopt(job, provider_job_id)
        if GenerationRequest.objects.exists():
            assert standing(job) == before
        assert not AuditEntry.objects.exists()


class TestOtherJobs:
    @pytest.mark.parametrize("status", ["MODEL_PENDING", "MODEL_GENERATING", "MODEL_FAILED", "COMPLETED"])
    def test_are_not_adopted(self, alice: User, status: str) -> None:
        job = make_request(alice, status=status).model_job
        with pytest.raises(operators.Refused, match="unknown outcome"):
            operators.adopt(job, AT_PROVIDER)

    def test_nor_is_one_whose_request_was_cancelled(self, alice: User, builder: Vendor) -> None:
        job = give_up(lose(alice, builder))
        GenerationRequest.objects.update(status="CANCELLED", ended_from="MODEL_GENERATING")
        before = standing(job)
        with pytest.raises(operators.Refused, match="no longer waits"):
            operators.adopt(job, AT_PROVIDER)
        assert standing(job) == before


class TestTheCommand:
    def test_adopts(self, alice: User, builder: Vendor) -> None:
        job = lose(alice, builder)
        assert "1 of 1 jobs were adopted" in jobs("adopt", job.pk, AT_PROVIDER, "--by", "olga")
        assert lost_job("model").provider_job_id == AT_PROVIDER
        assert AuditEntry.objects.get().actor == "operator olga"

    def test_says_why_not(self, alice: User, builder: Vendor) -> None:
        job = make_request(alice, status="MODEL_FAILED").model_job
        with pytest.raises(CommandError, match="unknown outcome"):
            jobs("adopt", job.pk, AT_PROVIDER)


class TestTheAuditTrail:
    """What operators do from a shell is in it, too."""

    @pytest.mark.parametrize(
        ("status", "words", "action"),
        [
            ("MODEL_FAILED", ("requeue", "{job}", "--yes"), "requeued"),
            ("MODEL_PENDING", ("cancel", "{job}"), "cancelled"),
            ("MODEL_PENDING", ("fail", "{job}", "--reason", "stuck"), "failed"),
            ("MODEL_PENDING", ("pause", "model"), "paused"),
        ],
    )
    def test_names_the_operator(self, alice: User, status: str, words: tuple[str, ...], action: str) -> None:
        job = make_request(alice, status=status).model_job
        jobs(*(word.format(job=job.pk) for word in words), "--by", "olga")
        line = AuditEntry.objects.get()
        assert (line.action, line.actor) == (action, "operator olga")

    def test_has_no_line_of_what_changed_nothing(self, alice: User) -> None:
        jobs("pause", "model", "--by", "olga")
        jobs("pause", "model", "--by", "olga")
        jobs("resume", "model", "--by", "olga")
        jobs("resume", "model", "--by", "olga")
        assert list(AuditEntry.objects.values_list("action", flat=True)) == ["paused", "resumed"]

    def test_has_no_line_of_what_the_owner_does(self, alice: User) -> None:
        request = make_request(alice, status="MODEL_PENDING")
        pipeline.cancel(owner=alice, request_id=request.pk)
        assert not AuditEntry.objects.exists()
