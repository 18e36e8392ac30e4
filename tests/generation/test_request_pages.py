"""The staff's pages of requests: four pictures side by side, the model, and the whole of what happened."""

import re
from html import unescape
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from generation.models import GenerationRequest, ImageGenerationJob, ModelGenerationJob, ProviderCall
from lumi.accounts.models import User
from lumi.models import AuditEntry
from tests.factories import make_request, make_user
from tests.generation.conftest import turn_to_the_end

pytestmark = pytest.mark.django_db
LIST = "admin:generation_generationrequest_changelist"


def desk_of(person: User) -> Client:
    """A person in a browser, speaking English."""
    client = Client(headers={"accept-language": "en"})
    client.force_login(person)
    return client


@pytest.fixture
def boss(db: None) -> User:
    """May do everything."""
    return make_user("boss@example.com", name="Boss", is_staff=True, is_superuser=True)


@pytest.fixture
def desk(boss: User) -> Client:
    """Of somebody who may do everything."""
    return desk_of(boss)


def page_of(desk: Client, request: GenerationRequest) -> str:
    """A request's page."""
    response = desk.get(reverse("admin:generation_generationrequest_change", args=[request.pk]))
    assert response.status_code == 200
    return unescape(response.content.decode())


def verb_of(request: GenerationRequest, verb: str) -> str:
    """Where it is confirmed."""
    return reverse("admin:generation_generationrequest_do", args=[request.pk, verb])


def listed(desk: Client, **where: str) -> list[str]:
    """The ids of a list."""
    return [row.pk for row in desk.get(reverse(LIST), where).context["cl"].result_list]


class TestTheList:
    @pytest.mark.parametrize("where", [{}, {"q": "cat"}, {"q": "alice@example.com"}, {"q": "no-such-id"}])
    def test_costs_the_same_for_many_rows(
        self, desk: Client, alice: User, where: dict[str, str], django_assert_max_num_queries: Any
    ) -> None:
        for _ in range(6):
            make_request(alice, status="COMPLETED")
        with django_assert_max_num_queries(18):
            desk.get(reverse(LIST), where)

    def test_shows_pictures_owner_status_and_the_cost_of_all_jobs(
        self, desk: Client, alice: User, settings: Any
    ) -> None:
        settings.PRICES = {"scripted:work": 0.25}
        request = make_request(alice)
        turn_to_the_end()
        ProviderCall.objects.create(reference="llm-1", kind="llm", job_id=request.pk, provider="scripted", cost="0.5")
        page = desk.get(reverse(LIST)).content.decode()
        assert page.count('class="lumi-thumbnail"') == 4
        assert "alice@example.com" in page
        assert "IMAGE_COMPLETED</span>" in page
        assert "1.5000 CNY" in page

    def test_is_searched_by_what_is_exact_and_by_words(self, desk: Client, alice: User, bob: User) -> None:
        make_request(bob, status="COMPLETED", prompt="a tall giraffe")
        request = make_request(alice, status="COMPLETED", prompt="a round blue whale")
        job = request.model_job
        image_job = ImageGenerationJob.objects.of_request(request.pk).earliest("pk")
        ModelGenerationJob.objects.filter(pk=job.pk).update(provider_job_id="at-vendor-1")
        for words in (request.pk, job.pk, job.model_id, image_job.pk, image_job.image_id, "at-vendor-1"):
            assert listed(desk, q=words) == [request.pk]
        for words in ("blue WHALE", "alice@example.com"):
            assert listed(desk, q=words) == [request.pk]
        assert listed(desk, q="blue giraffe") == []

    @pytest.mark.parametrize(
        ("where", "number"),
        [({"status__exact": "MODEL_FAILED"}, 1), ({"error_code__exact": "TIMEOUT"}, 1), ({"age": "older"}, 0)],
    )
    def test_is_narrowed(self, desk: Client, alice: User, where: dict[str, str], number: int) -> None:
        make_request(alice, status="MODEL_FAILED", error_code="TIMEOUT")
        make_request(alice, status="COMPLETED")
        assert len(listed(desk, **where)) == number


