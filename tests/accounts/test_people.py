"""The user model, its spelling of addresses, `createsuperuser`, and the admin."""

import io
import re
from typing import Any

import pytest
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.models import LogEntry
from django.contrib.auth import authenticate
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.test import Client
from rest_framework.test import APIClient

from lumi.accounts import conduct, sessions, tokens
from lumi.accounts.addresses import one_spelling
from lumi.accounts.models import EmailVerificationCode, Notice, Session, Strike, User
from lumi.models import AuditEntry
from tests.accounts.desk import ADDRESS, ask, code_in_last_mail
from tests.factories import make_model, make_request, make_user

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


@pytest.mark.parametrize("query", ["", "?q=ALICE@example", "?q=Alice", "?state=active", "?is_staff__exact=0"])
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


def test_a_person_is_changed_but_not_switched_off_here(desk: Client, alice: User) -> None:
    address = f"/admin/accounts/user/{alice.id}/change/"
    assert alice.email in desk.get(address).content.decode()
    assert desk.post(address, {"email": "Alicia@Example.com", "name": "Alicia"}).status_code == 302
    alice.refresh_from_db()
    assert (alice.is_active, alice.email, alice.name) == (True, "alicia@example.com", "Alicia")
    assert AuditEntry.objects.get().subject_id == alice.pk


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


def chosen(desk: Client, action: str, *people: User) -> str:
    """Choose people in the list; the page that asks for the reason."""
    form = {"action": action, ACTION_CHECKBOX_NAME: [person.pk for person in people]}
    return desk.post("/admin/accounts/user/", form).headers["Location"]


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
    page = chosen(desk, "suspend", alice)
    assert "All their sessions and API tokens end" in desk.get(page).content.decode()
    assert desk.post(page, {"reason": "spam"}).status_code == 302
    User.objects.update(is_active=True)
    assert tokens.find(text=text) is None
    assert [client.get("/api/auth/sessions").status_code for client in (as_alice, as_bob)] == [401, 200]
    assert LogEntry.objects.get().change_message == "suspend"


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


@pytest.fixture
def moderator() -> User:
    """Staff who look at people, warn and suspend them."""
    person = make_user("moderator@example.com", is_staff=True)
    codenames = ["view_user", "view_strike", "view_notice", "suspend_user"]
    person.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return person


@pytest.fixture
def room(moderator: User) -> Client:
    """The moderator's browser."""
    client = Client(headers={"accept-language": "en"})
    client.force_login(moderator)
    return client


def page_of(person: User) -> str:
    """The address of a person's page."""
    return f"/admin/accounts/user/{person.pk}/change/"


def act_on(name: str, *people: User) -> str:
    """The address of an act's page."""
    return f"/admin/accounts/user/act/{name}/?" + "&".join(f"id={person.pk}" for person in people)


