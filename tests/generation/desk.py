"""The staff's pages of jobs, as people in a browser call them."""

from html import unescape
from typing import Any

from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from generation import outcomes
from generation.models import ModelGenerationJob
from generation.states import JobStatus
from lumi.accounts.models import User
from providers.base import Billed, Fault, ProviderError
from tests.factories import make_request, make_user
from tests.generation.conftest import turn
from tests.generation.vendor import Vendor

IMAGES, MODELS = "generation_imagegenerationjob", "generation_modelgenerationjob"
VERBS = ["requeue", "cancel", "fail", "adopt"]
LOST = ProviderError(Fault.NETWORK, billed=Billed.UNKNOWN, evidence="reset at https://vendor.test/x?token=SECRET")


def desk_of(person: User) -> Client:
    """A person in a browser, speaking English."""
    client = Client(headers={"accept-language": "en"})
    client.force_login(person)
    return client


def operator(*permissions: str) -> Client:
    """Of somebody who may do just this."""
    person = make_user("olga@example.com", name="Olga", is_staff=True)
    person.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    return desk_of(person)


def page_of(desk: Client, job: Any) -> str:
    """A job's page."""
    response = desk.get(reverse(f"admin:generation_{job._meta.model_name}_change", args=[job.pk]))
    assert response.status_code == 200
    return unescape(response.content.decode())


def verb_of(job: Any, verb: str) -> str:
    """Where it is confirmed."""
    return reverse(f"admin:generation_{job._meta.model_name}_do", args=[job.pk, verb])


def lose(owner: User, builder: Vendor) -> ModelGenerationJob:
    """A model job of unknown outcome, in the end given up as such."""
    builder.say("submit", LOST)
    make_request(owner, status="MODEL_PENDING")
    turn()
    job = ModelGenerationJob.objects.with_context().get()
    outcomes.give_up(job, JobStatus.FAILED, "OUTCOME_UNKNOWN", job.error_text)
    return job
