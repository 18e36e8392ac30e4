"""Jobs whose results go to the bucket, on days when the bucket is away: nothing is lost and nothing is paid twice."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from generation import pipeline
from generation.models import GenerationRequest, ImageGenerationJob, ModelGenerationJob
from lumi import clock
from lumi.accounts.models import User
from tests.factories import make_request
from tests.generation.conftest import builder_fixture, painter_fixture, skip_waits, turn, turn_to_the_end, vendors
from tests.generation.vendor import Vendor
from tests.s3.conftest import Storages, variables_of
from tests.s3.server import Store
from tests.vendors import things

__all__ = ["builder_fixture", "painter_fixture", "vendors"]  # fixtures
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("vendors")]


def turns(number: int) -> None:
    """Let so much happen."""
    for _ in range(number):
        skip_waits()
        turn()


def image_jobs(request: GenerationRequest) -> list[tuple[str, str]]:
    """Stage and status of the four."""
    jobs = ImageGenerationJob.objects.of_request(request.id)
    return sorted(set(jobs.values_list("stage", "status")))


def model_job(request: GenerationRequest) -> ModelGenerationJob:
    """The job that builds."""
    return ModelGenerationJob.objects.get(request=request)


def wait_of(request: GenerationRequest) -> timedelta:
    """Until the next step of the job that builds."""
    wait = model_job(request).next_at
    assert wait is not None
    return wait - clock.now()


def status_of(request: GenerationRequest) -> str:
    """As it is now."""
    return GenerationRequest.objects.get(pk=request.pk).status


class TestStoreAway:
    def test_pictures_wait_for_it(self, store: Store, alice: User, painter: Vendor) -> None:
        request = pipeline.start(owner=alice, prompt="a cat", optimize_prompt=False)
        store.down = True
        turns(5)  # more than a job has tries
        assert image_jobs(request) == [("STORING", "RUNNING")]
        store.down = False
        turn_to_the_end()
        assert image_jobs(request) == [("ENDED", "COMPLETED")]
        assert store.keys_there == sorted(request.images.values_list("key", flat=True))
        assert len(painter.ledger) == 4

    def test_a_model_is_not_ordered_before_its_picture_can_be_read(
        self, store: Store, alice: User, builder: Vendor
    ) -> None:
        request = make_request(alice, status="MODEL_PENDING")
        store.down = True
        turns(5)
        assert (model_job(request).stage, model_job(request).retry_count) == ("WAITING", 0)
        assert builder.ledger == []
        store.down = False
        turn_to_the_end()
        assert status_of(request) == "COMPLETED"
        assert len(builder.ledger) == 1

    def test_a_model_waits_for_it(self, store: Store, alice: User, builder: Vendor) -> None:
        request = make_request(alice, status="MODEL_PENDING")
        before = store.keys_there
        builder.during["fetch"] = lambda: store.turn({"down": True})
        turns(3)
        assert (model_job(request).stage, store.keys_there) == ("STORING", before)
        store.down = False
        turn_to_the_end()
        assert status_of(request) == "COMPLETED"
        assert len(store.keys_there) == len(before) + 6
        assert len(builder.ledger) == 1

    def test_the_longer_it_lasts_the_rarer_results_are_fetched(self, store: Store, alice: User) -> None:
        request = make_request(alice, status="MODEL_PENDING")
        turns(1)
        store.down = True
        turns(1)
        assert wait_of(request) < timedelta(seconds=30)
        for hours, most in ((1 / 60, 90), (1, 330)):
            ModelGenerationJob.objects.update(timeout_at=clock.now() + timedelta(hours=6 - hours))
            turns(1)
            assert timedelta(seconds=min(3600 * hours, 300) - 30) < wait_of(request) < timedelta(seconds=most)

    def test_what_staff_read_of_it(self, store: Store, alice: User) -> None:
        request = pipeline.start(owner=alice, prompt="a cat", optimize_prompt=False)
        store.down = True
        turns(2)
        job = ImageGenerationJob.objects.of_request(request.id).first()
        assert job is not None
        assert job.error_code == "UNAVAILABLE"
        assert "our storage" in job.error_text

    def test_an_upload_is_told_to_come_again(self, store: Store, as_alice: APIClient) -> None:
        store.down = True
        cube = SimpleUploadedFile("cube.stl", things.meshes()["stl"])
        answer = as_alice.post("/api/models/upload", {"file": cube}, format="multipart")
        assert (answer.status_code, answer.json()["code"]) == (503, "SERVICE_UNAVAILABLE")


class TestWrongSecret:
    @pytest.fixture(autouse=True)
    def wrong(self, store: Store, settings: Any, storages_of: Storages) -> None:
        """Somebody has made a mistake with the variables."""
        settings.STORAGES = storages_of(variables_of(store) | {"LUMI_S3_SECRET_KEY": "not the secret"})

    def test_health_says_so(self, as_nobody: APIClient) -> None:
        answer = as_nobody.get("/health/detailed")
        assert answer.status_code == 503
        assert answer.json()["data"]["checks"]["storage"]["status"] == "down"

    def test_jobs_wait_until_it_is_put_right(
        self, store: Store, alice: User, painter: Vendor, settings: Any, storages_of: Storages
    ) -> None:
        request = pipeline.start(owner=alice, prompt="a cat", optimize_prompt=False)
        turns(3)
        assert image_jobs(request) == [("STORING", "RUNNING")]
        settings.STORAGES = storages_of(variables_of(store))
        turn_to_the_end()
        assert status_of(request) == "IMAGE_COMPLETED"
        assert len(painter.ledger) == 4
