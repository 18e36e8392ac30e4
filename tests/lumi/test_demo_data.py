"""`manage.py create_demo_data`: an invented gallery that keeps every law of a real one, and away with it."""

from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.conf import settings as django_settings
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.utils import timezone
from django.utils.module_loading import import_string
from rest_framework.test import APIClient

from gallery.models import Appeal, Decision, Model, Report
from generation.models import (
    GeneratedImage,
    GenerationRequest,
    ImageGenerationJob,
    JobEvent,
    ModelGenerationJob,
    ProviderCall,
)
from generation.states import STATUSES_OF, JobStatus, Stage
from interactions.actions import toggle
from interactions.models import Kind, ModelInteraction
from lumi.accounts.models import Strike, User
from lumi.demo import DOMAIN
from lumi.models import AuditEntry, DoomedFile
from tests.factories import make_model, make_user

pytestmark = pytest.mark.django_db

MODELS, PEOPLE, JOBS = 120, 60, 320
KEPT = {"auth_group", "auth_permission", "django_content_type", "audit_entries", "audit_head"}
WITH_FILES = 3  # a seed whose one request leads to a model that is shown


def fill(**options: Any) -> None:
    """Rows without files, unless told otherwise."""
    numbers = {"models": MODELS, "people": PEOPLE, "jobs": JOBS, "reports": 40, "pictures": 0, "seed": 1}
    call_command("create_demo_data", **(numbers | options))


def story() -> list[Any]:
    """What is the same whenever it is invented: words, names, states, numbers."""
    return [
        list(User.objects.order_by("pk").values_list("email", "name", "language")),
        list(GenerationRequest.objects.order_by("pk").values_list("prompt", "status", "error_code")),
        list(ImageGenerationJob.objects.order_by("pk").values_list("status", "provider", "duration_ms")),
        list(Model.objects.order_by("pk").values_list("name", "moderation", "view_count", "like_count")),
        sorted(Report.objects.values_list("reason", "text", "state")),
    ]


# --- What is there ----------------------------------------------------------------------------------------------------


def test_there_is_as_much_as_was_asked_for() -> None:
    fill()
    assert Model.objects.count() == MODELS
    assert User.objects.filter(email__endswith=f"@{DOMAIN}").count() == PEOPLE
    assert ImageGenerationJob.objects.count() == GeneratedImage.objects.count() == JOBS
    assert GenerationRequest.objects.count() == JOBS / 4


def test_there_is_something_of_everything_that_staff_look_at() -> None:
    fill(models=900, jobs=2400, reports=60)
    assert {JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.TIMEOUT} <= set(
        ImageGenerationJob.objects.values_list("status", flat=True)
    )
    assert ModelGenerationJob.objects.filter(error_code="OUTCOME_UNKNOWN").exists()
    assert ImageGenerationJob.objects.exclude(stage=Stage.ENDED).exists()
    assert set(Model.objects.values_list("moderation", flat=True)) == {"VISIBLE", "HIDDEN", "SUSPENDED"}
    assert set(Report.objects.values_list("state", flat=True)) == {"OPEN", "UPHELD", "DISMISSED"}
    for table in (Decision, Appeal, Strike, ModelInteraction, JobEvent, ProviderCall):
        assert table._default_manager.exists()
    assert ProviderCall.objects.filter(cost__gt=0).exists()
    assert User.objects.exclude(suspended_at=None).exists()


def test_time_has_passed() -> None:
    fill()
    now = timezone.now()
    for table in (GenerationRequest, Model, ImageGenerationJob):
        moments = table._default_manager.values_list("created_at", flat=True)
        assert min(moments) < now - timedelta(days=60)
        assert max(moments) > now - timedelta(hours=1)
    assert ImageGenerationJob.objects.filter(ended_at__gt=now - timedelta(hours=1)).exists()
    assert not ImageGenerationJob.objects.filter(ended_at__gt=timezone.now()).exists()


@pytest.mark.parametrize(
    "table", [User, GenerationRequest, ImageGenerationJob, Model, ModelGenerationJob, ModelInteraction, Report]
)
def test_ids_are_as_old_as_their_rows(table: Any) -> None:
    fill()
    field = "created_at"
    for pk, moment in table._default_manager.values_list("pk", field):
        assert int(pk.replace("-", "")[:12], 16) == int(moment.timestamp() * 1000)
        assert pk[14] == "7"


def test_every_job_is_in_a_state_that_the_law_knows() -> None:
    fill()
    for table in (ImageGenerationJob, ModelGenerationJob):
        for job in table._default_manager.all():
            assert job.status in STATUSES_OF[Stage(job.stage)]
            assert (job.ended_at is not None) == job.has_ended
            assert bool(job.error_code) == (job.status in ("FAILED", "TIMEOUT") or job.stage == Stage.UNKNOWN)


def test_a_finished_request_has_four_pictures_and_a_model_of_its_owners() -> None:
    fill()
    for job in ModelGenerationJob.objects.select_related("request", "model", "source_image").filter(status="COMPLETED"):
        assert job.request.status == "COMPLETED"
        assert job.request.images.count() == 4
        assert job.source_image.index == job.request.selected_image_index
        assert job.source_image.status == "COMPLETED"
        assert job.model.owner_id == job.request.owner_id == job.owner_id
        assert job.request.created_at < job.created_at < job.ended_at == job.model.completed_at


