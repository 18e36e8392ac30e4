"""The admin's pages of history, journal, breakers, pauses and doomed files; and who did what."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from gallery import moderation
from generation.models import Breaker, GenerationRequest, ImageGenerationJob, JobEvent, ProviderCall, QueuePause
from lumi import clock
from lumi.accounts.models import User
from lumi.models import AuditEntry, DoomedFile
from lumi.process import acting_as
from tests.factories import make_request, make_user
from tests.generation.conftest import turn_to_the_end

pytestmark = pytest.mark.django_db
TABLES = ["generation_jobevent", "generation_providercall", "generation_breaker", "generation_queuepause"]
READ_ONLY = ["generation_jobevent", "generation_providercall", "generation_breaker", "lumi_doomedfile"]


@pytest.fixture
def boss(db: None) -> User:
    """May do everything."""
    return make_user("boss@example.com", name="Boss", is_staff=True, is_superuser=True)


@pytest.fixture
def desk(boss: User) -> Client:
    """Boss in a browser, speaking English."""
    client = Client(headers={"accept-language": "en"})
    client.force_login(boss)
    return client


@pytest.fixture
def rows(alice: User) -> str:
    """Some of everything; the id of a job."""
    for _ in range(3):
        make_request(alice)
    turn_to_the_end()
    for number in range(4):
        Breaker.objects.create(kind="image", provider=f"p{number}", operation="submit", open_until=clock.now())
        DoomedFile.objects.create(key=f"images/{number}", after=clock.now() + timedelta(hours=1))
    for kind in ("image", "model"):
        QueuePause.objects.create(kind=kind, paused_by="Boss")
    return ImageGenerationJob.objects.earliest("pk").pk


class TestLists:
    @pytest.mark.parametrize("table", [*TABLES, "lumi_doomedfile"])
    def test_cost_the_same_for_many_rows(
        self, desk: Client, rows: str, table: str, django_assert_max_num_queries: Any
    ) -> None:
        with django_assert_max_num_queries(12):
            response = desk.get(reverse(f"admin:{table}_changelist"))
        assert response.status_code == 200
        assert response.context["cl"].result_count > 1

    @pytest.mark.parametrize("table", ["generation_jobevent", "generation_providercall"])
    def test_are_found_by_job(self, desk: Client, rows: str, table: str) -> None:
        found = desk.get(reverse(f"admin:{table}_changelist"), {"q": rows}).context["cl"].result_list
        assert {row.job_id for row in found} == {rows}

    @pytest.mark.parametrize("table", READ_ONLY)
    def test_are_only_read(self, desk: Client, rows: str, table: str) -> None:
        assert desk.get(reverse(f"admin:{table}_add")).status_code == 403
        row = desk.get(reverse(f"admin:{table}_changelist")).context["cl"].result_list[0]
        assert desk.get(reverse(f"admin:{table}_delete", args=[row.pk])).status_code == 403
        page = desk.get(reverse(f"admin:{table}_change", args=[row.pk]))
        assert page.status_code == 200
        assert 'name="_save"' not in page.content.decode()


class TestAJob:
    def test_shows_its_history_and_its_calls(self, desk: Client, rows: str, django_assert_max_num_queries: Any) -> None:
        JobEvent.objects.create(kind="image", job_id=rows, event="LATEST", detail={"error": "<b>x</b>"}, actor="Olga")
        with django_assert_max_num_queries(16):
            page = desk.get(reverse("admin:generation_imagegenerationjob_change", args=[rows])).content.decode()
        assert page.index("SUBMITTING") < page.index("LATEST")
        assert "&lt;b&gt;x" in page
        assert "Olga" in page
        call = ProviderCall.objects.get(job_id=rows)
        assert call.reference in page
        assert call.provider_job_id in page

    def test_without_any(self, desk: Client, alice: User) -> None:
        make_request(alice)
        job = ImageGenerationJob.objects.earliest("pk")
        assert desk.get(reverse("admin:generation_imagegenerationjob_change", args=[job.pk])).status_code == 200

    def test_requeue_is_written_down_with_who_did_it_and_no_address(
        self, desk: Client, boss: User, alice: User
    ) -> None:
        make_request(alice, status="IMAGE_FAILED")
        ids = list(ImageGenerationJob.objects.values_list("pk", flat=True))
        address = reverse("admin:generation_imagegenerationjob_changelist")
        desk.post(address, {"action": "requeue", "_selected_action": ids, "confirmed": "yes"})
        actors = set(JobEvent.objects.filter(job_id__in=ids).values_list("actor", flat=True))
        assert actors == {f"Boss ({boss.pk})"}

    def test_so_is_the_removal_of_a_model(self, boss: User, alice: User) -> None:
        request = make_request(alice, status="MODEL_PENDING")
        job = request.model_job
        with acting_as(f"Boss ({boss.pk})"):
            moderation.remove(model_id=job.model_id, reason="not printable", by=boss)
        assert GenerationRequest.objects.get().status == "CANCELLED"
        assert JobEvent.objects.get(job_id=job.pk, event="CANCELLED").actor == f"Boss ({boss.pk})"


class TestPauses:
    def test_stop_a_queue_and_let_it_go_on(self, desk: Client, boss: User) -> None:
        assert desk.post(reverse("admin:generation_queuepause_add"), {"kind": "model"}).status_code == 302
        pause = QueuePause.objects.get()
        assert (pause.kind, pause.paused_by) == ("model", f"Boss ({boss.pk})")
        page = desk.get(reverse("admin:generation_queuepause_change", args=["model"])).content.decode()
        assert 'name="_save"' not in page
        desk.post(reverse("admin:generation_queuepause_delete", args=["model"]), {"post": "yes"})
        assert not QueuePause.objects.exists()
        trail = [(line.action, line.subject_id, line.actor) for line in AuditEntry.objects.order_by("number")]
        assert trail == [(action, "model", f"Boss ({boss.pk})") for action in ("paused", "resumed")]

    def test_several_go_on_at_once(self, desk: Client) -> None:
        for kind in ("image", "model"):
            QueuePause.objects.create(kind=kind, paused_by="Boss")
        chosen = {"action": "delete_selected", "_selected_action": ["image", "model"], "post": "yes"}
        desk.post(reverse("admin:generation_queuepause_changelist"), chosen)
        assert not QueuePause.objects.exists()
        assert AuditEntry.objects.filter(action="resumed").count() == 2

    @pytest.mark.parametrize("kind", ["nonsense", "", "image"])
    def test_bad_input(self, desk: Client, kind: str) -> None:
        QueuePause.objects.create(kind="image", paused_by="Boss")
        assert desk.post(reverse("admin:generation_queuepause_add"), {"kind": kind}).status_code == 200
        assert QueuePause.objects.count() == 1

    @pytest.mark.parametrize(("may", "expected"), [("add_queuepause", False), ("operate_jobs", True)])
    def test_need_the_one_permission_of_operators(self, may: str, expected: bool) -> None:
        person = make_user("viewer@example.com", is_staff=True)
        person.user_permissions.add(Permission.objects.get(codename=may))
        client = Client()
        client.force_login(person)
        client.post(reverse("admin:generation_queuepause_add"), {"kind": "image"})
        assert QueuePause.objects.exists() is expected
