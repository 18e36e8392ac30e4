"""The user model, its spelling of addresses, `createsuperuser`, and the admin."""

import io

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import LogEntry
from django.contrib.auth import authenticate
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.test import Client
from rest_framework.test import APIClient

from lumi.accounts import sessions, tokens
from lumi.accounts.addresses import one_spelling
from lumi.accounts.models import EmailVerificationCode, Session, User
from tests.accounts.desk import ADDRESS, ask, code_in_last_mail
from tests.factories import make_user

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss() -> User:
    """Staff with every right."""
    return User.objects.create_superuser("boss@example.com", "a long password")


@pytest.fixture
def desk(boss: User) -> Client:
    """The boss's browser."""
    client = Client(headers={"accept-language": "en"})
    client.force_login(boss)
    return client


@pytest.mark.parametrize(
    ("written", "spelled"),
    [
        ("a@example.com", "a@example.com"),
        (" A.B+c@Example.COM ", "a.b+c@example.com"),
        ("a@EXÄMPLE.com", "a@xn--exmple-cua.com"),
        ("a@例子.中国", "a@xn--fsqu00a.xn--fiqs8s"),
        ("", ""),
        ("a", "a"),
    ],
)
def test_one_spelling(written: str, spelled: str) -> None:
    assert one_spelling(written) == spelled
    assert one_spelling(spelled) == spelled


def test_an_address_is_unique_whatever_its_case() -> None:
    make_user("a@example.com")
    with transaction.atomic(), pytest.raises(IntegrityError):
        make_user("A@EXAMPLE.com")


def test_the_database_refuses_two_spellings() -> None:
    """SQLite by its check; MariaDB, where the check sees no case, by its unique index."""
    make_user("a@example.com")
    with transaction.atomic(), pytest.raises(IntegrityError):
        User.objects.create(email="A@example.com")


def test_createsuperuser_with_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "a long password")
    call_command("createsuperuser", "--noinput", email="Root@Example.com", stdout=io.StringIO())
    user = authenticate(username="ROOT@example.com", password="a long password")
    assert isinstance(user, User)
    assert (user.email, user.is_staff, user.is_superuser) == ("root@example.com", True, True)


def test_createsuperuser_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SUPERUSER_EMAIL", "root@example.com")
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "a long password")
    call_command("createsuperuser", "--noinput", stdout=io.StringIO())
    assert User.objects.get().check_password("a long password")


def test_staff_sign_in_with_their_password(boss: User) -> None:
    browser = Client()
    for name, password, page in (
        ("boss@example.com", "wrong", 200),
        ("boss@a..b", "a long password", 200),  # no address at all
        ("BOSS@Example.com", "a long password", 302),
    ):
        answer = browser.post("/admin/login/?next=/admin/", {"username": name, "password": password})
        assert answer.status_code == page, name


def test_people_have_no_way_into_the_admin(alice: User) -> None:
    browser = Client()
    browser.force_login(alice)
    assert browser.get("/admin/accounts/user/").status_code == 302


@pytest.mark.parametrize("query", ["", "?q=ALICE@example", "?q=Alice", "?is_active__exact=1", "?is_staff__exact=0"])
def test_people_are_listed_and_found(desk: Client, alice: User, query: str) -> None:
    assert alice.email in desk.get(f"/admin/accounts/user/{query}").content.decode()


def test_people_are_found_by_id(desk: Client, alice: User, bob: User) -> None:
    page = desk.get(f"/admin/accounts/user/?q={alice.id}").content.decode()
    assert alice.email in page
    assert bob.email not in page


def test_a_person_is_added_by_address(desk: Client) -> None:
    assert "username" not in desk.get("/admin/accounts/user/add/").content.decode()
    form = {"email": "New@Example.com", "name": "New", "usable_password": "false"}
    assert desk.post("/admin/accounts/user/add/", form).status_code == 302
    user = User.objects.get(email="new@example.com")
    assert not user.has_usable_password()


@pytest.mark.parametrize("email", ["ALICE@example.com", "alice", "a@a..b", ""])
def test_bad_addresses_are_named_in_the_form(desk: Client, alice: User, email: str) -> None:
    answer = desk.post("/admin/accounts/user/add/", {"email": email, "usable_password": "false"})
    assert answer.status_code == 200
    assert "errorlist" in answer.content.decode()
    assert User.objects.count() == 2


