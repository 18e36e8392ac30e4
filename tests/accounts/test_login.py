"""Logging in with a code."""

import logging
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework.test import APIClient

from lumi.accounts.models import EmailVerificationCode, Session, User
from tests.accounts.desk import ADDRESS, another, ask, at_once, failure, let_pass, mailed_code, post_json
from tests.factories import make_user

pytestmark = pytest.mark.django_db


def attempt(client: APIClient, code: Any, email: Any = ADDRESS) -> Any:
    """Try to log in."""
    return client.post("/api/auth/login", {"email": email, "code": code})


def test_the_right_code_opens_a_session(as_nobody: APIClient, alice: User) -> None:
    began = timezone.now()
    answer = attempt(as_nobody, mailed_code(as_nobody))
    assert answer.status_code == 200
    data = answer.json()["data"]
    assert set(data) == {"token", "refreshToken", "user"}
    alice.refresh_from_db()
    assert alice.last_login is not None
    assert alice.last_login >= began
    shown = data["user"]
    assert shown["lastLoginAt"] == alice.last_login.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert shown["createdAt"].endswith("Z")
    del shown["lastLoginAt"], shown["createdAt"]
    assert shown == {
        "id": alice.id,
        "email": ADDRESS,
        "name": "Alice",
        "avatarUrl": None,
        "language": None,
        "isStaff": False,
        "statistics": {"nothingCount": 7, "codeCount": 1},
        "quota": {"requestsADay": None, "modelsAMonth": None},
    }


def test_the_token_works_as_it_stands(as_nobody: APIClient, alice: User) -> None:
    token = attempt(as_nobody, mailed_code(as_nobody)).json()["data"]["token"]
    assert token.startswith("Bearer ")
    me = APIClient(headers={"authorization": token}).get("/api/auth/me").json()["data"]
    assert me["user"]["id"] == alice.id


def test_the_case_of_the_address_does_not_matter(as_nobody: APIClient, alice: User) -> None:
    code = mailed_code(as_nobody, "ALICE@example.COM")
    assert mail.outbox[-1].to == [ADDRESS]
    assert attempt(as_nobody, f" {code} ", " Alice@Example.com ").json()["data"]["user"]["id"] == alice.id


def test_a_code_works_once(as_nobody: APIClient, alice: User) -> None:
    code = mailed_code(as_nobody)
    assert attempt(as_nobody, code).status_code == 200
    assert failure(attempt(as_nobody, code)) == (400, "VALIDATION_ERROR")
    assert Session.objects.count() == 1


def test_a_code_expires(as_nobody: APIClient, alice: User) -> None:
    code = mailed_code(as_nobody)
    let_pass(601)
    assert failure(attempt(as_nobody, code)) == (400, "VALIDATION_ERROR")


def test_a_code_works_until_it_expires(as_nobody: APIClient, alice: User) -> None:
    code = mailed_code(as_nobody)
    let_pass(590)
    assert attempt(as_nobody, code).status_code == 200


def test_only_the_newest_code_counts(as_nobody: APIClient, alice: User) -> None:
    older = mailed_code(as_nobody)
    let_pass(61)
    newer = mailed_code(as_nobody)
    if older != newer:  # one in a million
        assert failure(attempt(as_nobody, older)) == (400, "VALIDATION_ERROR")
    assert attempt(as_nobody, newer).status_code == 200


def test_a_code_to_register_does_not_log_in(as_nobody: APIClient, alice: User) -> None:
    code = mailed_code(as_nobody, purpose="REGISTER")
    assert failure(attempt(as_nobody, code)) == (400, "VALIDATION_ERROR")


def test_a_newer_code_to_register_leaves_the_code_to_log_in(as_nobody: APIClient, alice: User) -> None:
    code = mailed_code(as_nobody)
    let_pass(61)
    ask(as_nobody, purpose="REGISTER")
    assert attempt(as_nobody, code).status_code == 200


def test_a_code_is_good_for_its_own_address_only(as_nobody: APIClient, alice: User, bob: User) -> None:
    code = mailed_code(as_nobody, alice.email)
    if code != mailed_code(as_nobody, bob.email):  # one in a million
        assert failure(attempt(as_nobody, code, bob.email)) == (400, "VALIDATION_ERROR")


def test_a_neighbouring_domain_is_another_person(as_nobody: APIClient) -> None:
    """MariaDB's collation takes ä for a: the owner of exämple.com must not become somebody at example.com."""
    make_user("user@example.com")
    code = mailed_code(as_nobody, "user@exämple.com")
    assert failure(attempt(as_nobody, code, "user@exämple.com")) == (404, "NOT_FOUND")


def test_four_wrong_guesses_are_forgiven(as_nobody: APIClient, alice: User) -> None:
    code = mailed_code(as_nobody)
    for _ in range(4):
        assert failure(attempt(as_nobody, another(code))) == (400, "VALIDATION_ERROR")
    assert attempt(as_nobody, code).status_code == 200
    assert EmailVerificationCode.objects.get().attempts == 4


