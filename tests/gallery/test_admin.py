"""The desk for staff: find a model, look at all that is known of it, and what was said and decided."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission
from django.core.files.storage import default_storage
from django.utils import timezone

from gallery import moderation, reports
from gallery.models import Appeal, Decision, Model
from lumi.accounts.models import User
from tests.factories import make_model, make_user
from tests.gallery import slots

LIST = "/admin/gallery/model/"


def clerk(client, *permissions, **fields):
    """Signs somebody of the staff in, with these permissions only, speaking English."""
    person = make_user(is_staff=True, language="en", **fields)
    for name in permissions:
        app, codename = name.split(".")
        person.user_permissions.add(Permission.objects.get(codename=codename, content_type__app_label=app))
    client.force_login(person)
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "en"
    return client


@pytest.fixture
def staff(client, db):
    client.force_login(User.objects.create_superuser("staff@example.com", "secret-42"))
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "en"
    return client


@pytest.fixture
def reader(client, db):
    return clerk(client, "gallery.view_model")


def page_of(model):
    return f"{LIST}{model.pk}/change/"


def act(client, action, models, **more):
    return client.post(LIST, {"action": action, "_selected_action": [model.pk for model in models], **more})


# --- The list ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("rows", [1, 12])
def test_the_list_costs_the_same_however_long(staff, rows, django_assert_num_queries):
    models = [make_model(make_user(), public=True) for _ in range(rows)]
    with django_assert_num_queries(5):  # session, person, count, rows, owners
        page = staff.get(LIST)
    assert page.status_code == 200
    assert all(model.name in page.content.decode() for model in models)
    assert page.content.count(b"cat-preview.png") == rows


@pytest.mark.parametrize("question", ["id", "owner", "name", "e-mail"])
def test_models_are_found_by(staff, question):
    found, other = make_model(make_user("seller@example.com"), name="A Fox"), make_model(make_user())
    words = {"id": found.pk, "owner": found.owner_id, "name": "a fo", "e-mail": "Seller@EXAMPLE.com"}[question]
    page = staff.get(LIST, {"q": words}).content.decode()
    assert found.pk in page
    assert other.pk not in page


@pytest.mark.parametrize("words", ["nobody@example.com", "@", "no such name", "x" * 36])
def test_what_nobody_has_finds_nothing(staff, words):
    model = make_model(make_user())
    page = staff.get(LIST, {"q": words})
    assert page.status_code == 200
    assert model.pk not in page.content.decode()


def test_a_name_is_looked_for_among_the_newest_only(staff, monkeypatch):
    old, new = make_model(make_user(), name="Fox one"), make_model(make_user(), name="Fox two")
    monkeypatch.setattr("gallery.admin.desk.MOST_SEARCHED", 1)
    page = staff.get(LIST, {"q": "fox"}).content.decode()
    assert new.pk in page
    assert old.pk not in page


@pytest.mark.parametrize(
    "query",
    [
        "visibility__exact=PUBLIC",
        "moderation__exact=HIDDEN",
        "source__exact=USER_UPLOADED",
        "reported=1",
        "age=7",
        "published_at__gte=2020-01-01T00:00:00%2B00:00",
    ],
)
def test_models_are_filtered(staff, query):
    wanted = make_model(make_user(), public=True, moderation="HIDDEN", source="USER_UPLOADED", open_reports=1)
    other = make_model(make_user())
    Model.objects.filter(pk=other.pk).update(created_at=timezone.now() - timedelta(days=8))
    page = staff.get(f"{LIST}?{query}").content.decode()
    assert wanted.pk in page
    assert other.pk not in page


@pytest.mark.parametrize("action", ["approve", "hide", "restore", "remove"])
def test_an_action_asks_for_a_reason_first(staff, action):
    model = make_model(make_user(), public=True)
    page = act(staff, action, [model])
    assert page.status_code == 200
    assert page.templates[0].name == "admin/gallery/model/confirm.html"
    assert f'name="model" value="{model.pk}"' in page.content.decode()
    assert Model.objects.get().moderation == "VISIBLE"


def test_an_action_takes_a_bounded_number(staff, monkeypatch):
    monkeypatch.setattr("gallery.admin.acting.MOST_AT_ONCE", 1)
    refused = act(staff, "hide", [make_model(make_user()) for _ in range(2)])
    assert refused.status_code == 400
    assert "at most 1" in refused.content.decode()


def test_whoever_may_only_look_has_no_actions(reader):
    model = make_model(make_user(), public=True)
    act(reader, "hide", [model])
    assert Model.objects.get().moderation == "VISIBLE"
    assert b'value="hide"' not in reader.get(LIST).content
    assert b'value="hide"' not in reader.get(page_of(model)).content


# --- A model's page ---------------------------------------------------------------------------------------------------
def test_one_model_shows_what_generation_knows_and_changes_nothing(staff):
    model = make_model(make_user())
    job = {"id": "the-job", "status": "RUNNING", "progress": 40}
    slots.known[model.pk] = {"requestId": "the-request", "generationJob": job, "prompt": "a cat that sits"}
    page = staff.get(page_of(model)).content.decode()
    assert "/admin/generation/generationrequest/the-request/change/" in page
    assert "/admin/generation/modelgenerationjob/the-job/change/" in page
    assert "RUNNING 40 %" in page
    assert "a cat that sits" in page
    assert default_storage.url(model.key("glb")) in page
    assert f'data-src="{LIST}{model.pk}/view.glb"' in page
    assert staff.post(page_of(model), {"name": "x"}).status_code == 403
    assert staff.get(f"{LIST}add/").status_code == 403
    assert staff.post(f"{LIST}{model.pk}/delete/", {"post": "yes"}).status_code == 403


def test_an_unfinished_model_has_a_page_too(staff):
    page = staff.get(page_of(make_model(make_user(), finished=False)))
    assert page.status_code == 200
    assert b"lumi-viewer" not in page.content.split(b"</head>")[1]


def test_a_model_that_is_not_there_has_none(staff):
    assert staff.get(f"{LIST}nothing/change/", follow=True).redirect_chain[-1][0] == "/admin/"


def tell_a_story(model, many=1):
    """Reports, decisions and an appeal, whose words can be found on a page."""
    for number in range(many):
        reports.report(user=make_user(), model_id=model.pk, reason="SPAM", text=f"reported {number}")
        moderation.hide(model_id=model.pk, reason=f"hidden {number}", by=make_user(name="Mona"))
        reports.appeal(user=model.owner, model_id=model.pk, text=f"appealed {number}")
        moderation.restore(model_id=model.pk, by=make_user())


@pytest.mark.parametrize("many", [1, 3])
def test_one_model_tells_its_story_at_the_same_cost(staff, many, django_assert_num_queries):
    model = make_model(make_user(), public=True)
    tell_a_story(model, many)
    staff.get(page_of(make_model(make_user())))  # Django remembers its own kinds of content after the first page
    with django_assert_num_queries(15):  # session, person; the model twice; seven for the card; four histories
        page = staff.get(page_of(model)).content.decode()
    for words in ("reported 0", "hidden 0", "appealed 0", "Mona", "<strong>restored</strong>"):
        assert words in page


@pytest.mark.parametrize(
    ("permission", "words"),
    [
        ("gallery.view_report", "reported 0"),
        ("gallery.view_appeal", "appealed 0"),
        ("lumi.view_auditentry", "Audit trail"),
    ],
)
def test_what_one_may_not_look_at_is_not_on_the_page(client, db, permission, words):
    model = make_model(make_user(), public=True)
    tell_a_story(model)
    assert words not in clerk(client, "gallery.view_model").get(page_of(model)).content.decode()
    assert words in clerk(client, "gallery.view_model", permission).get(page_of(model)).content.decode()


# --- For the 3D viewer ------------------------------------------------------------------------------------------------
def test_the_viewer_gets_the_stored_glb(reader):
    answer = reader.get(f"{LIST}{make_model(make_user()).pk}/view.glb")
    assert answer.status_code == 200
    assert answer["Content-Type"] == "model/gltf-binary"
    assert answer.getvalue() == b"content"


def test_the_viewer_is_for_those_who_may_look(client, db):
    model = make_model(make_user())
    assert client.get(f"{LIST}{model.pk}/view.glb").status_code == 302
    assert clerk(client).get(f"{LIST}{model.pk}/view.glb").status_code == 403


# --- Reports, decisions, appeals --------------------------------------------------------------------------------------
@pytest.mark.parametrize(("kind", "queries"), [("report", 6), ("decision", 6), ("appeal", 7)])
@pytest.mark.parametrize("many", [1, 3])
def test_records_are_read_at_the_same_cost_and_never_written(staff, kind, queries, many, django_assert_num_queries):
    for _ in range(many):
        tell_a_story(make_model(make_user(), public=True, name="The Fox"))
    address = f"/admin/gallery/{kind}/"
    with django_assert_num_queries(queries):  # session, person, count, rows, and what they are about
        page = staff.get(address)
    assert page.content.decode().count("The Fox") >= many
    assert staff.get(f"{address}add/").status_code == 403


@pytest.mark.parametrize("kind", ["report", "decision", "appeal"])
def test_records_are_found_by_the_model(staff, kind):
    model, other = make_model(make_user(), public=True), make_model(make_user(), public=True)
    tell_a_story(model)
    tell_a_story(other)
    page = staff.get(f"/admin/gallery/{kind}/", {"q": model.pk}).content.decode()
    assert model.pk in page
    assert other.pk not in page
    assert model.pk not in staff.get(f"/admin/gallery/{kind}/", {"q": "nothing"}).content.decode()


@pytest.mark.parametrize(
    ("kind", "query", "words"),
    [
        ("report", "state__exact=OPEN&reason__exact=SPAM", "open one"),
        ("decision", "verdict__exact=HIDDEN", "against it"),
        ("appeal", "state__exact=OPEN", "please"),
    ],
)
def test_records_are_filtered(staff, kind, query, words):
    tell_a_story(make_model(make_user(), public=True))
    model = make_model(make_user(), public=True)
    moderation.hide(model_id=model.pk, reason="against it")
    reports.appeal(user=model.owner, model_id=model.pk, text="please")
    reports.report(user=make_user(), model_id=make_model(make_user(), public=True).pk, reason="SPAM", text="open one")
    page = staff.get(f"/admin/gallery/{kind}/?{query}").content.decode()
    assert words in page
    assert "reported 0" not in page
    assert "appealed 0" not in page


@pytest.mark.parametrize("row", [Decision, Appeal])
def test_a_record_has_a_page(staff, row):
    tell_a_story(make_model(make_user(), public=True, name="The Fox"))
    found = row.objects.earliest("created_at")
    page = staff.get(f"/admin/gallery/{row._meta.model_name}/{found.pk}/change/").content.decode()
    assert "The Fox" in page
    assert "hidden 0" in page
