"""Roles: who of the staff may open which page. Complete by construction: a page that no row names is a red test."""

from importlib import import_module
from typing import Any, NamedTuple

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.test import Client
from django.urls import reverse

from gallery.models import Appeal, Decision, Model, Report
from generation.models import GenerationRequest, ImageGenerationJob, ModelGenerationJob
from lumi import roles
from lumi.accounts.models import User
from lumi.models import AuditHead
from tests.factories import make_request, make_user

pytestmark = pytest.mark.django_db

ROLES = {"m": roles.MODERATOR, "o": roles.OPERATOR, "a": roles.ADMINISTRATOR}
USUAL = ("changelist", "add", "history", "delete", "change")  # Django's own pages of each model

# Whose role opens the list of which model.
LISTS = {
    "accounts_apitoken": "a",
    "accounts_emailverificationcode": "a",
    "accounts_notice": "ma",
    "accounts_session": "a",
    "accounts_strike": "ma",
    "accounts_user": "ma",
    "auth_group": "a",
    "gallery_appeal": "ma",
    "gallery_decision": "ma",
    "gallery_model": "moa",
    "gallery_report": "ma",
    "generation_breaker": "oa",
    "generation_generatedimage": "moa",
    "generation_generationrequest": "moa",
    "generation_imagegenerationjob": "oa",
    "generation_jobevent": "oa",
    "generation_modelgenerationjob": "oa",
    "generation_providercall": "oa",
    "generation_providergate": "oa",
    "generation_queuepause": "oa",
    "interactions_modelinteraction": "a",
    "lumi_auditentry": "a",
    "lumi_doomedfile": "a",
    "lumi_filterrule": "ma",
}
# Who may add what; nobody may add anything else, not even a superuser.
ADDED = {"accounts_user": "a", "auth_group": "a", "generation_queuepause": "oa", "lumi_filterrule": "ma"}


class Page(NamedTuple):
    """A page beside the lists. `args`: words, or a model whose row the page is about; `post`: what is posted to it."""

    name: str
    may: str
    args: tuple[Any, ...] = ()
    post: dict[str, str] | None = None


PAGES = [
    Page("accounts_user_act", "ma", ("warn",)),
    Page("accounts_user_act", "ma", ("suspend",)),
    Page("accounts_user_act", "ma", ("restore",)),
    Page("accounts_user_act", "a", ("quota",)),
    Page("gallery_model_queue", "moa"),  # whoever may look at models; the verbs are moderators' only
    Page("gallery_model_act", "ma", post={"verb": "approve"}),
    Page("gallery_model_act", "ma", post={"verb": "hide"}),
    Page("gallery_model_glb", "moa", (Model,)),
    Page("gallery_appeal_answer", "ma", (Appeal,), post={"verdict": ""}),
    Page("generation_providercall_costs", "oa"),
    Page("generation_imagegenerationjob_do", "oa", (ImageGenerationJob, "requeue")),
    Page("generation_modelgenerationjob_do", "oa", (ModelGenerationJob, "requeue")),
    Page("generation_generationrequest_do", "oa", (GenerationRequest, "cancel")),
    Page("lumi_auditentry_export", "a"),
    Page("lumi_filterrule_many", "ma"),
]


@pytest.fixture(autouse=True)
def made(db: None) -> None:
    """As after the migrations, also where another test has emptied the tables."""
    roles.make(Group.objects, Permission.objects)


@pytest.fixture
def things(made: None) -> None:
    """A row of each kind that a page is about."""
    request = make_request(make_user(), status="COMPLETED")
    model = ModelGenerationJob.objects.get(request=request).model
    Report.objects.create(model=model, reporter=make_user(), reason="SPAM")
    Appeal.objects.create(decision=Decision.objects.create(model=model, verdict="HIDDEN"), text="Why?")


def member(*names: str, **fields: Any) -> Client:
    """Staff with these roles, in a session of their own."""
    person = make_user(**{"is_staff": True, **fields})
    person.groups.set(Group.objects.filter(name__in=names))
    client = Client(headers={"accept-language": "en"})
    client.force_login(person)
    return client


