"""So many requests a day, so many 3D jobs a month: exact, whoever races, deletes or tries again."""

import io
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models import F
from PIL import Image
from pytest_django import Settings
from rest_framework.test import APIClient

from generation import pipeline, quotas
from generation.models import GenerationRequest, ImageGenerationJob, ModelGenerationJob, ProviderCall
from lumi import clock
from lumi.accounts.models import User
from lumi.models import DoomedFile
from tests.accounts.desk import at_once, failure
from tests.factories import make_request
from tests.generation.conftest import turn

pytestmark = pytest.mark.django_db(transaction=True)
REQUESTS, MODELS = "/api/requests", "/api/models"


def ask(client: APIClient) -> Any:
    """One more request."""
    return client.post(REQUESTS, {"prompt": "a cat"})


def choose(client: APIClient, request: GenerationRequest) -> Any:
    """One more 3D job."""
    return client.post(MODELS, {"requestId": request.pk, "imageIndex": 0})


def picture() -> SimpleUploadedFile:
    """A picture of one's own."""
    content = io.BytesIO()
    Image.new("RGB", (256, 256), "white").save(content, "PNG")
    return SimpleUploadedFile("cat.png", content.getvalue(), "image/png")


class TestRequests:
    """A day's."""

    def test_one_more_is_too_many(self, as_alice: APIClient, as_bob: APIClient, settings: Settings) -> None:
        settings.REQUESTS_A_DAY = 2
        assert [ask(as_alice).status_code for _ in range(3)] == [201, 201, 429]
        assert ask(as_bob).status_code == 201
        assert GenerationRequest.objects.count() == 3
        assert ImageGenerationJob.objects.count() == 12

    def test_says_when_it_goes_on(self, as_alice: APIClient, settings: Settings) -> None:
        settings.REQUESTS_A_DAY = 1
        ask(as_alice)
        answer, now = ask(as_alice), clock.now()
        assert failure(answer) == (429, "RATE_LIMITED")
        _, midnight = quotas.day_of(now)
        assert f"{midnight:%Y-%m-%d} 00:00 UTC" in answer.json()["data"]["message"]
        assert abs(int(answer["Retry-After"]) - (midnight - now).total_seconds()) < 5

    def test_a_new_day(self, as_alice: APIClient, settings: Settings) -> None:
        settings.REQUESTS_A_DAY = 1
        ask(as_alice)
        GenerationRequest.objects.update(created_at=F("created_at") - timedelta(days=1))
        assert ask(as_alice).status_code == 201

    def test_a_picture_of_one_s_own_counts_and_is_not_kept(
        self, as_alice: APIClient, settings: Settings, tmp_path: Any
    ) -> None:
        settings.REQUESTS_A_DAY = 1
        send = {"file": picture(), "prompt": "a cat"}
        assert as_alice.post(f"{REQUESTS}/upload", send, format="multipart").status_code == 201
        send = {"file": picture(), "prompt": "a cat"}
        assert as_alice.post(f"{REQUESTS}/upload", send, format="multipart").status_code == 429
        assert len(default_storage.listdir("images")[1]) + len(default_storage.listdir("images")[0]) == 1
        assert not DoomedFile.objects.exists()

    @pytest.mark.parametrize(
        ("own", "usual", "allowed"), [(None, 0, 3), (None, 1, 1), (2, 1, 2), (1, 0, 1), (0, 0, 0), (0, 5, 0)]
    )
    def test_staff_may_have_said_something_else(
        self, as_alice: APIClient, alice: User, settings: Settings, own: int | None, usual: int, allowed: int
    ) -> None:
        settings.REQUESTS_A_DAY = usual
        User.objects.filter(pk=alice.pk).update(requests_a_day=own)
        answers = [ask(as_alice) for _ in range(3)]
        assert [answer.status_code for answer in answers].count(201) == allowed
        if own == 0:
            assert "contact us" in answers[0].json()["data"]["message"]

    def test_of_many_at_the_same_moment_no_more_than_that(self, alice: User, settings: Settings) -> None:
        settings.REQUESTS_A_DAY = 2

        def start(number: int) -> bool:
            try:
                return bool(pipeline.start(owner=alice, prompt="a cat"))
            except quotas.OverQuota:
                return False

        assert at_once(5, start).count(True) == 2
        assert GenerationRequest.objects.count() == 2

    def test_pictures_of_many_at_the_same_moment(self, alice: User, settings: Settings) -> None:
        settings.REQUESTS_A_DAY = 1

        def start(number: int) -> bool:
            try:
                return bool(pipeline.start_from_image(owner=alice, file=picture(), prompt="a cat"))
            except quotas.OverQuota:
                return False

        assert at_once(3, start).count(True) == 1
        assert GenerationRequest.objects.count() == 1

    def test_what_was_painted_and_is_deleted_counts(self, as_alice: APIClient, settings: Settings) -> None:
        settings.REQUESTS_A_DAY = 1
        request_id = ask(as_alice).json()["data"]["request"]["id"]
        for _ in range(3):
            turn()
        assert ProviderCall.objects.filter(kind="image").count() == 4
        assert as_alice.delete(f"{REQUESTS}/{request_id}").status_code == 200
        assert ask(as_alice).status_code == 429

    def test_what_was_deleted_before_it_cost_anything_does_not(self, as_alice: APIClient, settings: Settings) -> None:
        settings.REQUESTS_A_DAY = 1
        request_id = ask(as_alice).json()["data"]["request"]["id"]
        as_alice.delete(f"{REQUESTS}/{request_id}")
        assert ask(as_alice).status_code == 201

    def test_what_is_tried_again_counts_once(self, as_alice: APIClient, alice: User, settings: Settings) -> None:
        settings.REQUESTS_A_DAY = 2
        request = make_request(alice, status="IMAGE_FAILED")
        assert as_alice.post(f"{REQUESTS}/{request.pk}/retry").status_code == 200
        assert [ask(as_alice).status_code for _ in range(2)] == [201, 429]

    def test_the_same_key_again_is_no_other_request(self, as_alice: APIClient, settings: Settings) -> None:
        settings.REQUESTS_A_DAY = 1
        for _ in range(2):
            answer = as_alice.post(REQUESTS, {"prompt": "a cat"}, headers={"idempotency-key": "k"})
            assert answer.status_code == 201
        assert ask(as_alice).status_code == 429

    def test_a_key_that_was_refused_may_come_again(self, as_alice: APIClient, settings: Settings) -> None:
        settings.REQUESTS_A_DAY = 1
        ask(as_alice)
        for status, allowed in ((429, 1), (201, 2)):
            settings.REQUESTS_A_DAY = allowed
            answer = as_alice.post(REQUESTS, {"prompt": "a cat"}, headers={"idempotency-key": "k"})
            assert answer.status_code == status


