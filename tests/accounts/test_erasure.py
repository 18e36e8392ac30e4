"""Deleting a person: all that is theirs goes, what is others' is right afterwards, and nothing tells who it was."""

from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import LogEntry
from django.core import mail
from django.core.files.storage import default_storage
from django.db import OperationalError
from django.test import Client
from django_otp.plugins.otp_totp.models import TOTPDevice
from pytest_django import Settings
from rest_framework.test import APIClient

from gallery.models import Model
from generation import idempotency, pipeline, sweeps
from generation.models import GenerationRequest
from interactions.actions import toggle
from interactions.models import Kind, ModelInteraction
from lumi.accounts import erasure, sessions, tokens
from lumi.accounts.models import Leaving, User
from lumi.models import DoomedFile
from tests.accounts.desk import another, ask, at_once, code_in_last_mail, failure, let_pass, post_json
from tests.conftest import client_of
from tests.factories import make_model, make_request, make_user, store

pytestmark = pytest.mark.django_db(transaction=True)
ME, CODE = "/api/auth/me", "/api/auth/me/delete-code"
EMAIL, NAME = "aloysia@weber.example", "Aloysia Weber"


@pytest.fixture
def person() -> User:
    """Who will go."""
    return make_user(EMAIL, name=NAME)


@pytest.fixture
def client(person: User) -> APIClient:
    """Her own."""
    return client_of(person)


@pytest.fixture
def desk() -> Client:
    """Staff's browser."""
    browser = Client(headers={"accept-language": "en"})
    browser.force_login(User.objects.create_superuser("boss@example.com", "a long password"))
    return browser


def code_for(client: APIClient) -> str:
    """Ask to be deleted; the code from the mail."""
    let_pass(61)
    answer = client.post(CODE)
    assert answer.status_code == 200, answer.content
    return code_in_last_mail()


def leave(client: APIClient, public_models: str = "remove", code: str = "") -> Any:
    """The last call."""
    return client.delete(ME, {"code": code or code_for(client), "publicModels": public_models})


def traces(*words: str) -> list[str]:
    """The rows of all tables that have one of these words."""
    found = []
    for model in apps.get_models(include_auto_created=True):
        for row in model._default_manager.values_list():
            found += [f"{model.__name__}: {row}" for word in words if word.lower() in str(row).lower()]
    return found


def files_of(person: User) -> list[str]:
    """All files of a person on the disk."""
    root = Path(default_storage.path(""))
    return [path.name for path in root.rglob("*") if path.is_file() and person.pk in str(path)]


def furnish(person: User, other: User) -> Model:
    """Some of everything; her public model, which the other likes."""
    make_request(person, status="COMPLETED", prompt=f"a bust of {NAME}")
    make_request(person, status="MODEL_GENERATING")
    make_request(person, status="IMAGE_GENERATING")
    make_model(person, source="USER_UPLOADED", name=NAME)
    public, theirs = make_model(person, public=True), make_model(other, public=True)
    for model in (public, theirs):
        for kind in Kind:
            toggle(user=person, model_id=model.pk, kind=kind)
    toggle(user=other, model_id=public.pk, kind=Kind.LIKE)
    person.avatar = store("avatars", person, "avatar.webp")["key"]
    person.save()
    tokens.create(user=person, name=f"{NAME}'s printer", scopes=["read"], days=1)
    sessions.start(user=person, device=f"{NAME}'s telephone")
    idempotency.once(user=person, key="k", asked={}, work=lambda: {"prompt": NAME})
    TOTPDevice.objects.create(user=person, name=NAME)
    return public


