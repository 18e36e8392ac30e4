"""Making an account."""

from typing import Any

import pytest
from django.db.models.query import QuerySet
from rest_framework.test import APIClient

from lumi.accounts.models import EmailVerificationCode, User
from lumi.models import FilterRule
from tests.accounts.desk import another, at_once, failure, let_pass, mailed_code, post_json

pytestmark = pytest.mark.django_db
NEW = "new.person@example.com"


def attempt(client: APIClient, code: str, **more: Any) -> Any:
    """Try to register."""
    return client.post("/api/auth/register", {"email": NEW, "code": code, **more})


def test_registering_makes_the_account_and_signs_in(as_nobody: APIClient) -> None:
    answer = attempt(as_nobody, mailed_code(as_nobody, NEW, "REGISTER"), name="  小 明\n Lee ")
    assert answer.status_code == 201
    data, user = answer.json()["data"], User.objects.get()
    assert (user.email, user.name, user.has_usable_password()) == (NEW, "小 明 Lee", False)
    assert (user.is_staff, user.is_superuser) == (False, False)
    assert user.last_login is not None
    assert data["user"]["id"] == user.id
    assert data["user"]["name"] == "小 明 Lee"
    me = APIClient(headers={"authorization": data["token"]}).get("/api/auth/me").json()["data"]
    assert me["user"]["email"] == NEW
    renewed = as_nobody.post("/api/auth/refresh", {"refreshToken": data["refreshToken"]})
    assert renewed.status_code == 200


@pytest.mark.parametrize("more", [{}, {"name": None}])
def test_without_a_name_nothing_of_the_address_is_shown(as_nobody: APIClient, more: dict[str, None]) -> None:
    attempt(as_nobody, mailed_code(as_nobody, NEW, "REGISTER"), **more)
    person = User.objects.get()
    assert person.name == ""
    assert person.shown_name == f"Lumi {person.id[-6:]}"


@pytest.mark.parametrize("name", ["", "  ", 7, True, [], {}, "x" * 101, "a\0b", "\ud800"])
def test_bad_names(as_nobody: APIClient, name: Any) -> None:
    code = mailed_code(as_nobody, NEW, "REGISTER")
    answer = post_json(as_nobody, "/api/auth/register", {"email": NEW, "code": code, "name": name})
    assert failure(answer) == (400, "VALIDATION_ERROR")
    assert not User.objects.exists()
    assert EmailVerificationCode.objects.get().attempts == 0


def test_an_unwelcome_name_makes_no_account_and_spends_no_code(as_nobody: APIClient) -> None:
    FilterRule.objects.create(text="admin", scope="NAME")
    code = mailed_code(as_nobody, NEW, "REGISTER")
    assert failure(attempt(as_nobody, code, name="The ADMIN")) == (400, "VALIDATION_ERROR")
    assert not User.objects.exists()
    assert attempt(as_nobody, code, name="Ann").status_code == 201


def test_members_that_nobody_asked_for_are_ignored(as_nobody: APIClient) -> None:
    code = mailed_code(as_nobody, NEW, "REGISTER")
    assert attempt(as_nobody, code, isStaff=True, is_staff=True, is_superuser=True, id="me").status_code == 201
    user = User.objects.get()
    assert (user.is_staff, user.is_superuser) == (False, False)
    assert user.id != "me"


def test_an_address_has_one_account(as_nobody: APIClient, alice: User) -> None:
    code = mailed_code(as_nobody, alice.email, "REGISTER")
    answer = as_nobody.post("/api/auth/register", {"email": alice.email.upper(), "code": code, "name": "Mallory"})
    assert failure(answer) == (409, "CONFLICT")
    assert "log in" in answer.json()["data"]["message"]
    assert User.objects.get().name == "Alice"


def test_a_wrong_code_does_not_tell_that_the_address_is_known(as_nobody: APIClient, alice: User) -> None:
    wrong = another(mailed_code(as_nobody, alice.email, "REGISTER"))
    answer = as_nobody.post("/api/auth/register", {"email": alice.email, "code": wrong})
    assert failure(answer) == (400, "VALIDATION_ERROR")


def test_a_code_makes_one_account(as_nobody: APIClient) -> None:
    code = mailed_code(as_nobody, NEW, "REGISTER")
    assert attempt(as_nobody, code).status_code == 201
    assert failure(attempt(as_nobody, code)) == (400, "VALIDATION_ERROR")


def test_a_code_to_log_in_does_not_register(as_nobody: APIClient) -> None:
    assert failure(attempt(as_nobody, mailed_code(as_nobody, NEW, "LOGIN"))) == (400, "VALIDATION_ERROR")
    assert not User.objects.exists()


def test_an_expired_code_does_not_register(as_nobody: APIClient) -> None:
    code = mailed_code(as_nobody, NEW, "REGISTER")
    let_pass(601)
    assert failure(attempt(as_nobody, code)) == (400, "VALIDATION_ERROR")
    assert not User.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_at_the_same_moment_one_account_is_made(as_nobody: APIClient) -> None:
    code = mailed_code(as_nobody, NEW, "REGISTER")
    answers = at_once(5, lambda _: attempt(APIClient(), code).status_code)
    assert answers.count(201) == 1
    assert set(answers) <= {201, 400, 409}
    assert User.objects.count() == 1


def test_an_account_made_in_between_is_a_conflict_and_the_code_is_kept(
    as_nobody: APIClient, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The moment between "is there one?" and "make one" cannot be hit from outside: the look is made blind."""
    code = mailed_code(as_nobody, alice.email, "REGISTER")
    monkeypatch.setattr(QuerySet, "exists", lambda _: False)
    answer = as_nobody.post("/api/auth/register", {"email": alice.email, "code": code})
    assert failure(answer) == (409, "CONFLICT")
    assert EmailVerificationCode.objects.get().used_at is None