def test_a_person_is_switched_off(desk: Client, alice: User) -> None:
    sessions.start(user=alice)
    address = f"/admin/accounts/user/{alice.id}/change/"
    assert alice.email in desk.get(address).content.decode()
    assert desk.post(address, {"email": "Alice@Example.com", "name": "Alice"}).status_code == 302
    alice.refresh_from_db()
    assert (alice.is_active, alice.email) == (False, ADDRESS)
    assert not Session.objects.live().exists()


def test_codes_are_for_looking_and_their_hash_is_not(desk: Client, as_nobody: APIClient) -> None:
    ask(as_nobody)
    row = EmailVerificationCode.objects.get()
    for page in ("", f"{row.id}/change/"):
        text = desk.get(f"/admin/accounts/emailverificationcode/{page}").content.decode()
        assert ADDRESS in text
        assert row.code_hash not in text
        assert code_in_last_mail() not in text
    assert desk.get("/admin/accounts/emailverificationcode/add/").status_code == 403
    assert desk.post(f"/admin/accounts/emailverificationcode/{row.id}/change/", {"attempts": 0}).status_code == 403
    assert desk.post(f"/admin/accounts/emailverificationcode/{row.id}/delete/", {"post": "yes"}).status_code == 403


def act(desk: Client, table: str, action: str, *ids: str) -> int:
    """Do an action of the admin's to these rows; the status."""
    form = {"action": action, ACTION_CHECKBOX_NAME: ids}
    return desk.post(f"/admin/accounts/{table}/", form).status_code


@pytest.fixture
def clerk() -> Client:
    """Staff who may look and nothing else."""
    person = make_user("clerk@example.com", is_staff=True)
    person.user_permissions.set(Permission.objects.filter(codename__in=["view_user", "view_session", "view_apitoken"]))
    client = Client(headers={"accept-language": "en"})
    client.force_login(person)
    return client


def test_sessions_are_for_looking_and_for_ending(desk: Client, as_alice: APIClient, as_bob: APIClient) -> None:
    session = Session.objects.get(user__email=ADDRESS)
    Session.objects.update(device="Telephone")
    for page in ("", f"?q={ADDRESS}", "?ended_at__isempty=1", f"{session.pk}/change/"):
        text = desk.get(f"/admin/accounts/session/{page}").content.decode()
        assert "Alice" in text, page
        assert session.refresh_jti not in text
        assert "Telephone" not in text
    assert desk.get("/admin/accounts/session/add/").status_code == 403
    assert desk.post(f"/admin/accounts/session/{session.pk}/delete/", {"post": "yes"}).status_code == 403
    assert act(desk, "session", "revoke", session.pk) == 302
    assert [client.get("/api/auth/sessions").status_code for client in (as_alice, as_bob)] == [401, 200]
    assert LogEntry.objects.get().change_message == "revoked"


def test_tokens_are_for_looking_and_for_revoking(desk: Client, alice: User) -> None:
    token, text = tokens.create(user=alice, name="printer", scopes=["read"], days=1)
    for page in ("", "?q=alice@example", f"{token.pk}/change/"):
        shown = desk.get(f"/admin/accounts/apitoken/{page}").content.decode()
        assert "printer" in shown, page
        assert token.token_hash not in shown
    assert desk.get("/admin/accounts/apitoken/add/").status_code == 403
    assert desk.post(f"/admin/accounts/apitoken/{token.pk}/delete/", {"post": "yes"}).status_code == 403
    assert act(desk, "apitoken", "revoke", token.pk) == 302
    assert tokens.find(text=text) is None
    assert LogEntry.objects.get().change_message == "revoked"


def test_people_are_suspended_with_all_that_lets_them_in(
    desk: Client, as_alice: APIClient, alice: User, as_bob: APIClient
) -> None:
    _, text = tokens.create(user=alice, name="printer", scopes=["read"], days=1)
    assert act(desk, "user", "suspend", alice.pk) == 302
    User.objects.update(is_active=True)
    assert tokens.find(text=text) is None
    assert [client.get("/api/auth/sessions").status_code for client in (as_alice, as_bob)] == [401, 200]
    assert LogEntry.objects.get().change_message == "suspended"


def test_who_may_only_look_ends_nothing(clerk: Client, alice: User) -> None:
    session, (token, text) = sessions.start(user=alice), tokens.create(user=alice, name="x", scopes=["read"], days=1)
    for table, action, row in (
        ("session", "revoke", session.pk), ("apitoken", "revoke", token.pk), ("user", "suspend", alice.pk),
    ):  # fmt: skip
        assert clerk.get(f"/admin/accounts/{table}/").status_code == 200
        act(clerk, table, action, row)
    assert Session.objects.get().ended_at is None
    assert tokens.find(text=text) is not None
    assert User.objects.get(pk=alice.pk).is_active