def address(page: Page) -> str:
    """Of the page, about the first row of its kind."""
    args = [word if isinstance(word, str) else word._default_manager.first().pk for word in page.args]
    return reverse(f"admin:{page.name}", args=args)


def is_open(client: Client, page: Page) -> bool:
    """Whether they get past the door; what the page then says of the input is its own affair."""
    answer = client.get(address(page)) if page.post is None else client.post(address(page), page.post)
    list(answer.streaming_content if answer.streaming else ())  # a file is closed when it was read
    assert answer.status_code in (200, 302, 400, 403, 404), answer.status_code
    return answer.status_code != 403 and not answer.get("Location", "").startswith("/admin/login")


def desks() -> dict[str, Any]:
    """All registered desks, by the word that their pages' names begin with."""
    return {f"{model._meta.app_label}_{model._meta.model_name}": desk for model, desk in admin.site._registry.items()}


def pages_of(desk: Any) -> set[str]:
    """The names of the pages that a desk has beside Django's."""
    names = {pattern.name for pattern in desk.get_urls() if pattern.name}
    return {name for name in names if name.rsplit("_", 1)[-1] not in USUAL}


# --- The table --------------------------------------------------------------------------------------------------------


def test_each_list_has_a_row() -> None:
    assert set(desks()) == set(LISTS)


def test_each_further_page_has_a_row() -> None:
    assert {name for desk in desks().values() for name in pages_of(desk)} == {page.name for page in PAGES}


@pytest.mark.parametrize("role", ROLES)
def test_which_lists_a_role_opens(role: str) -> None:
    client = member(ROLES[role])
    opened = {name for name in LISTS if is_open(client, Page(f"{name}_changelist", ""))}
    assert opened == {name for name, may in LISTS.items() if role in may}


@pytest.mark.parametrize("role", ROLES)
def test_what_a_role_adds(role: str) -> None:
    client = member(ROLES[role])
    added = {name for name in desks() if is_open(client, Page(f"{name}_add", ""))}
    assert added == {name for name, may in ADDED.items() if role in may}


@pytest.mark.parametrize("role", ROLES)
def test_which_further_pages_a_role_opens(role: str, things: None) -> None:
    client = member(ROLES[role])
    assert [page for page in PAGES if is_open(client, page)] == [page for page in PAGES if role in page.may]


def shown_to(client: Client) -> set[str]:
    """The lists that the front page names."""
    page = client.get("/admin/")
    assert page.status_code == 200
    shown = {model["admin_url"] for app in page.context["app_list"] for model in app["models"]}
    return {name for name in LISTS if reverse(f"admin:{name}_changelist") in shown}


# --- Above and below all roles ----------------------------------------------------------------------------------------


def test_a_superuser_opens_all(things: None) -> None:
    client = member(is_superuser=True)
    assert [name for name in LISTS if not is_open(client, Page(f"{name}_changelist", ""))] == []
    assert [page for page in PAGES if not is_open(client, page)] == []
    assert {name for name in desks() if is_open(client, Page(f"{name}_add", ""))} == set(ADDED)


def test_staff_without_a_role_see_nothing(things: None) -> None:
    client = member()
    assert [name for name in LISTS if is_open(client, Page(f"{name}_changelist", ""))] == []
    assert [page for page in PAGES if is_open(client, page)] == []
    assert shown_to(client) == set()


@pytest.mark.parametrize("fields", [{"is_staff": False}, {"is_staff": False, "is_superuser": True}])
def test_whoever_is_not_staff_is_led_to_the_door(things: None, fields: dict[str, Any]) -> None:
    client = member(roles.ADMINISTRATOR, **fields)
    assert [name for name in LISTS if is_open(client, Page(f"{name}_changelist", ""))] == []
    assert [page for page in PAGES if is_open(client, page)] == []


@pytest.mark.parametrize("role", ROLES)
def test_the_front_page_lists_what_a_role_opens(role: str) -> None:
    assert shown_to(member(ROLES[role])) == {name for name, may in LISTS.items() if role in may}