def test_what_was_paid_bears_the_name_of_its_job() -> None:
    fill()
    for job in ModelGenerationJob.objects.exclude(provider=""):
        assert ProviderCall.objects.get(reference=job.reference).owner_id == job.owner_id


def test_the_counters_are_proven() -> None:
    fill()
    pages = [page for slot in django_settings.RECOUNTS for page in import_string(slot)(mend=False)]
    assert Model.objects.filter(like_count__gt=0).exists()
    assert Model.objects.filter(open_reports__gt=0).exists()
    assert [difference for page in pages for difference in page.differences] == []


def test_nobody_invented_can_sign_in() -> None:
    fill()
    assert not any(user.has_usable_password() for user in User.objects.all())


def test_work_waits_only_where_nobody_is_paid_for_it(settings: Any) -> None:
    settings.MODEL_PROVIDERS = ["offline", "meshy"]
    fill(models=900, jobs=2400)
    assert not ImageGenerationJob.objects.filter(stage=Stage.WAITING).exists()
    assert not ModelGenerationJob.objects.filter(stage=Stage.WAITING).exists()
    assert ImageGenerationJob.objects.filter(stage=Stage.POLLING).exists()


# --- Again, and elsewhere ---------------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_gallery() -> None:
    fill()
    first = story()
    call_command("create_demo_data", remove=True)
    fill()
    assert story() == first


def test_another_seed_adds_another_gallery() -> None:
    fill()
    fill(seed=2)
    assert Model.objects.count() == 2 * MODELS
    assert User.objects.count() == 2 * PEOPLE
    prompts = Counter(GenerationRequest.objects.values_list("prompt", flat=True))
    assert len(prompts) > JOBS / 4 * 1.5


def test_a_seed_is_used_once() -> None:
    fill()
    with pytest.raises(CommandError, match="seed 1 was used"):
        fill()
    assert Model.objects.count() == MODELS


def test_it_does_not_mix_with_real_people_unless_told_to(alice: User) -> None:
    with pytest.raises(CommandError, match="Real people"):
        fill()
    assert list(User.objects.all()) == [alice]
    fill(force=True)
    assert Model.objects.count() == MODELS


def test_staff_are_no_hindrance() -> None:
    User.objects.create_superuser("staff@example.com")
    fill()
    assert Model.objects.count() == MODELS


@pytest.mark.parametrize(
    ("option", "value"), [("models", "-1"), ("people", "many"), ("unpublished", "1.5"), ("unpublished", "nan")]
)
def test_what_is_no_number_is_refused(option: str, value: str) -> None:
    with pytest.raises(CommandError, match=value):
        call_command("create_demo_data", f"--{option}={value}")
    assert not User.objects.exists()


@pytest.mark.parametrize("numbers", [{"models": 0, "jobs": 0}, {"models": 1, "people": 1, "jobs": 0}, {"people": 0}])
def test_very_little_is_possible(numbers: dict[str, int]) -> None:
    fill(**numbers)
    assert Model.objects.count() == numbers.get("models", MODELS)


# --- Away with it -----------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_everything_goes() -> None:
    fill()
    call_command("create_demo_data", remove=True)
    left = {table._meta.db_table for table in apps.get_models() if table._base_manager.exists()}
    assert left <= KEPT
    assert list(AuditEntry.objects.values_list("action", flat=True)) == ["created demo data", "removed demo data"]


def test_what_is_real_stays(alice: User) -> None:
    model = make_model(alice, public=True)
    toggle(user=make_user(), model_id=model.pk, kind=Kind.LIKE)
    fill(force=True)
    toggle(user=User.objects.filter(email__startswith="1-").latest("pk"), model_id=model.pk, kind=Kind.LIKE)
    call_command("create_demo_data", remove=True)
    model.refresh_from_db()
    assert model.like_count == ModelInteraction.objects.filter(model=model).count() == 1
    assert User.objects.count() == 2


# --- Files ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def pictured() -> list[str]:
    """One request and its model, with files; all keys that rows hold."""
    fill(models=1, jobs=4, people=1, pictures=1, seed=WITH_FILES)
    model = Model.objects.get()
    return [image.key for image in GeneratedImage.objects.all() if image.key] + [file["key"] for file in model.files]


@pytest.mark.django_db(transaction=True)
def test_the_newest_have_real_files_of_their_own_which_go_with_them(pictured: list[str], media: Path) -> None:
    model = Model.objects.get()
    assert {file["role"] for file in model.files} == {"obj", "mtl", "texture", "glb", "stl", "preview"}
    assert [key.startswith("public/") for key in pictured] == [False] * 4 + [True] * 6
    assert all(default_storage.size(key) > 100 for key in pictured)
    assert {path.relative_to(media).as_posix() for path in media.rglob("*") if path.is_file()} == set(pictured)
    assert not DoomedFile.objects.exists()
    call_command("create_demo_data", remove=True)
    assert not any(path.is_file() for path in media.rglob("*"))


def test_a_model_without_files_is_shown_without_addresses() -> None:
    fill()
    shown = APIClient().get("/api/models/public?limit=5").json()["data"]
    assert len(shown) == 5
    for model in shown:
        assert {model[name] for name in ("modelUrl", "mtlUrl", "textureUrl", "previewImageUrl")} == {None}
        assert model["format"] in ("OBJ", "STL", "GLB")
    assert APIClient().post(f"/api/models/{shown[0]['id']}/download").status_code == 404
