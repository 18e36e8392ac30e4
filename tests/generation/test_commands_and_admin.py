"""`manage.py requeue_jobs`, and the admin's pages and actions."""

from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from generation.models import GenerationRequest, ImageGenerationJob, ModelGenerationJob
from lumi.accounts.models import User
from tests.factories import make_request, make_user

pytestmark = pytest.mark.django_db


def requeue(*args: str) -> str:
    """What the command prints."""
    out = StringIO()
    call_command("requeue_jobs", *args, stdout=out)
    return out.getvalue()


class TestRequeueJobs:
    def test_by_id(self, alice: User) -> None:
        request = make_request(alice, status="MODEL_FAILED")
        job = ModelGenerationJob.objects.get()
        assert "1 of 1 jobs were queued again" in requeue(job.id, "--yes")
        request.refresh_from_db()
        assert request.status == "MODEL_PENDING"

    def test_by_error_code_of_one_kind(self, alice: User) -> None:
        make_request(alice, status="MODEL_FAILED")
        make_request(alice, status="IMAGE_FAILED")
        assert "4 of 4" in requeue("--all", "--kind", "image", "--yes")
        assert ModelGenerationJob.objects.get().status == "FAILED"
        assert "1 of 1" in requeue("--error", "UNAVAILABLE", "--yes")

    @pytest.mark.parametrize("answer", ["n", "", "perhaps"])
    def test_asks_before_it_may_cost_money(self, alice: User, monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
        make_request(alice, status="MODEL_FAILED")
        monkeypatch.setattr("sys.stdin", StringIO(f"{answer}\n"))
        with pytest.raises(CommandError, match="Nothing was changed"):
            requeue("--all")
        assert ModelGenerationJob.objects.get().status == "FAILED"

    def test_goes_on_after_a_yes(self, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
        make_request(alice, status="MODEL_FAILED")
        monkeypatch.setattr("sys.stdin", StringIO("y\n"))
        requeue("--all")
        assert ModelGenerationJob.objects.get().status == "PENDING"

    def test_mistakes_are_said(self, alice: User) -> None:
        make_request(alice, status="MODEL_PENDING")
        running = ModelGenerationJob.objects.get().id
        for arguments, said in (
            ((), "Name job ids"),
            (("nonsense", "--yes"), "nonsense"),
            ((running, "--yes"), running),
        ):
            with pytest.raises(CommandError, match=said):
                requeue(*arguments)
        assert "No failed job matches" in requeue("--error", "TIMEOUT", "--yes")


@pytest.fixture
def staff(db: None) -> Client:
    """A superuser in a browser."""
    client = Client()
    client.force_login(make_user("staff@example.com", is_staff=True, is_superuser=True))
    return client


class TestAdmin:
    @pytest.mark.parametrize(
        "table", ["generationrequest", "generatedimage", "imagegenerationjob", "modelgenerationjob", "providergate"]
    )
    def test_lists_can_be_searched_and_cost_the_same_for_many_rows(
        self, staff: Client, alice: User, table: str, django_assert_max_num_queries: Any
    ) -> None:
        for _ in range(4):
            make_request(alice, status="COMPLETED")
        with django_assert_max_num_queries(18):
            response = staff.get(
                reverse(f"admin:generation_{table}_changelist"), {"q": "cat"} if table != "providergate" else {}
            )
        assert response.status_code == 200

    def test_a_request_shows_its_pictures_and_cannot_be_changed(self, staff: Client, alice: User) -> None:
        request = make_request(alice, status="COMPLETED")
        page = staff.get(reverse("admin:generation_generationrequest_change", args=[request.id])).content.decode()
        assert page.count('<img src="/files/~') == 4
        assert page.count('class="chosen"') == 1
        assert 'name="_save"' not in page

    def test_requeue(self, staff: Client, alice: User) -> None:
        make_request(alice, status="IMAGE_FAILED")
        ids = list(ImageGenerationJob.objects.values_list("pk", flat=True))[:2]
        address = reverse("admin:generation_imagegenerationjob_changelist")
        response = staff.post(address, {"action": "requeue", "_selected_action": ids, "confirmed": "yes"}, follow=True)
        assert response.status_code == 200
        assert GenerationRequest.objects.get().status == "IMAGE_PENDING"
        assert ImageGenerationJob.objects.filter(status="PENDING").count() == 2

    def test_requeue_is_not_for_those_who_may_only_look(self, alice: User) -> None:
        make_request(alice, status="IMAGE_FAILED")
        viewer = make_user("viewer@example.com", is_staff=True)
        viewer.user_permissions.add(Permission.objects.get(codename="view_imagegenerationjob"))
        client = Client()
        client.force_login(viewer)
        ids = list(ImageGenerationJob.objects.values_list("pk", flat=True))
        client.post(
            reverse("admin:generation_imagegenerationjob_changelist"),
            {"action": "requeue", "_selected_action": ids, "confirmed": "yes"},
        )
        assert GenerationRequest.objects.get().status == "IMAGE_FAILED"