class TestModels:
    """A month's."""

    def test_one_more_is_too_many(self, as_alice: APIClient, alice: User, settings: Settings) -> None:
        settings.MODELS_A_MONTH = 1
        first, second = (make_request(alice, status="IMAGE_COMPLETED") for _ in range(2))
        assert [choose(as_alice, request).status_code for request in (first, second)] == [201, 429]
        second.refresh_from_db()
        assert (second.status, second.selected_image_index) == ("IMAGE_COMPLETED", None)
        assert ModelGenerationJob.objects.count() == 1

    def test_what_could_not_be_done_anyway_says_so(self, as_alice: APIClient, alice: User, settings: Settings) -> None:
        request = make_request(alice, status="MODEL_PENDING")
        settings.MODELS_A_MONTH = 1
        assert failure(choose(as_alice, request)) == (409, "CONFLICT")

    def test_a_new_month(self, as_alice: APIClient, alice: User, settings: Settings) -> None:
        settings.MODELS_A_MONTH = 1
        make_request(alice, status="COMPLETED")
        ModelGenerationJob.objects.update(created_at=quotas.month_of(clock.now())[0] - timedelta(seconds=1))
        assert choose(as_alice, make_request(alice, status="IMAGE_COMPLETED")).status_code == 201

    def test_of_many_at_the_same_moment_no_more_than_that(self, alice: User, settings: Settings) -> None:
        settings.MODELS_A_MONTH = 1
        ids = [make_request(alice, status="IMAGE_COMPLETED").pk for _ in range(4)]

        def select(number: int) -> bool:
            try:
                return bool(pipeline.select_image(owner=alice, request_id=ids[number], index=0))
            except quotas.OverQuota:
                return False

        assert at_once(4, select).count(True) == 1
        assert ModelGenerationJob.objects.count() == 1

    def test_what_was_ordered_and_is_deleted_counts(self, as_alice: APIClient, alice: User, settings: Settings) -> None:
        settings.MODELS_A_MONTH = 1
        request = make_request(alice, status="IMAGE_COMPLETED")
        choose(as_alice, request)
        turn()
        assert ProviderCall.objects.filter(kind="model").count() == 1
        as_alice.delete(f"{REQUESTS}/{request.pk}")
        assert choose(as_alice, make_request(alice, status="IMAGE_COMPLETED")).status_code == 429

    def test_what_is_tried_again_counts_once(self, as_alice: APIClient, alice: User, settings: Settings) -> None:
        request = make_request(alice, status="MODEL_FAILED")
        settings.MODELS_A_MONTH = 1
        assert as_alice.post(f"{REQUESTS}/{request.pk}/retry").status_code == 200
        assert quotas.use_of_models(alice) == {"limit": 1, "used": 1}


class TestCosts:
    """Nothing where there is no quota."""

    @pytest.mark.parametrize("check", [quotas.check_requests, quotas.check_models])
    def test_no_statement_without_one(self, alice: User, check: Any, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(0):
            check(alice)

    @pytest.mark.parametrize("setting", ["REQUESTS_A_DAY", "MODELS_A_MONTH"])
    def test_me_shows_what_there_is(self, as_alice: APIClient, alice: User, settings: Settings, setting: str) -> None:
        make_request(alice, status="COMPLETED")
        setattr(settings, setting, 5)
        name = {"REQUESTS_A_DAY": "requestsADay", "MODELS_A_MONTH": "modelsAMonth"}[setting]
        quota = as_alice.get("/api/auth/me").json()["data"]["user"]["quota"]
        assert quota == {"requestsADay": None, "modelsAMonth": None} | {name: {"limit": 5, "used": 1}}


@pytest.mark.parametrize(
    ("moment", "day", "month"),
    [
        ("2026-02-28T23:59:59Z", "2026-03-01", "2026-03-01"),
        ("2026-12-31T12:00:00Z", "2027-01-01", "2027-01-01"),
        ("2026-03-01T00:00:00Z", "2026-03-02", "2026-04-01"),
        ("2026-03-01T01:00:00+02:00", "2026-03-01", "2026-03-01"),
    ],
)
def test_when_a_day_and_a_month_end(moment: str, day: str, month: str) -> None:
    when = datetime.fromisoformat(moment)
    assert [f"{period(when)[1]:%Y-%m-%d}" for period in (quotas.day_of, quotas.month_of)] == [day, month]
    assert quotas.day_of(when)[0] <= when < quotas.day_of(when)[1]