class TestThePage:
    def test_shows_four_pictures_with_their_prompts_and_marks_the_chosen_one(
        self, desk: Client, alice: User, django_assert_max_num_queries: Any
    ) -> None:
        request = make_request(alice, status="COMPLETED")
        for image in request.images.all():
            request.images.filter(pk=image.pk).update(prompt=f"design {image.index}")
        with django_assert_max_num_queries(15):
            page = page_of(desk, request)
        pictures = page[page.index('class="lumi-pictures"') : page.index('class="lumi-columns"')]
        assert [f'alt="design {number}"' in pictures for number in range(4)] == [True] * 4
        assert re.findall(r'<li class="chosen">\s*<h3>Picture (\d)', pictures) == ["1"]
        for job in ImageGenerationJob.objects.all():
            assert reverse("admin:generation_imagegenerationjob_change", args=[job.pk]) in pictures

    def test_shows_the_model(self, desk: Client, alice: User) -> None:
        job = make_request(alice, status="COMPLETED").model_job
        page = page_of(desk, job.request)
        for address in (
            reverse("admin:gallery_model_glb", args=[job.model_id]),
            reverse("admin:gallery_model_change", args=[job.model_id]),
            reverse("admin:generation_modelgenerationjob_change", args=[job.pk]),
        ):
            assert address in page

    def test_shows_errors_in_the_place_of_pictures(self, desk: Client, alice: User) -> None:
        request = make_request(alice, status="IMAGE_FAILED")
        request.images.filter(index=3).update(status="COMPLETED", key="images/x/y/image-3.png", error_code="")
        page = page_of(desk, request)
        assert page.count('class="lumi-no-picture"') == 3
        assert page.count("<code>UNAVAILABLE</code>") == 3

    def test_of_an_uploaded_picture_has_no_jobs(self, desk: Client, alice: User) -> None:
        request = make_request(alice, status="IMAGE_COMPLETED")
        ImageGenerationJob.objects.all().delete()
        assert page_of(desk, request).count("lumi-no-picture") == 0

    def test_has_one_timeline_of_all_jobs_and_questions(self, desk: Client, alice: User) -> None:
        request = make_request(alice)
        turn_to_the_end()
        ProviderCall.objects.create(
            reference="llm-1", kind="llm", job_id=request.pk, provider="wise", outcome="ACCEPTED"
        )
        page = page_of(desk, request)
        timeline = page[page.index('class="lumi-timeline"') :]
        words = re.findall(r"<strong>(\w+)</strong>", timeline)
        assert words[0] == "REQUESTED"
        assert words.count("COMPLETED") == 4
        assert "ASKED_LLM" in words
        assert [f'lumi-about">picture {number}<' in timeline for number in (1, 2, 3, 4)] == [True] * 4
        times = re.findall(r'<time datetime="([^"]+)"', timeline)
        assert times == sorted(times)
        assert "llm-1" in page

    @pytest.mark.parametrize("status", ["IMAGE_PENDING", "IMAGE_GENERATING", "MODEL_PENDING", "CANCELLED", "FAILED"])
    def test_can_be_read_in_every_state(self, desk: Client, alice: User, status: str) -> None:
        assert status in page_of(desk, make_request(alice, status=status))


class TestVerbs:
    def test_retry_says_what_will_be_paid(self, desk: Client, alice: User, settings: Any, boss: User) -> None:
        settings.PRICES = {"scripted:work": 0.25}
        request = make_request(alice, status="IMAGE_FAILED")
        asked = desk.get(verb_of(request, "retry")).content.decode()
        assert "4 × scripted work: 1.0000 CNY" in asked
        desk.post(verb_of(request, "retry"), {"confirmed": "yes"})
        request.refresh_from_db()
        assert request.status == "IMAGE_PENDING"
        line = AuditEntry.objects.get()
        assert (line.action, line.actor, line.subject_id) == ("retried", f"Boss ({boss.pk})", request.pk)

    def test_retry_of_a_model_that_may_be_paid_twice(self, desk: Client, alice: User) -> None:
        request = make_request(alice, status="MODEL_FAILED")
        ModelGenerationJob.objects.update(error_code="OUTCOME_UNKNOWN")
        assert "This may be paid for twice." in desk.get(verb_of(request, "retry")).content.decode()
        desk.post(verb_of(request, "retry"), {"confirmed": "yes"})
        request.refresh_from_db()
        assert request.status == "MODEL_FAILED"
        desk.post(verb_of(request, "retry"), {"confirmed": "yes", "accept": "on"})
        request.refresh_from_db()
        assert request.status == "MODEL_PENDING"

    def test_cancel(self, desk: Client, alice: User) -> None:
        request = make_request(alice, status="IMAGE_GENERATING")
        assert "Nothing new is ordered" in desk.get(verb_of(request, "cancel")).content.decode()
        desk.post(verb_of(request, "cancel"), {"confirmed": "yes"})
        request.refresh_from_db()
        assert request.status == "CANCELLED"
        assert AuditEntry.objects.get().action == "cancelled"

    def test_cancel_several_from_the_list(self, desk: Client, alice: User) -> None:
        ids = [make_request(alice, status="IMAGE_GENERATING").pk for _ in range(3)]
        chosen = {"action": "cancel", "_selected_action": ids}
        desk.post(reverse(LIST), chosen)
        assert not GenerationRequest.objects.filter(status="CANCELLED").exists()
        desk.post(reverse(LIST), chosen | {"confirmed": "yes"})
        assert GenerationRequest.objects.filter(status="CANCELLED").count() == 3

    @pytest.mark.parametrize(
        ("status", "verbs"),
        [
            ("IMAGE_GENERATING", {"cancel"}),
            ("IMAGE_FAILED", {"retry"}),
            ("MODEL_FAILED", {"retry"}),
            ("COMPLETED", set()),
        ],
    )
    def test_are_offered_where_the_law_allows_them(
        self, desk: Client, alice: User, status: str, verbs: set[str]
    ) -> None:
        request = make_request(alice, status=status)
        page = page_of(desk, request)
        assert {verb for verb in ("cancel", "retry") if f'href="{verb_of(request, verb)}"' in page} == verbs

    @pytest.mark.parametrize("verb", ["cancel", "retry"])
    def test_are_not_for_those_who_may_only_look(self, alice: User, verb: str) -> None:
        request = make_request(alice, status="IMAGE_FAILED")
        person = make_user("viewer@example.com", is_staff=True)
        person.user_permissions.add(Permission.objects.get(codename="view_generationrequest"))
        assert desk_of(person).post(verb_of(request, verb), {"confirmed": "yes"}).status_code == 403
        request.refresh_from_db()
        assert request.status == "IMAGE_FAILED"