class TestGoing:
    """`DELETE /api/auth/me`."""

    def test_nothing_of_her_stays(self, client: APIClient, person: User, bob: User, as_nobody: APIClient) -> None:
        furnish(person, bob)
        ask(as_nobody, EMAIL)
        client.post("/api/auth/me/email", {"email": "aloysia@lange.example"})
        assert len(traces(EMAIL, NAME)) > 5
        assert leave(client).status_code == 200
        assert traces(EMAIL, NAME, "lange.example") == []
        assert not User.objects.filter(pk=person.pk).exists()
        assert not GenerationRequest.objects.exists()
        assert files_of(person) == []
        assert not DoomedFile.objects.exists()

    def test_models_of_others_are_as_if_she_had_never_liked_them(
        self, client: APIClient, person: User, bob: User
    ) -> None:
        furnish(person, bob)
        theirs = Model.objects.get(owner=bob)
        assert (theirs.like_count, theirs.favorite_count) == (1, 1)
        leave(client)
        theirs.refresh_from_db()
        assert (theirs.like_count, theirs.favorite_count) == (0, 0)
        assert not ModelInteraction.objects.exists()
        assert client_of(bob).get(ME).json()["data"]["user"]["id"] == bob.pk

    def test_her_public_models_may_stay_without_a_name(
        self, client: APIClient, person: User, bob: User, as_nobody: APIClient
    ) -> None:
        public = furnish(person, bob)
        hidden = make_model(person, public=True, moderation="HIDDEN")
        assert leave(client, "keep").status_code == 200
        shown = as_nobody.get(f"/api/models/{public.pk}").json()["data"]
        assert shown["user"]["name"] == "Deleted person"
        assert (shown["likeCount"], shown["favoriteCount"]) == (1, 0)
        assert as_nobody.post(f"/api/models/{public.pk}/download").status_code == 200
        assert [row["id"] for row in as_nobody.get("/api/models/public").json()["data"]].count(public.pk) == 1
        assert not Model.objects.filter(pk=hidden.pk).exists()
        assert traces(EMAIL, NAME) == []
        assert Model.objects.exclude(owner=bob).get() == public
        assert len(files_of(person)) == 6

    def test_a_public_model_from_a_request_stays_without_it(self, client: APIClient, person: User) -> None:
        request = make_request(person, status="COMPLETED")
        model = Model.objects.get()
        client.post(f"/api/models/{model.pk}/publish")
        leave(client, "keep")
        assert not GenerationRequest.objects.filter(pk=request.pk).exists()
        assert Model.objects.get().owner == User.objects.tombstone()
        assert not [name for name in files_of(person) if name.startswith("image")]

    def test_public_models_go_where_she_wants_it(self, client: APIClient, person: User, bob: User) -> None:
        furnish(person, bob)
        leave(client, "remove")
        assert Model.objects.get().owner == bob

    def test_all_sessions_and_tokens_end_at_once(self, client: APIClient, person: User) -> None:
        elsewhere = client_of(person)
        _, text = tokens.create(user=person, name="x", scopes=["read"], days=1)
        refresh = sessions.pair_for(session=sessions.start(user=person)).refresh_token
        leave(client)
        for caller in (client, elsewhere, APIClient(headers={"authorization": f"Bearer {text}"})):
            assert failure(caller.get("/api/requests")) == (401, "UNAUTHORIZED")
        assert failure(APIClient().post("/api/auth/refresh", {"refreshToken": refresh})) == (401, "UNAUTHORIZED")

    def test_she_can_come_again_as_somebody_new(self, client: APIClient, person: User) -> None:
        leave(client)
        anew = APIClient(headers={"accept-language": "en"})
        ask(anew, EMAIL, "REGISTER")
        answer = anew.post("/api/auth/register", {"email": EMAIL, "code": code_in_last_mail()})
        assert answer.status_code == 201
        assert answer.json()["data"]["user"]["id"] != person.pk

    def test_many_leave_one_stands_for_all(self, bob: User, alice: User) -> None:
        for user in (alice, bob):
            make_model(user, public=True)
            leave(client_of(user), "keep")
        (owner,) = User.objects.all()
        assert owner.is_tombstone
        assert Model.objects.filter(owner=owner).count() == 2
        assert (owner.is_active, owner.has_usable_password()) == (False, False)


