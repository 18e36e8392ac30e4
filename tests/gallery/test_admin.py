"""The desk for staff."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.core.files.storage import default_storage

from gallery.models import Model
from interactions.actions import toggle
from interactions.models import Kind, ModelInteraction
from lumi.accounts.models import User
from tests.factories import make_model, make_user
from tests.gallery import slots

LIST = "/admin/gallery/model/"


@pytest.fixture
def staff(client, db):
    client.force_login(User.objects.create_superuser("staff@example.com", "secret-42"))
    return client


@pytest.fixture
def reader(client, db):
    person = make_user(is_staff=True)
    person.user_permissions.add(Permission.objects.get(codename="view_model", content_type__app_label="gallery"))
    client.force_login(person)
    return client


def act(client, action, models, **more):
    return client.post(
        LIST, {"action": action, "_selected_action": [model.pk for model in models], **more}, follow=True
    )


@pytest.mark.parametrize("rows", [1, 12])
def test_the_list_costs_the_same_however_long(staff, rows, django_assert_num_queries):
    models = [make_model(make_user(), public=True) for _ in range(rows)]
    with django_assert_num_queries(4):  # session, person, count, rows
        page = staff.get(LIST)
    assert page.status_code == 200
    assert all(model.name in page.content.decode() for model in models)
    assert page.content.count(b"cat-preview.png") == rows


@pytest.mark.parametrize("question", ["id", "name", "e-mail"])
def test_models_are_found_by(staff, question):
    found, other = make_model(make_user("seller@example.com")), make_model(make_user())
    words = {"id": found.pk, "name": found.name, "e-mail": "seller@"}[question]
    page = staff.get(LIST, {"q": words}).content.decode()
    assert found.pk in page
    assert other.pk not in page


@pytest.mark.parametrize(
    "query", ["visibility__exact=PUBLIC", "moderation__exact=HIDDEN", "source__exact=USER_UPLOADED"]
)
def test_models_are_filtered(staff, query):
    wanted = make_model(make_user(), public=True, moderation="HIDDEN", source="USER_UPLOADED")
    other = make_model(make_user())
    page = staff.get(f"{LIST}?{query}").content.decode()
    assert wanted.pk in page
    assert other.pk not in page


def test_hiding_and_restoring_is_done_and_written_down(staff):
    model, other = make_model(make_user(), public=True), make_model(make_user(), public=True)
    assert b"1 " in act(staff, "hide", [model]).content
    assert set(Model.objects.in_gallery()) == {other}
    act(staff, "restore", [model])
    assert set(Model.objects.in_gallery()) == {model, other}
    entries = LogEntry.objects.order_by("pk").values_list("object_id", "change_message", "user__email")
    assert list(entries) == [(model.pk, "HIDDEN", "staff@example.com"), (model.pk, "VISIBLE", "staff@example.com")]


def test_whoever_may_only_look_can_not_hide(reader):
    model = make_model(make_user(), public=True)
    act(reader, "hide", [model])
    assert Model.objects.get().moderation == "VISIBLE"
    assert b'value="hide"' not in reader.get(LIST).content


def test_one_model_shows_what_generation_knows_and_changes_nothing(staff):
    model = make_model(make_user())
    job = {"id": "the-job", "status": "RUNNING", "progress": 40}
    slots.known[model.pk] = {"requestId": "the-request", "generationJob": job}
    page = staff.get(f"{LIST}{model.pk}/change/").content.decode()
    assert "the-request" in page
    assert "RUNNING 40 % (the-job)" in page
    assert default_storage.url(model.key("glb")) in page
    assert staff.post(f"{LIST}{model.pk}/change/", {"name": "x"}).status_code == 403
    assert staff.get(f"{LIST}add/").status_code == 403


def test_an_unfinished_model_is_shown_too(staff):
    model = make_model(make_user(), finished=False)
    assert staff.get(f"{LIST}{model.pk}/change/").status_code == 200


@pytest.mark.parametrize("way", ["one", "many"])
def test_throwing_away_takes_the_files_and_the_likes_along(staff, way, bob, django_capture_on_commit_callbacks):
    model, other = make_model(make_user(), public=True), make_model(make_user())
    toggle(user=bob, model_id=model.pk, kind=Kind.LIKE)
    with django_capture_on_commit_callbacks(execute=True):
        if way == "one":
            staff.post(f"{LIST}{model.pk}/delete/", {"post": "yes"})
        else:
            act(staff, "delete_selected", [model], post="yes")
    assert list(Model.objects.all()) == [other]
    assert slots.released == [model.pk]
    assert not ModelInteraction.objects.exists()
    assert not any(default_storage.exists(file["key"]) for file in model.files)