class TestFinding:
    """By id, by address, by the beginning of an address or a name."""

    @pytest.mark.parametrize(
        ("term", "found"),
        [
            ("anna@example.com", {"anna@example.com"}),
            ("ANNA@example.com", {"anna@example.com"}),
            ("anna", {"anna@example.com", "annabel@example.com"}),
            ("Karen", {"annabel@example.com"}),
            ("xample", set()),
            ("anna%", set()),
            ("_nna", set()),
            ("nobody@example.com", set()),
        ],
    )
    def test_by_words(self, desk: Client, term: str, found: set[str]) -> None:
        make_user("anna@example.com", name="Bo")
        make_user("annabel@example.com", name="Karenina")
        page = desk.get("/admin/accounts/user/", {"q": term}).content.decode()
        assert {mail for mail in ("anna@example.com", "annabel@example.com") if f">{mail}<" in page} == found

    @pytest.mark.parametrize(
        ("state", "found"),
        [("active", "bob"), ("suspended", "alice"), ("leaving", "carol"), ("x", "alice")],
    )
    def test_by_state(self, desk: Client, alice: User, bob: User, state: str, found: str) -> None:
        conduct.suspend(person_id=alice.pk, reason="spam")
        make_user("carol@example.com", is_active=False, leaving="KEEP")
        page = desk.get(f"/admin/accounts/user/?state={state}").content.decode()
        shown = {name for name in ("alice", "bob", "carol") if f">{name}@example.com<" in page}
        assert found in shown
        assert state == "x" or shown == {found}

    @pytest.mark.parametrize("rows", [2, 30])
    def test_the_list_costs_the_same_however_long(
        self, desk: Client, rows: int, django_assert_num_queries: Any
    ) -> None:
        for _ in range(rows):
            conduct.warn(person_id=make_user().pk, reason="spam")
        with django_assert_num_queries(5):  # session, person, count, rows, strikes
            page = desk.get("/admin/accounts/user/").content.decode()
        assert page.count('<td class="field-strikes">1</td>') == rows

    def test_a_search_costs_little(self, desk: Client, alice: User, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(9):  # four look-ups more
            desk.get("/admin/accounts/user/?q=ali")

    @pytest.mark.parametrize("table", ["strike", "notice", "session"])
    def test_what_hangs_on_a_person_is_found_by_whose_it_is(
        self, desk: Client, as_alice: APIClient, alice: User, as_bob: APIClient, bob: User, table: str
    ) -> None:
        for person in (alice, bob):
            conduct.warn(person_id=person.pk, reason="spam")
        for term in (alice.pk, alice.email, "ali"):
            page = desk.get(f"/admin/accounts/{table}/", {"q": term}).content.decode()
            assert (">Alice<" in page or ">Alice</" in page, ">Bob<" in page or ">Bob</" in page) == (True, False), term


class TestOnePerson:
    """Everything about somebody on one page."""

    def test_shows_what_there_is_to_know(self, desk: Client, alice: User, bob: User) -> None:
        make_request(alice)
        make_model(alice, public=True)
        conduct.warn(person_id=alice.pk, reason="not so rude, please")
        page = desk.get(page_of(alice)).content.decode()
        facts = dict(re.findall(r"<dt>(.+?)</dt><dd>(?:<a href=[^>]+>)?([^<]+)", page))
        assert (facts["Requests"], facts["Models"], facts["Public models"]) == ("1", "1", "1")
        assert page.count("not so rude, please") == 3  # the strike, the notice, the audit trail
        for link in re.findall(r'<dd><a href="([^"]+)"', page):
            assert desk.get(link.replace("&amp;", "&")).status_code == 200, link

    @pytest.mark.parametrize("rows", [1, 12])
    def test_costs_the_same_however_much(
        self, desk: Client, alice: User, rows: int, django_assert_max_num_queries: Any
    ) -> None:
        for _ in range(rows):
            conduct.warn(person_id=alice.pk, reason="spam")
            sessions.start(user=alice)
        with django_assert_max_num_queries(26):
            assert desk.get(page_of(alice)).status_code == 200

    def test_who_may_not_see_the_audit_trail_does_not(self, room: Client, alice: User) -> None:
        conduct.warn(person_id=alice.pk, reason="spam")
        page = room.get(page_of(alice)).content.decode()
        assert "Audit trail" not in page
        assert "spam" in page


class TestActs:
    """Warn, suspend, restore, quota: on a page that asks for the reason."""

    def test_a_moderator_warns(self, room: Client, moderator: User, alice: User) -> None:
        assert act_on("warn", alice).replace("&", "&amp;") in room.get(page_of(alice)).content.decode()
        assert room.post(act_on("warn", alice), {"reason": "spam"}).headers["Location"] == page_of(alice)
        strike, entry = Strike.objects.get(), AuditEntry.objects.get()
        assert (strike.user, strike.reason) == (alice, "spam")
        assert strike.given_by == entry.actor == f"{moderator.name} ({moderator.pk})"

    def test_suspends_several_and_restores_them(self, room: Client, alice: User, bob: User) -> None:
        assert room.post(chosen(room, "suspend", alice, bob), {"reason": "spam"}).status_code == 302
        assert not User.objects.filter(pk__in=[alice.pk, bob.pk], is_active=True).exists()
        assert room.post(chosen(room, "restore", alice, bob), {"reason": ""}).status_code == 302
        assert User.objects.filter(pk__in=[alice.pk, bob.pk], is_active=True, suspended_at=None).count() == 2
        assert Notice.objects.count() == 4

    @pytest.mark.parametrize("reason", ["", "   ", "x" * 501])
    def test_asks_again_without_a_good_reason(self, room: Client, alice: User, reason: str) -> None:
        answer = room.post(act_on("suspend", alice), {"reason": reason})
        assert (answer.status_code, "errorlist" in answer.content.decode()) == (200, True)
        alice.refresh_from_db()
        assert alice.is_active

    def test_looking_changes_nothing(self, room: Client, alice: User) -> None:
        for name in ("warn", "suspend", "restore"):
            assert room.get(act_on(name, alice)).status_code == 200
        assert not AuditEntry.objects.exists()

    def test_a_quota_is_set_and_lifted(self, desk: Client, alice: User) -> None:
        form = {"requests_a_day": "3", "models_a_month": "0", "reason": "asked for it"}
        assert desk.post(act_on("quota", alice), form).status_code == 302
        alice.refresh_from_db()
        assert (alice.requests_a_day, alice.models_a_month) == (3, 0)
        assert 'value="3"' in desk.get(act_on("quota", alice)).content.decode()
        desk.post(act_on("quota", alice), {"requests_a_day": "", "models_a_month": "", "reason": ""})
        alice.refresh_from_db()
        assert (alice.requests_a_day, alice.models_a_month) == (None, None)
        assert [entry.after for entry in AuditEntry.objects.order_by("number")] == [
            {"requests_a_day": 3, "models_a_month": 0}, {"requests_a_day": None, "models_a_month": None},
        ]  # fmt: skip

    @pytest.mark.parametrize("number", ["-1", "1.5", "many", "1000001"])
    def test_a_quota_is_a_number(self, desk: Client, alice: User, number: str) -> None:
        assert desk.post(act_on("quota", alice), {"requests_a_day": number}).status_code == 200
        assert not AuditEntry.objects.exists()

    @pytest.mark.parametrize("name", ["warn", "suspend", "restore", "quota"])
    def test_who_may_not_sees_no_button_and_is_refused(self, clerk: Client, alice: User, name: str) -> None:
        assert "/act/" not in clerk.get(page_of(alice)).content.decode()
        assert clerk.get(act_on(name, alice)).status_code == 403
        assert clerk.post(act_on(name, alice), {"reason": "spam"}).status_code == 403

    def test_a_moderator_sets_no_quota(self, room: Client, alice: User) -> None:
        assert "/act/quota/" not in room.get(page_of(alice)).content.decode()
        assert room.post(act_on("quota", alice), {"requests_a_day": "1"}).status_code == 403

    def test_nobody_suspends_themselves_or_a_superuser(self, room: Client, moderator: User, boss: User) -> None:
        for person in (moderator, boss):
            answer = room.post(act_on("suspend", person), {"reason": "spam"}, follow=True)
            assert re.search("your own account|a superuser", answer.content.decode())
        assert User.objects.filter(is_active=True, is_staff=True).count() == 2

    def test_others_are_done_all_the_same(self, room: Client, alice: User, boss: User) -> None:
        room.post(act_on("suspend", boss, alice), {"reason": "spam"})
        assert list(User.objects.filter(suspended_at__isnull=False)) == [alice]

    def test_nobody_and_nothing(self, desk: Client) -> None:
        stone = User.objects.tombstone()
        assert desk.get(act_on("suspend")).status_code == 302
        assert desk.post(act_on("suspend", stone), {"reason": "spam"}).status_code == 302
        assert desk.get("/admin/accounts/user/act/burn/?id=x").status_code == 404
        assert not AuditEntry.objects.exists()

    def test_no_more_at_once_than_can_be_looked_at(self, room: Client) -> None:
        people = [make_user() for _ in range(51)]
        form = {"action": "suspend", ACTION_CHECKBOX_NAME: [person.pk for person in people]}
        answer = room.post("/admin/accounts/user/?all=", form, follow=True)
        assert "at most 50" in answer.content.decode()

    def test_a_stranger_s_form_is_refused(self, moderator: User, alice: User) -> None:
        browser = Client(enforce_csrf_checks=True)
        browser.force_login(moderator)
        assert browser.post(act_on("suspend", alice), {"reason": "spam"}).status_code == 403


class TestFlags:
    """E-mail, flags and groups are for who may change people; superusers are for superusers."""

    @pytest.fixture
    def administrator(self) -> Client:
        """May change people, and is no superuser."""
        person = make_user("admin@example.com", is_staff=True)
        codenames = ["view_user", "change_user", "delete_user"]
        person.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        client = Client(headers={"accept-language": "en"})
        client.force_login(person)
        return client

    def test_a_moderator_sees_no_password_and_changes_nothing(self, room: Client, alice: User) -> None:
        alice.set_password("a long password")
        alice.save()
        page = room.get(page_of(alice)).content.decode()
        for word in ("pbkdf2", "field-password", "is_superuser", "user_permissions", "field-groups"):
            assert word not in page
        assert room.post(page_of(alice), {"email": "x@example.com", "is_staff": "on"}).status_code == 403
        assert room.get(f"/admin/accounts/user/{alice.pk}/password/").status_code == 403

    def test_an_administrator_makes_staff_but_no_superusers(self, administrator: Client, alice: User) -> None:
        form = {"email": alice.email, "name": "Alice", "is_staff": "on", "is_superuser": "on", "is_active": "on"}
        assert administrator.post(page_of(alice), form).status_code == 302
        alice.refresh_from_db()
        assert (alice.is_staff, alice.is_superuser) == (True, False)

    def test_an_administrator_does_not_touch_a_superuser(self, administrator: Client, boss: User, alice: User) -> None:
        assert administrator.post(page_of(boss), {"email": "mine@example.com"}).status_code == 403
        for page in ("password", "delete"):
            assert administrator.post(f"/admin/accounts/user/{boss.pk}/{page}/", {"post": "yes"}).status_code == 403
        form = {"action": "delete_selected", ACTION_CHECKBOX_NAME: [boss.pk, alice.pk], "post": "yes"}
        assert administrator.post("/admin/accounts/user/", form).status_code == 403
        assert User.objects.filter(pk__in=[boss.pk, alice.pk]).count() == 2

    @pytest.mark.parametrize("table", ["strike", "notice"])
    def test_strikes_and_notices_are_for_looking(self, desk: Client, alice: User, table: str) -> None:
        strike = conduct.warn(person_id=alice.pk, reason="spam")
        row = strike.pk if table == "strike" else Notice.objects.get().pk
        for page in ("", f"{row}/change/"):
            assert "spam" in desk.get(f"/admin/accounts/{table}/{page}").content.decode()
        assert desk.get(f"/admin/accounts/{table}/add/").status_code == 403
        for page in ("change", "delete"):
            assert desk.post(f"/admin/accounts/{table}/{row}/{page}/", {"post": "yes"}).status_code == 403