class TestTheCode:
    """Nothing is deleted without it."""

    def test_it_is_mailed_to_the_account_s_address(self, client: APIClient) -> None:
        answer = client.post(CODE)
        assert set(answer.json()["data"]) == {"message", "expiresIn", "retryAfter"}
        assert mail.outbox[0].to == [EMAIL]
        assert "delete your account" in mail.outbox[0].body

    def test_a_wrong_one_and_five_guesses(self, client: APIClient, person: User) -> None:
        code = code_for(client)
        for _ in range(5):
            assert failure(leave(client, code=another(code))) == (400, "VALIDATION_ERROR")
        assert failure(leave(client, code=code)) == (400, "VALIDATION_ERROR")
        person.refresh_from_db()
        assert (person.is_active, person.leaving) == (True, "")

    def test_codes_for_something_else_are_of_no_use(self, client: APIClient, person: User) -> None:
        ask(client, EMAIL)
        assert leave(client, code=code_in_last_mail()).status_code == 400

    def test_one_that_went_to_a_former_address_is_of_no_use(self, client: APIClient, person: User) -> None:
        code = code_for(client)
        User.objects.filter(pk=person.pk).update(email="aloysia@lange.example")
        assert leave(client, code=code).status_code == 400

    def test_one_of_somebody_else_is_of_no_use(self, client: APIClient, as_bob: APIClient) -> None:
        assert leave(as_bob, code=code_for(client)).status_code == 400

    @pytest.mark.parametrize(
        ("body", "member"),
        [
            ({"publicModels": "keep"}, "code"),
            ({"code": "123456"}, "publicModels"),
            ({"code": "123456", "publicModels": "burn"}, "publicModels"),
            ({"code": "123456", "publicModels": "KEEP"}, "publicModels"),
            ({"code": "123456", "publicModels": None}, "publicModels"),
            ({"code": "123456", "publicModels": ["keep"]}, "publicModels"),
            ({"code": 123456, "publicModels": "keep"}, "code"),
            ({"code": "12345", "publicModels": "keep"}, "code"),
        ],
    )
    def test_bad_input_is_named(self, client: APIClient, body: Any, member: str) -> None:
        answer = client.delete(ME, body)
        assert failure(answer) == (400, "VALIDATION_ERROR")
        assert member in answer.json()["data"]["details"]

    def test_no_body(self, client: APIClient) -> None:
        assert failure(client.delete(ME)) == (400, "VALIDATION_ERROR")
        assert failure(client.generic("DELETE", ME, "{", "application/json")) == (400, "VALIDATION_ERROR")
        assert post_json(client, ME, {}).status_code == 405

    def test_it_takes_a_session(self, as_nobody: APIClient) -> None:
        for answer in (as_nobody.post(CODE), as_nobody.delete(ME, {})):
            assert failure(answer) == (401, "UNAUTHORIZED")


def forgetful(person: User, *, keep_public: bool) -> None:
    """A slot; the room above is away, once."""
    if not forgotten:
        forgotten.append(person.pk)
        raise OperationalError("away")


def busy(person: User, *, keep_public: bool) -> None:
    """A slot; a call that was under way when the account was closed makes a request now."""
    if not forgotten:
        forgotten.append(pipeline.start(owner=person, prompt=NAME).pk)


forgotten: list[str] = []


