"""The user model, its spelling of addresses, `createsuperuser`, and the admin."""

import io

import pytest
from django.contrib.auth import authenticate
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.test import Client
from rest_framework.test import APIClient

from lumi.accounts.addresses import one_spelling
from lumi.accounts.models import EmailVerificationCode, User
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


def test_a_person_is_switched_off_not_deleted(desk: Client, alice: User) -> None:
    address = f"/admin/accounts/user/{alice.id}/change/"
    assert alice.email in desk.get(address).content.decode()
    assert desk.post(address, {"email": "Alice@Example.com", "name": "Alice"}).status_code == 302
    alice.refresh_from_db()
    assert (alice.is_active, alice.email) == (False, ADDRESS)
    assert desk.post(f"/admin/accounts/user/{alice.id}/delete/", {"post": "yes"}).status_code == 403
    assert User.objects.filter(pk=alice.pk).exists()


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


@pytest.mark.parametrize("table", ["outstandingtoken", "blacklistedtoken"])
def test_tokens_are_not_for_looking(desk: Client, table: str) -> None:
    assert desk.get(f"/admin/token_blacklist/{table}/").status_code == 404