def test_the_fifth_wrong_guess_was_the_last(as_nobody: APIClient, alice: User) -> None:
    code = mailed_code(as_nobody)
    answers = [attempt(as_nobody, another(code)) for _ in range(5)]
    answers.append(attempt(as_nobody, code))
    assert {failure(answer) for answer in answers} == {(400, "VALIDATION_ERROR")}
    assert len({answer.content for answer in answers}) == 1  # the words do not tell which it was
    assert EmailVerificationCode.objects.get().attempts == 5


@pytest.mark.django_db(transaction=True)
def test_guesses_at_the_same_moment_do_not_exceed_the_limit(as_nobody: APIClient, settings: Settings) -> None:
    make_user(ADDRESS)
    settings.CODE_ATTEMPTS = 3
    code = mailed_code(as_nobody)
    answers = at_once(12, lambda _: attempt(APIClient(), another(code)).status_code)
    assert answers == 12 * [400]
    assert EmailVerificationCode.objects.get().attempts == 3
    assert failure(attempt(as_nobody, code)) == (400, "VALIDATION_ERROR")


@pytest.mark.django_db(transaction=True)
def test_the_right_code_at_the_same_moment_opens_one_session(as_nobody: APIClient) -> None:
    make_user(ADDRESS)
    code = mailed_code(as_nobody)
    answers = at_once(5, lambda _: attempt(APIClient(), code).status_code)
    assert sorted(answers) == [200, 400, 400, 400, 400]
    assert Session.objects.count() == 1


def test_without_an_account_the_right_code_says_so_and_stays_unspent(as_nobody: APIClient) -> None:
    code = mailed_code(as_nobody, "new@example.com")
    answer = attempt(as_nobody, code, "new@example.com")
    assert failure(answer) == (404, "NOT_FOUND")
    assert "register" in answer.json()["data"]["message"]
    assert not User.objects.exists()
    make_user("new@example.com")
    assert attempt(as_nobody, code, "new@example.com").status_code == 200


def test_without_an_account_a_wrong_code_tells_nothing(as_nobody: APIClient, alice: User) -> None:
    answers = []
    for email in (alice.email, "new@example.com"):
        answers.append(attempt(as_nobody, another(mailed_code(as_nobody, email)), email))
    answers.append(attempt(as_nobody, "123456", "never-asked@example.com"))
    assert {(answer.status_code, answer.content) for answer in answers} == {(400, answers[0].content)}


def test_a_closed_account_stays_closed(as_nobody: APIClient) -> None:
    make_user(ADDRESS, is_active=False)
    assert failure(attempt(as_nobody, mailed_code(as_nobody))) == (403, "FORBIDDEN")
    assert not Session.objects.exists()


BAD_BODIES: list[Any] = [
    {},
    [],
    None,
    {"email": ADDRESS},
    {"code": "123456"},
    {"email": ADDRESS, "code": None},
    {"email": ADDRESS, "code": ""},
    {"email": ADDRESS, "code": 123456},
    {"email": ADDRESS, "code": True},
    {"email": ADDRESS, "code": ["123456"]},
    {"email": ADDRESS, "code": "12345"},
    {"email": ADDRESS, "code": "1234567"},
    {"email": ADDRESS, "code": "12345a"},
    {"email": ADDRESS, "code": "１２３４５６"},
    {"email": ADDRESS, "code": "١٢٣٤٥٦"},
    {"email": ADDRESS, "code": "123456\0"},
    {"email": ADDRESS, "code": "1" * 100_000},
    {"email": 7, "code": "123456"},
    {"email": "alice", "code": "123456"},
]


@pytest.mark.parametrize("path", ["login", "register"])
@pytest.mark.parametrize("body", BAD_BODIES)
def test_bad_input_costs_no_guess(as_nobody: APIClient, alice: User, path: str, body: Any) -> None:
    ask(as_nobody, purpose=path)
    assert failure(post_json(as_nobody, f"/api/auth/{path}", body)) == (400, "VALIDATION_ERROR")
    assert EmailVerificationCode.objects.get().attempts == 0
    assert not Session.objects.exists()


def test_wrong_code_names_the_member(as_nobody: APIClient, alice: User) -> None:
    answer = attempt(as_nobody, another(mailed_code(as_nobody)))
    data = answer.json()["data"]
    assert data["details"] == {"code": [data["message"]]}


def test_statements_of_a_login(
    as_nobody: APIClient, alice: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    code = mailed_code(as_nobody)
    # code, guess, person, spent, last login, session; and the one number that costs a statement
    with django_assert_num_queries(7):
        assert attempt(as_nobody, code).status_code == 200


def test_nothing_personal_is_logged(as_nobody: APIClient, alice: User, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        code = mailed_code(as_nobody)
        attempt(as_nobody, another(code))
        token = attempt(as_nobody, code).json()["data"]["token"]
    for secret in (code, another(code), ADDRESS, token.removeprefix("Bearer ")):
        assert secret not in caplog.text
