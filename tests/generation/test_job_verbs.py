"""What staff do to jobs: with a confirmation that says what will be paid, and a line of the audit trail."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from generation import journal, operators
from generation.models import GenerationRequest, ImageGenerationJob, ModelGenerationJob, ProviderCall
from lumi import clock
from lumi.accounts.models import User
from lumi.models import AuditEntry
from tests.factories import make_request, make_user
from tests.generation.desk import IMAGES, LOST, MODELS, VERBS, desk_of, lose, operator, page_of, verb_of
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


@pytest.fixture
def lost(alice: User, builder: Vendor) -> ModelGenerationJob:
    """See `lose`."""
    return lose(alice, builder)


class TestVerbs:
    """Each is asked for, then done by POST as this person, with a line of the audit trail."""

    def test_requeue_says_what_will_be_paid(self, desk: Client, alice: User, settings: Any, boss: User) -> None:
        settings.PRICES = {"scripted:work": 0.25}
        job = make_request(alice, status="MODEL_FAILED").model_job
        asked = desk.get(verb_of(job, "requeue")).content.decode()
        assert "1 × scripted work: 0.2500 CNY" in asked
        assert "paid for twice" not in asked
        assert ModelGenerationJob.objects.get().status == "FAILED"
        done = desk.post(verb_of(job, "requeue"), {"confirmed": "yes"})
        assert done.url == reverse(f"admin:{MODELS}_change", args=[job.pk])
        assert ModelGenerationJob.objects.get().status == "PENDING"
        line = AuditEntry.objects.get()
        assert (line.action, line.actor, line.subject_id) == ("requeued", f"Boss ({boss.pk})", job.pk)
        assert (line.before["status"], line.after["status"]) == ("FAILED", "PENDING")

    def test_requeue_costs_nothing_where_the_order_is_there(self, desk: Client, alice: User, settings: Any) -> None:
        settings.PRICES = {"scripted:work": 0.25}
        job = make_request(alice, status="MODEL_FAILED").model_job
        ModelGenerationJob.objects.update(error_code="TIMEOUT", provider="scripted", provider_job_id="job-1")
        assert "it is paid for already" in desk.get(verb_of(job, "requeue")).content.decode()

    def test_a_second_payment_takes_a_word_of_its_own(self, desk: Client, lost: ModelGenerationJob) -> None:
        asked = desk.get(verb_of(lost, "requeue")).content.decode()
        assert "This may be paid for twice." in asked
        assert desk.post(verb_of(lost, "requeue"), {"confirmed": "yes"}).status_code == 200
        assert ModelGenerationJob.objects.get().status == "FAILED"
        assert not AuditEntry.objects.exists()
        desk.post(verb_of(lost, "requeue"), {"confirmed": "yes", "accept": "on"})
        assert ModelGenerationJob.objects.get().status == "PENDING"

    def test_fail_takes_a_reason(self, desk: Client, alice: User) -> None:
        job = make_request(alice, status="MODEL_PENDING").model_job
        for reason in ("", "  ", "x" * 501):
            assert desk.post(verb_of(job, "fail"), {"confirmed": "yes", "reason": reason}).status_code == 200
        assert ModelGenerationJob.objects.get().status == "PENDING"
        desk.post(verb_of(job, "fail"), {"confirmed": "yes", "reason": "stuck"})
        job.refresh_from_db()
        assert (job.status, job.error_code, job.error_text) == ("FAILED", "FAILED_BY_OPERATOR", "stuck")
        line = AuditEntry.objects.get()
        assert (line.action, line.reason) == ("failed", "stuck")

    def test_cancel_is_of_the_whole_request(self, desk: Client, alice: User) -> None:
        request = make_request(alice, status="MODEL_PENDING")
        desk.post(verb_of(request.model_job, "cancel"), {"confirmed": "yes"})
        request.refresh_from_db()
        assert request.status == "CANCELLED"
        line = AuditEntry.objects.get()
        assert (line.action, line.subject_type, line.subject_id) == ("cancelled", "generationrequest", request.pk)

    def test_adopt(self, desk: Client, lost: ModelGenerationJob) -> None:
        assert desk.post(verb_of(lost, "adopt"), {"confirmed": "yes", "provider_job_id": ""}).status_code == 200
        desk.post(verb_of(lost, "adopt"), {"confirmed": "yes", "provider_job_id": "vendor-7"})
        lost.refresh_from_db()
        assert (lost.stage, lost.provider_job_id) == ("STORING", "vendor-7")

    @pytest.mark.parametrize("verb", VERBS)
    def test_what_is_refused_is_said(self, desk: Client, alice: User, verb: str) -> None:
        job = make_request(alice, status="COMPLETED").model_job
        told = {"confirmed": "yes", "reason": "x", "provider_job_id": "x"}
        page = desk.post(verb_of(job, verb), told, follow=True).content.decode()
        assert '<li class="error">' in page
        assert not AuditEntry.objects.exists()

    @pytest.mark.parametrize("verb", ["explode", "REQUEUE"])
    def test_others_there_are_none(self, desk: Client, alice: User, verb: str) -> None:
        assert desk.get(verb_of(make_request(alice, status="COMPLETED").model_job, verb)).status_code == 404

    def test_of_a_job_that_is_gone(self, desk: Client) -> None:
        address = reverse(f"admin:{MODELS}_do", args=["nobody", "requeue"])
        assert desk.post(address, {"confirmed": "yes"}).url == reverse(f"admin:{MODELS}_changelist")

    def test_need_a_token_against_forgery(self, boss: User, alice: User) -> None:
        job = make_request(alice, status="MODEL_FAILED").model_job
        client = Client(enforce_csrf_checks=True)
        client.force_login(boss)
        assert client.post(verb_of(job, "requeue"), {"confirmed": "yes"}).status_code == 403
        assert ModelGenerationJob.objects.get().status == "FAILED"


class TestActionsOfTheList:
    def act(self, desk: Client, table: str, action: str, jobs: list[Any], **told: str) -> Any:
        """Choose and go."""
        chosen = {"action": action, "_selected_action": [job.pk for job in jobs]}
        return desk.post(reverse(f"admin:{table}_changelist"), chosen | told, follow=True)

    def test_ask_first_and_say_the_sum(
        self, desk: Client, alice: User, settings: Any, django_assert_max_num_queries: Any
    ) -> None:
        settings.PRICES = {"scripted:work": 0.25}
        for _ in range(3):
            make_request(alice, status="IMAGE_FAILED")
        jobs = list(ImageGenerationJob.objects.all())
        with django_assert_max_num_queries(15):
            page = self.act(desk, IMAGES, "requeue", jobs).content.decode()
        assert "3.0000 CNY" in page
        assert page.count('name="_selected_action"') == 12
        assert not ImageGenerationJob.objects.filter(status="PENDING").exists()
        page = self.act(desk, IMAGES, "requeue", jobs, confirmed="yes").content.decode()
        assert "12 were done" in page
        assert ImageGenerationJob.objects.filter(status="PENDING").count() == 12

    def test_cancel_each_request_once(self, desk: Client, alice: User) -> None:
        make_request(alice, status="IMAGE_GENERATING")
        page = self.act(desk, IMAGES, "cancel", list(ImageGenerationJob.objects.all()), confirmed="yes")
        assert '<li class="error">' not in page.content.decode()
        assert AuditEntry.objects.count() == 1
        assert GenerationRequest.objects.get().status == "CANCELLED"

    def test_fail_several_with_one_reason(self, desk: Client, alice: User) -> None:
        make_request(alice, status="IMAGE_GENERATING")
        jobs = list(ImageGenerationJob.objects.all()[:2])
        self.act(desk, IMAGES, "fail", jobs, confirmed="yes", reason="stuck")
        assert ImageGenerationJob.objects.filter(status="FAILED").count() == 2

    def test_one_that_is_refused_stops_no_other(self, desk: Client, alice: User) -> None:
        make_request(alice, status="IMAGE_FAILED")
        ImageGenerationJob.objects.filter(image__index=0).update(status="COMPLETED")
        page = self.act(desk, IMAGES, "requeue", list(ImageGenerationJob.objects.all()), confirmed="yes")
        assert page.content.decode().count('<li class="error">') == 1
        assert ImageGenerationJob.objects.filter(status="PENDING").count() == 3

    def test_not_too_many_at_once(self, desk: Client, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("generation.admin.desks.MOST_AT_ONCE", 3)
        make_request(alice, status="IMAGE_FAILED")
        page = self.act(desk, IMAGES, "requeue", list(ImageGenerationJob.objects.all()), confirmed="yes")
        assert "At most 3" in page.content.decode()
        assert not ImageGenerationJob.objects.filter(status="PENDING").exists()


class TestWhoMayAct:
    @pytest.mark.parametrize("kind", ["image", "model"])
    @pytest.mark.parametrize("verb", VERBS)
    def test_one_permission_for_both_kinds(self, alice: User, kind: str, verb: str) -> None:
        request = make_request(alice, status="MODEL_FAILED")
        job = ImageGenerationJob.objects.earliest("pk") if kind == "image" else request.model_job
        view = f"view_{kind}generationjob"
        assert operator(view, "operate_jobs").get(verb_of(job, verb)).status_code == 200

    @pytest.mark.parametrize(
        "permissions",
        [
            ("view_modelgenerationjob", "change_modelgenerationjob"),
            ("operate_jobs",),
            ("operate_jobs", "view_imagegenerationjob"),
        ],
    )
    @pytest.mark.parametrize("verb", VERBS)
    def test_nobody_else(self, alice: User, permissions: tuple[str, ...], verb: str) -> None:
        job = make_request(alice, status="MODEL_FAILED").model_job
        told = {"confirmed": "yes", "reason": "x", "provider_job_id": "x"}
        assert operator(*permissions).post(verb_of(job, verb), told).status_code == 403
        assert ModelGenerationJob.objects.get().status == "FAILED"
        assert not AuditEntry.objects.exists()

    def test_who_only_looks_sees_no_buttons(self, alice: User) -> None:
        job = make_request(alice, status="MODEL_FAILED").model_job
        page = page_of(operator("view_modelgenerationjob"), job)
        assert "lumi-verbs" not in page

    def test_who_may_not_look_does_not(self, alice: User) -> None:
        job = make_request(alice, status="MODEL_FAILED").model_job
        client = operator("view_imagegenerationjob")
        assert client.get(reverse(f"admin:{MODELS}_change", args=[job.pk])).status_code == 403
        assert client.get(reverse(f"admin:{MODELS}_changelist")).status_code == 403


class TestWhatWouldBePaid:
    @pytest.mark.parametrize(
        ("stand", "call", "expected"),
        [
            ({"error_code": "UNAVAILABLE"}, {"outcome": "REFUSED"}, (False, "0.25")),
            ({"error_code": "OUTCOME_UNKNOWN"}, {"outcome": "UNKNOWN"}, (True, "0.25")),
            ({"error_code": "OUTCOME_UNKNOWN"}, {"outcome": ""}, (True, "0.25")),
            ({"error_code": "FAILED_BY_OPERATOR"}, {"outcome": "UNKNOWN"}, (True, "0.25")),
            ({"error_code": "TIMEOUT", "provider_job_id": "x"}, {"outcome": "ACCEPTED"}, None),
            ({"error_code": "NOT_STORED", "results": [{"role": "obj", "url": "x"}]}, {"outcome": "ACCEPTED"}, None),
            ({"error_code": "OUTCOME_UNKNOWN"}, {"outcome": "ACCEPTED", "provider_job_id": "x"}, None),
            ({"error_code": "JOB_FAILED", "provider_job_id": "x"}, {"outcome": "ACCEPTED"}, (False, "0.25")),
        ],
    )
    def test_is_what_a_retry_does(self, alice: User, settings: Any, stand: Any, call: Any, expected: Any) -> None:
        settings.PRICES = {"scripted:work": 0.25}
        job = make_request(alice, status="MODEL_FAILED").model_job
        ModelGenerationJob.objects.update(provider="scripted", **stand)
        taken = {"state": "RUNNING", "ref": "x", "progress": 0, "files": [], "error": None}
        answers = {"ACCEPTED": taken, "UNKNOWN": journal.error_as_json(LOST), "REFUSED": journal.error_as_json(LOST)}
        ProviderCall.objects.create(
            reference=job.reference, kind="model", job_id=job.pk, provider="scripted",
            answered_at=clock.now() if call["outcome"] else None, answer=answers.get(call["outcome"], {}), **call,
        )  # fmt: skip
        job = ModelGenerationJob.objects.with_context().get()
        (order,) = operators.new_orders([job])
        assert (order and (order.is_second, f"{order.cost:.2f}")) == expected
        operators.requeue(job)
        assert (ModelGenerationJob.objects.get().stage == "WAITING") == (expected is not None)
