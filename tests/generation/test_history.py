"""The history of a job: which lines a road writes, in which order, and who is named in them."""

from typing import Any

import pytest
from django.contrib import admin
from django.test import RequestFactory

from generation import outcomes, pipeline, steps, sweeps
from generation.models import JobEvent, ModelGenerationJob, ProviderCall, Stale
from lumi import clock, process
from lumi.accounts.models import User
from providers.base import Billed, Fault, ProviderError
from tests.factories import make_request, make_user
from tests.generation.accidents import AGO, image_job, leases_end, model_job
from tests.generation.conftest import skip_waits, turn, turn_to_the_end
from tests.generation.vendor import Vendor

pytestmark = pytest.mark.django_db


def history(job: Any) -> list[str]:
    """The words of a job's history, in order, but for who took it up: that has a test of its own."""
    lines = JobEvent.objects.filter(job_id=job.pk).exclude(event="CLAIMED").order_by("id")
    return list(lines.values_list("event", flat=True))


class TestRoads:
    def test_a_model(self, alice: User, builder: Vendor) -> None:
        builder.say("poll", builder.running("x", 30), builder.running("x", 30), builder.running("x", 60))
        make_request(alice, status="MODEL_PENDING")
        turn_to_the_end()
        assert history(model_job()) == ["SUBMITTING", "POLLING", "PROGRESS", "PROGRESS", "STORING", "COMPLETED"]
        progress = JobEvent.objects.filter(event="PROGRESS").order_by("id").values_list("detail", flat=True)
        assert list(progress) == [{"progress": 30}, {"progress": 60}]

    def test_a_picture(self, alice: User) -> None:
        make_request(alice)
        turn_to_the_end()
        for index in range(4):
            assert history(image_job(index)) == ["SUBMITTING", "STORING", "COMPLETED"]

    def test_tries(self, alice: User, builder: Vendor) -> None:
        builder.say("submit", ProviderError(Fault.UNAVAILABLE))
        builder.say("fetch", ProviderError(Fault.NETWORK))
        make_request(alice, status="MODEL_PENDING")
        turn_to_the_end()
        assert history(model_job()) == [
            "SUBMITTING", "RETRYING", "SUBMITTING", "POLLING", "STORING", "STORE_FAILED", "COMPLETED",
        ]  # fmt: skip
        retrying = JobEvent.objects.get(event="RETRYING")
        assert retrying.detail == {"attempt": 2, "error": "UNAVAILABLE"}

    def test_waiting_for_a_turn_releases_it(self, alice: User, settings: Any) -> None:
        make_request(alice, status="MODEL_PENDING")
        pausing = {**settings.GENERATION["model"], "at_once": 1, "per_minute": 0}
        settings.GENERATION = {**settings.GENERATION, "model": pausing}
        job = model_job()
        job.take(clock.now(), holder="x", provider="scripted")
        assert steps.advance(job) is False
        assert history(job) == ["RELEASED"]

    def test_who_took_it_up(self, alice: User, builder: Vendor) -> None:
        make_request(alice, status="MODEL_PENDING")
        turn_to_the_end()
        claims = JobEvent.objects.filter(event="CLAIMED", job_id=model_job().pk)
        assert [line.process for line in claims] == [process.name()] * 2  # once to submit, once to store

    def test_an_unknown_outcome(self, alice: User, builder: Vendor) -> None:
        builder.say("submit", ProviderError(Fault.NETWORK, billed=Billed.UNKNOWN))
        make_request(alice, status="MODEL_PENDING")
        turn()
        ModelGenerationJob.objects.update(next_at=clock.now() - AGO)
        sweeps.sweep()
        assert history(model_job()) == ["SUBMITTING", "UNKNOWN", "FAILED"]

    def test_a_lost_worker(self, alice: User, builder: Vendor) -> None:
        make_request(alice, status="MODEL_PENDING")
        job = model_job()
        job.take(clock.now() - AGO, holder="one that is gone")
        turn_to_the_end()
        assert history(job) == ["RECOVERED", "SUBMITTING", "POLLING", "STORING", "COMPLETED"]
        assert JobEvent.objects.get(event="RECOVERED").detail["recoveries"] == 1

    def test_a_paused_worker(self, alice: User, builder: Vendor) -> None:
        make_request(alice, status="MODEL_PENDING")

        def meanwhile() -> None:
            leases_end()
            sweeps.sweep()

        builder.during["submit"] = meanwhile
        turn()
        sweeps.sweep()
        assert history(model_job()) == ["SUBMITTING", "UNKNOWN", "STALE_WRITE", "ADOPTED", "POLLING"]

    def test_a_timeout_and_a_retry(self, alice: User, builder: Vendor) -> None:
        request = make_request(alice, status="MODEL_PENDING")
        turn()
        ModelGenerationJob.objects.update(timeout_at=clock.now() - AGO)
        skip_waits()
        turn()
        pipeline.retry(owner=alice, request_id=request.id)
        turn_to_the_end()
        assert history(model_job()) == ["SUBMITTING", "POLLING", "TIMEOUT", "POLLING", "STORING", "COMPLETED"]

    def test_a_cancel(self, alice: User, builder: Vendor) -> None:
        request = make_request(alice, status="MODEL_PENDING")
        turn()
        with process.acting_as("alice"):
            pipeline.cancel(owner=alice, request_id=request.id)
        assert history(model_job()) == ["SUBMITTING", "POLLING", "CANCELLED"]
        assert list(JobEvent.objects.order_by("id").values_list("actor", flat=True)) == ["", "", "", "alice"]


class TestLines:
    def test_name_the_process_and_the_claim(self, alice: User) -> None:
        make_request(alice, status="MODEL_PENDING")
        turn()
        first = JobEvent.objects.order_by("id").first()
        assert (first.process, first.kind, first.actor) == (process.name(), "model", "")
        assert first.fence == model_job().fence
        assert abs(clock.now() - first.at) < AGO

    def test_a_refused_write_leaves_none(self, alice: User) -> None:
        make_request(alice, status="MODEL_PENDING")
        ModelGenerationJob.objects.update(stage="SUBMITTING", status="RUNNING")
        job = model_job()
        model_job().take(clock.now() + AGO)
        with pytest.raises(Stale):
            outcomes.hold(job, "too late")
        assert history(job) == []

    def test_outlive_the_job(self, alice: User) -> None:
        request = make_request(alice, status="MODEL_PENDING")
        turn()
        job = model_job()
        pipeline.discard(owner=alice, request_id=request.id)
        assert history(job) == ["SUBMITTING", "POLLING", "CANCELLED"]
        assert not ModelGenerationJob.objects.exists()

    @pytest.mark.parametrize("model", [JobEvent, ProviderCall])
    def test_nobody_adds_changes_or_deletes_them_in_the_admin(self, db: None, model: Any) -> None:
        page = admin.site._registry[model]
        request = RequestFactory().get("/")
        request.user = make_user("root@example.com", is_staff=True, is_superuser=True)
        assert not page.has_add_permission(request)
        assert not page.has_change_permission(request)
        assert not page.has_delete_permission(request)
        assert page.has_view_permission(request)