class TestAccidents:
    """Once begun it is finished."""

    @pytest.fixture(autouse=True)
    def nothing_yet(self) -> None:
        """The slots of this test."""
        forgotten.clear()

    def test_what_is_interrupted_is_gone_on_with_by_the_sweep(
        self, client: APIClient, person: User, bob: User, settings: Settings
    ) -> None:
        public = furnish(person, bob)
        settings.ACCOUNT_BEFORE_DELETE = [*settings.ACCOUNT_BEFORE_DELETE[:1], f"{__name__}.forgetful",
                                          *settings.ACCOUNT_BEFORE_DELETE[1:]]  # fmt: skip
        assert leave(client, "keep").status_code == 200
        assert client.get("/api/requests").status_code == 401
        assert traces(EMAIL)
        let_pass(61)
        ask(APIClient(), EMAIL)
        answer = APIClient().post("/api/auth/login", {"email": EMAIL, "code": code_in_last_mail()})
        assert failure(answer) == (403, "FORBIDDEN")
        sweeps.sweep()
        assert traces(EMAIL, NAME) == []
        assert Model.objects.exclude(owner=bob).get() == public

    def test_what_a_call_under_way_makes_goes_too(self, client: APIClient, person: User, settings: Settings) -> None:
        settings.ACCOUNT_BEFORE_DELETE = [*settings.ACCOUNT_BEFORE_DELETE, f"{__name__}.busy"]
        leave(client)
        assert forgotten
        assert traces(EMAIL, NAME, person.pk) == []

    def test_many_times_at_once_is_once(self, client: APIClient, person: User, bob: User) -> None:
        public = furnish(person, bob)
        code = code_for(client)
        answers = at_once(4, lambda _: leave(client, "keep", code).status_code)
        assert answers.count(200) == 1
        assert set(answers) <= {200, 400, 401}
        public.refresh_from_db()
        assert (public.like_count, public.favorite_count) == (1, 0)
        assert not User.objects.filter(pk=person.pk).exists()

    def test_the_sweep_at_the_same_moment_does_no_harm(self, person: User, bob: User) -> None:
        public = furnish(person, bob)
        erasure.close(person_id=person.pk, public_models=Leaving.KEEP)
        at_once(4, lambda _: erasure.finish_interrupted())
        erasure.finish_interrupted()  # whoever met a deadlock leaves it to the next round
        public.refresh_from_db()
        theirs = Model.objects.get(owner=bob)
        assert (public.like_count, theirs.like_count, theirs.favorite_count) == (1, 0, 0)
        assert traces(EMAIL, NAME) == []

    def test_likes_of_others_at_the_same_moment_are_counted(self, person: User) -> None:
        model = make_model(make_user(), public=True)
        toggle(user=person, model_id=model.pk, kind=Kind.LIKE)
        others = [make_user() for _ in range(5)]

        def act(number: int) -> None:
            if number == 5:
                erasure.erase(person_id=person.pk)
            else:
                toggle(user=others[number], model_id=model.pk, kind=Kind.LIKE)

        at_once(6, act)
        model.refresh_from_db()
        assert model.like_count == ModelInteraction.objects.count() == 5


class TestByStaff:
    """The admin's delete goes through the same door."""

    def test_one(self, desk: Client, person: User, bob: User) -> None:
        furnish(person, bob)
        User.objects.filter(pk=person.pk).update(language="en")
        LogEntry.objects.log_actions(str(User.objects.get(is_staff=True).pk), [person], 2, "suspended")
        page = desk.get(f"/admin/accounts/user/{person.pk}/delete/").content.decode()
        assert "Are you sure" in page
        assert desk.post(f"/admin/accounts/user/{person.pk}/delete/", {"post": "yes"}).status_code == 302
        assert files_of(person) == []
        assert traces(EMAIL, NAME) == []
        assert [entry.object_repr for entry in LogEntry.objects.all()] == ["deleted", "deleted"]
        theirs = Model.objects.get()
        assert (theirs.owner, theirs.like_count) == (bob, 0)

    def test_several(self, desk: Client, alice: User, bob: User) -> None:
        make_request(alice, status="IMAGE_COMPLETED")
        make_model(bob, public=True)
        form = {"action": "delete_selected", ACTION_CHECKBOX_NAME: [alice.pk, bob.pk], "post": "yes"}
        assert desk.post("/admin/accounts/user/", form).status_code == 302
        assert list(User.objects.values_list("email", flat=True)) == ["boss@example.com"]
        assert not Model.objects.exists()
        assert files_of(alice) == files_of(bob) == []

    def test_who_stands_for_the_deleted_is_not_to_be_touched(self, desk: Client) -> None:
        stone = User.objects.tombstone()
        assert stone.email not in desk.get("/admin/accounts/user/").content.decode()
        for page in ("change", "delete"):
            assert desk.post(f"/admin/accounts/user/{stone.pk}/{page}/", {"post": "yes"}).status_code == 302
        assert User.objects.filter(pk=stone.pk, is_active=False).exists()
