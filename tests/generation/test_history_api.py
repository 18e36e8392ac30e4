"""`GET /api/requests/{id}/history`: what has happened to the jobs of a request, for its owner only."""

import re
from typing import Any

import pytest
from rest_framework.test import APIClient

from generation.models import GenerationRequest, ImageGenerationJob, JobEvent
from lumi.accounts.models import User
from lumi.process import acting_as
from providers.base import Billed, Fault, ProviderError
from tests.factories import make_request
from tests.generation.conftest import turn_to_the_end
from tests.generation.test_requests_api import data, failed
from tests.generation.vendor import Vendor

pytestmark = pytest.mark.django_db


def history(client: APIClient, request: GenerationRequest, **query: Any) -> Any:
    """The answer."""
    return client.get(f"/api/requests/{request.id}/history", query)


class TestOwn:
    def test_events_of_all_jobs_oldest_first(self, as_alice: APIClient, alice: User, painter: Vendor) -> None:
        request, other = make_request(alice), make_request(alice)
        turn_to_the_end()
        jobs = dict(ImageGenerationJob.objects.of_request(request.id).values_list("pk", "image__index"))
        body = {"requestId": request.id, "imageIndex": 1}
        model = data(as_alice.post("/api/models", body), 201)["model"]
        turn_to_the_end()
        response = history(as_alice, request, limit=100)
        lines = data(response)
        assert response["X-Total-Count"] == str(len(lines))
        assert all(set(line) == {"at", "jobId", "kind", "imageIndex", "event", "detail"} for line in lines)
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["at"]) for line in lines)
        assert [line["at"] for line in lines] == sorted(line["at"] for line in lines)
        images = [line for line in lines if line["kind"] == "image"]
        assert {line["jobId"]: line["imageIndex"] for line in images} == jobs
        assert [line["event"] for line in images if line["imageIndex"] == 2][-1] == "COMPLETED"
        built = [line for line in lines if line["kind"] == "model"]
        assert {line["jobId"] for line in built} == {model["generationJob"]["id"]}
        assert {line["imageIndex"] for line in built} == {None}
        assert built[-1]["event"] == "COMPLETED"
        assert data(history(as_alice, other))

    def test_errors_are_sentences_and_nothing_inner_is_told(
        self, as_alice: APIClient, alice: User, painter: Vendor
    ) -> None:
        painter.say("submit", ProviderError(Fault.INVALID_INPUT, permanent=True, billed=Billed.NO, evidence="key sk-1"))
        request = make_request(alice)
        with acting_as("Olga (operator-7)"):
            turn_to_the_end()
        JobEvent.objects.filter(event="FAILED").update(
            detail={"attempt": 1, "error": "INVALID_INPUT", "evidence": "sk-1", "ref": "vendor-job-1"}
        )
        response = history(as_alice, request, limit=100)
        (line,) = (line for line in data(response) if line["event"] == "FAILED")
        assert set(line["detail"]) == {"attempt", "errorMessage"}
        assert line["detail"]["errorMessage"].startswith("This prompt or picture could not be used")
        event = JobEvent.objects.filter(event="FAILED").get()
        for secret in ("sk-1", "vendor-job", "scripted", "Olga", "operator-7", event.process, "INVALID_INPUT"):
            assert secret not in response.content.decode()

    def test_in_chinese_unless_told_otherwise(self, as_alice: APIClient, alice: User) -> None:
        request = make_request(alice)
        job = ImageGenerationJob.objects.first()
        assert job
        JobEvent.objects.create(kind="image", job_id=job.pk, event="FAILED", detail={"error": "TIMEOUT"})
        line = data(as_alice.get(f"/api/requests/{request.id}/history", headers={"accept-language": "zh"}))[-1]
        assert line["detail"]["errorMessage"].startswith("用时太久")

    def test_pages(self, as_alice: APIClient, alice: User) -> None:
        request = make_request(alice)
        job = ImageGenerationJob.objects.earliest("pk")
        for number in range(25):
            JobEvent.objects.create(kind="image", job_id=job.pk, event="PROGRESS", detail={"progress": number})
        assert len(data(history(as_alice, request))) == 20
        page = history(as_alice, request, limit=3, offset=20)
        assert [line["detail"]["progress"] for line in data(page)] == [20, 21, 22]
        assert page["X-Total-Count"] == "25"
        failed(history(as_alice, request, limit=0), 400, "VALIDATION_ERROR")

    @pytest.mark.parametrize("lines", [0, 80])
    def test_statements(self, as_alice: APIClient, alice: User, lines: int, django_assert_num_queries: Any) -> None:
        request = make_request(alice, status="COMPLETED")
        job = ImageGenerationJob.objects.earliest("pk")
        JobEvent.objects.bulk_create(JobEvent(kind="image", job_id=job.pk, event="PROGRESS") for _ in range(lines))
        with django_assert_num_queries(
            6
        ):  # the person, the request, its images with jobs, the model's job, count, page
            history(as_alice, request, limit=100)


class TestNotOwn:
    def test_another_person_and_nobody(self, as_bob: APIClient, as_nobody: APIClient, alice: User) -> None:
        request = make_request(alice)
        failed(history(as_bob, request), 404, "NOT_FOUND")
        failed(history(as_nobody, request), 401, "UNAUTHORIZED")

    @pytest.mark.parametrize("request_id", ["x", "0" * 36, "x" * 300, "%00"])
    def test_unknown_ids(self, as_alice: APIClient, request_id: str) -> None:
        failed(as_alice.get(f"/api/requests/{request_id}/history"), 404, "NOT_FOUND")

    def test_of_a_deleted_request(self, as_alice: APIClient, alice: User) -> None:
        request = make_request(alice)
        data(as_alice.delete(f"/api/requests/{request.id}"))
        failed(history(as_alice, request), 404, "NOT_FOUND")

    def test_it_is_only_read(self, as_alice: APIClient, alice: User) -> None:
        request = make_request(alice)
        failed(as_alice.post(f"/api/requests/{request.id}/history"), 405, "METHOD_NOT_ALLOWED")
