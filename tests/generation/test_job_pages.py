"""The staff's pages of jobs: found, narrowed, read."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from generation.admin import search
from generation.models import GenerationRequest, ImageGenerationJob, JobEvent, ModelGenerationJob, ProviderCall
from lumi import clock
from lumi.accounts.models import User
from tests.factories import make_request, make_user
from tests.generation.conftest import turn_to_the_end
from tests.generation.desk import IMAGES, MODELS, VERBS, desk_of, lose, page_of, verb_of
from tests.generation.vendor import Vendor

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss(db: None) -> User:
    """May do everything."""
    return make_user("boss@example.com", name="Boss", is_staff=True, is_superuser=True)


@pytest.fixture
def desk(boss: User) -> Client:
    """Of somebody who may do everything."""
    return desk_of(boss)


def listed(desk: Client, table: str, **where: str) -> list[Any]:
    """The rows of a list."""
    response = desk.get(reverse(f"admin:{table}_changelist"), where)
    assert response.status_code == 200
    return list(response.context["cl"].result_list)


@pytest.fixture
def lost(alice: User, builder: Vendor) -> ModelGenerationJob:
    """See `lose`."""
    return lose(alice, builder)


class TestLists:
    @pytest.mark.parametrize("table", [IMAGES, MODELS])
    @pytest.mark.parametrize("where", [{}, {"q": "cat"}, {"q": "alice@example.com"}, {"q": "no-such-id"}])
    def test_cost_the_same_for_many_rows(
        self, desk: Client, alice: User, table: str, where: dict[str, str], django_assert_max_num_queries: Any
    ) -> None:
        for _ in range(6):
            make_request(alice, status="COMPLETED")
        with django_assert_max_num_queries(17):
            desk.get(reverse(f"admin:{table}_changelist"), where)

    def test_show_what_people_look_for(self, desk: Client, alice: User, settings: Any) -> None:
        settings.PRICES = {"scripted:work": 0.25}
        make_request(alice)
        turn_to_the_end()
        page = desk.get(reverse(f"admin:{IMAGES}_changelist")).content.decode()
        assert page.count('class="lumi-thumbnail"') == 4
        assert page.count("0.2500 CNY") == 4
        assert page.count("COMPLETED</span>") == 4
        assert "0\xa0minutes" in page

    @pytest.mark.parametrize(
        ("where", "number"),
        [
            ({"status__exact": "FAILED"}, 4),
            ({"status__in": "FAILED,TIMEOUT"}, 4),
            ({"stage__exact": "ENDED"}, 8),
            ({"provider__exact": "scripted"}, 4),
            ({"provider__exact": "nobody"}, 0),
            ({"error_code__exact": "UNAVAILABLE"}, 4),
            ({"age": "hour"}, 8),
            ({"age": "day"}, 8),
            ({"age": "week"}, 8),
            ({"age": "older"}, 4),
            ({"age": "nonsense"}, 12),
            ({"owner__id__exact": "nobody"}, 0),
        ],
    )
    def test_are_narrowed(self, desk: Client, alice: User, where: dict[str, str], number: int) -> None:
        make_request(alice, status="IMAGE_FAILED")
        ImageGenerationJob.objects.update(provider="scripted", error_code="UNAVAILABLE")
        make_request(alice, status="COMPLETED")
        make_request(alice, status="IMAGE_GENERATING")
        ImageGenerationJob.objects.filter(status="PENDING").update(created_at=clock.now() - timedelta(days=8))
        assert len(listed(desk, IMAGES, **where)) == number

    def test_are_narrowed_to_an_owner(self, desk: Client, alice: User, bob: User) -> None:
        make_request(alice)
        make_request(bob)
        assert {job.owner_id for job in listed(desk, IMAGES, owner__id__exact=bob.pk)} == {bob.pk}

    @pytest.mark.parametrize("table", [IMAGES, MODELS])
    def test_offer_choices_that_no_table_was_asked_for(self, desk: Client, table: str) -> None:
        page = desk.get(reverse(f"admin:{table}_changelist")).content.decode()
        assert {"?provider__exact=second", "?error_code__exact=TIMEOUT", "?age=older"} <= set(
            re.findall(r'<a href="(\?[^"]*)"', page)
        )


class TestSearch:
    @pytest.fixture
    def jobs(self, alice: User, bob: User) -> tuple[ImageGenerationJob, ModelGenerationJob]:
        """One of each that is looked for, among others."""
        make_request(bob, status="COMPLETED", prompt="a tall giraffe")
        request = make_request(alice, status="COMPLETED", prompt="a round blue whale")
        job = ImageGenerationJob.objects.of_request(request.pk).with_context().get(image__index=2)
        ImageGenerationJob.objects.filter(pk=job.pk).update(provider_job_id="at-vendor-1")
        ModelGenerationJob.objects.filter(request=request).update(provider_job_id="at-vendor-2")
        return job, request.model_job

    def test_by_what_is_exact(self, desk: Client, jobs: tuple[Any, Any]) -> None:
        image, model = jobs
        for word in (image.pk, "at-vendor-1", image.image_id, f" {image.pk} "):
            assert [job.pk for job in listed(desk, IMAGES, q=word)] == [image.pk]
        for word in (model.pk, "at-vendor-2", model.model_id, model.request_id):
            assert [job.pk for job in listed(desk, MODELS, q=word)] == [model.pk]
        assert len(listed(desk, IMAGES, q=image.request_id)) == 4

    @pytest.mark.parametrize(
        ("words", "number"), [("whale", 4), ("WHALE blue", 4), ("whale giraffe", 0), ("a", 8), ("%", 0)]
    )
    def test_by_words_of_the_prompt(self, desk: Client, jobs: tuple[Any, Any], words: str, number: int) -> None:
        assert len(listed(desk, IMAGES, q=words)) == number
        assert len(listed(desk, MODELS, q=words)) == number / 4

    @pytest.mark.parametrize(("address", "number"), [("Alice@example.com", 4), ("nobody@example.com", 0)])
    def test_by_the_owners_address(self, desk: Client, jobs: tuple[Any, Any], address: str, number: int) -> None:
        assert len(listed(desk, IMAGES, q=address)) == number

    def test_for_words_looks_at_the_newest_only(
        self, desk: Client, jobs: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(search, "NEWEST", 4)
        assert listed(desk, IMAGES, q="giraffe") == []
        assert len(listed(desk, IMAGES, q="whale")) == 4


class TestAPage:
    def test_shows_the_picture_and_all_that_happened(
        self, desk: Client, alice: User, settings: Any, django_assert_max_num_queries: Any
    ) -> None:
        settings.PRICES = {"scripted:work": 0.25}
        request = make_request(alice)
        turn_to_the_end()
        job = ImageGenerationJob.objects.earliest("pk")
        with django_assert_max_num_queries(18):
            page = page_of(desk, job)
        assert 'class="lumi-picture" src="/files/~' in page
        assert [word for word in ("CLAIMED", "SUBMITTING", "STORING", "COMPLETED") if f"<strong>{word}<" in page] == [
            "CLAIMED", "SUBMITTING", "STORING", "COMPLETED",
        ]  # fmt: skip
        assert job.reference in page
        assert page.count("0.2500 CNY") == 2
        siblings = ImageGenerationJob.objects.exclude(pk=job.pk)
        for address in (
            reverse("admin:generation_generationrequest_change", args=[request.pk]),
            reverse("admin:accounts_user_change", args=[alice.pk]),
            *(reverse(f"admin:{IMAGES}_change", args=[other.pk]) for other in siblings),
        ):
            assert f'href="{address}"' in page

    def test_shows_a_model_in_3d(self, desk: Client, alice: User, django_assert_max_num_queries: Any) -> None:
        job = make_request(alice, status="COMPLETED").model_job
        with django_assert_max_num_queries(18):
            page = page_of(desk, job)
        assert f'data-src="{reverse("admin:gallery_model_glb", args=[job.model_id])}"' in page
        assert "lumi/three.js" in page
        assert reverse("admin:gallery_model_change", args=[job.model_id]) in page

    def test_of_a_model_that_is_not_there_needs_no_viewer(self, desk: Client, alice: User) -> None:
        page = page_of(desk, make_request(alice, status="MODEL_FAILED").model_job)
        assert "lumi-viewer" not in page
        assert "lumi/three.js" not in page
        assert "The service that makes this is not available" in page

    def test_hides_what_opens_files_at_the_vendor(self, desk: Client, lost: ModelGenerationJob) -> None:
        ProviderCall.objects.update(
            answer={"files": [{"role": "glb", "url": "https://store.test/a.glb?Signature=SECRET#SECRET"}]}
        )
        ModelGenerationJob.objects.update(results=[{"role": "glb", "url": "https://store.test/a.glb?Signature=SECRET"}])
        page = page_of(desk, lost)
        assert "https://store.test/a.glb?…" in page
        assert "https://vendor.test/x?…" in page
        assert "SECRET" not in page

    def test_shows_what_vendors_wrote_as_text(self, desk: Client, lost: ModelGenerationJob) -> None:
        ModelGenerationJob.objects.update(error_text="<script>alert(1)</script>")
        response = desk.get(reverse(f"admin:{MODELS}_change", args=[lost.pk]))
        assert "<script>alert" not in response.content.decode()

    def test_folds_progress_and_keeps_the_newest_lines(self, desk: Client, alice: User) -> None:
        job = make_request(alice, status="MODEL_GENERATING").model_job
        JobEvent.objects.bulk_create(
            JobEvent(kind="model", job_id=job.pk, event="PROGRESS", detail={"progress": number})
            for number in (10, 20, 30)
        )
        assert "3 times, from 10 % to 30 %" in page_of(desk, job)
        JobEvent.objects.bulk_create(
            JobEvent(kind="model", job_id=job.pk, event=f"LINE{number}.") for number in range(301)
        )
        page = page_of(desk, job)
        assert "Only the newest lines are shown" in page
        assert "LINE300." in page
        assert "LINE0." not in page

    def test_that_is_gone_leads_back(self, desk: Client) -> None:
        response = desk.get(reverse(f"admin:{IMAGES}_change", args=["nobody"]), follow=True)
        assert response.status_code == 200
        assert "There is no such row" in response.content.decode()

    @pytest.mark.parametrize(
        ("stand", "verbs"),
        [
            ({"stage": "WAITING", "status": "PENDING"}, {"fail", "cancel"}),
            ({"stage": "ENDED", "status": "FAILED", "error_code": "UNAVAILABLE"}, {"requeue", "cancel"}),
            ({"stage": "ENDED", "status": "FAILED", "error_code": "OUTCOME_UNKNOWN"}, {"requeue", "adopt", "cancel"}),
            ({"stage": "UNKNOWN", "status": "RUNNING"}, {"adopt", "fail", "cancel"}),
            ({"stage": "ENDED", "status": "COMPLETED"}, {"cancel"}),
        ],
    )
    def test_offers_what_can_be_done(self, desk: Client, lost: ModelGenerationJob, stand: Any, verbs: set[str]) -> None:
        ModelGenerationJob.objects.update(**stand)
        GenerationRequest.objects.update(status="MODEL_GENERATING")
        page = page_of(desk, lost)
        assert {verb for verb in VERBS if f'href="{verb_of(lost, verb)}"' in page} == verbs