def test_two_roles_add_up() -> None:
    client = member(roles.MODERATOR, roles.OPERATOR)
    assert is_open(client, Page("gallery_report_changelist", ""))
    assert is_open(client, Page("generation_breaker_changelist", ""))
    assert not is_open(client, Page("lumi_auditentry_changelist", ""))


# --- What they may change ---------------------------------------------------------------------------------------------

ACTS = {
    "gallery.moderate_model": "ma", "accounts.suspend_user": "ma", "accounts.set_quota": "a",
    "generation.operate_jobs": "oa", "lumi.change_filterrule": "ma", "lumi.view_auditentry": "a",
    "accounts.change_user": "a", "accounts.delete_user": "a", "auth.change_group": "a", "gallery.delete_model": "a",
    "generation.delete_queuepause": "oa", "accounts.view_apitoken": "a", "accounts.view_session": "a",
}  # fmt: skip


@pytest.mark.parametrize("permission", ACTS)
def test_who_may_act(permission: str) -> None:
    people = {}
    for letter, role in ROLES.items():
        people[letter] = make_user(is_staff=True)
        people[letter].groups.add(Group.objects.get(name=role))
    assert "".join(letter for letter, person in people.items() if person.has_perm(permission)) == ACTS[permission]


def test_a_moderator_looks_at_a_person_and_changes_nothing(bob: User) -> None:
    client, address = member(roles.MODERATOR), reverse("admin:accounts_user_change", args=[bob.pk])
    page = client.get(address).content.decode()
    assert "bob@example.com" in page
    for field in ("is_superuser", "groups", "user_permissions", "password"):
        assert f"field-{field}" not in page
    assert client.post(address, {"email": "bob@example.com", "name": "Eve", "is_staff": "on"}).status_code == 403
    bob.refresh_from_db()
    assert (bob.name, bob.is_staff) == ("Bob", False)


# --- The migration ----------------------------------------------------------------------------------------------------


class TestMigration:
    """What `lumi/0003_roles` does, with the models of that moment."""

    @pytest.fixture
    def migrate(self) -> Any:
        """Run it."""
        migration = import_module("lumi.migrations.0003_roles")
        state = MigrationLoader(connection).project_state(("lumi", "0003_roles")).apps

        def run() -> None:
            migration.make_roles(state, None)
            migration.begin_trail(state, None)

        yield run
        ContentType.objects.clear_cache()

    def table(self) -> dict[str, set[str]]:
        """What each role may do."""
        found = Group.objects.filter(name__in=roles.ROLES).values_list(
            "name", "permissions__content_type__app_label", "permissions__codename"
        )
        return {role: {f"{app}.{name}" for group, app, name in found if group == role} for role in roles.ROLES}

    def test_an_empty_database_gets_permissions_and_roles(self, migrate: Any) -> None:
        before = self.table()
        for model in (Group, Permission, ContentType, AuditHead):
            model.objects.all().delete()
        migrate()
        assert self.table() == before
        assert AuditHead.objects.get().number == 0

    def test_again_it_changes_nothing(self, migrate: Any) -> None:
        before, count = self.table(), Permission.objects.count()
        migrate()
        migrate()
        assert self.table() == before
        assert Permission.objects.count() == count
        assert Group.objects.filter(name__in=roles.ROLES).count() == 3

    def test_what_an_installation_has_added_stays(self, migrate: Any) -> None:
        extra = Permission.objects.get(codename="view_auditentry")
        Group.objects.get(name=roles.MODERATOR).permissions.add(extra)
        migrate()
        assert "lumi.view_auditentry" in self.table()[roles.MODERATOR]


def test_each_app_with_a_desk_is_an_administrators() -> None:
    assert {model._meta.app_label for model in admin.site._registry} == set(roles.ROLES[roles.ADMINISTRATOR])
    assert all(apps.is_installed(apps.get_app_config(app).name) for app in roles.ROLES[roles.ADMINISTRATOR])


def test_a_permission_that_is_not_there_is_not_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(roles.ROLES, "dreamer", {"lumi": ("view_filterrule", "fly")})
    with pytest.raises(LookupError, match="fly"):
        roles.make(Group.objects, Permission.objects)
