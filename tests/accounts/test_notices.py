"""What people are told: kept to be read, mailed until it has worked or is given up."""

from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.db.models import F
from pytest_django import Settings
from rest_framework.test import APIClient

from generation import sweeps
from lumi.accounts import erasure, notices
from lumi.accounts.models import Notice, NoticeKind, User
from tests.accounts.desk import ADDRESS, at_once, failure
from tests.factories import make_user

pytestmark = pytest.mark.django_db(transaction=True)
LIST, READ = "/api/me/notices", "/api/me/notices/read"


def tell(person: User, kind: NoticeKind = NoticeKind.MODEL_HIDDEN, **fields: Any) -> Notice:
    """Somebody's model was hidden, if nothing else is said."""
    return notices.tell(user_id=person.pk, kind=kind, **{"about": "m1", "name": "Cat", "reason": "a weapon", **fields})


def let_pass(span: timedelta) -> None:
    """As if it had been meant for earlier."""
    Notice.objects.filter(mail_at__isnull=False).update(mail_at=F("mail_at") - span)


class TestReading:
    """`GET /api/me/notices`."""

    def test_one(self, as_alice: APIClient, alice: User) -> None:
        notice = tell(alice)
        (shown,) = as_alice.get(LIST).json()["data"]
        assert shown.pop("createdAt").endswith("Z")
        assert shown == {
            "id": notice.pk,
            "kind": "MODEL_HIDDEN",
            "modelId": "m1",
            "modelName": "Cat",
            "message": "Your model “Cat” was hidden. Nobody but you can see it.",
            "reason": "a weapon",
            "readAt": None,
        }

    def test_what_there_is_not_is_null(self, as_alice: APIClient, alice: User) -> None:
        tell(alice, NoticeKind.RESTORED, about="", name="", reason="")
        (shown,) = as_alice.get(LIST).json()["data"]
        assert (shown["modelId"], shown["modelName"], shown["reason"]) == (None, None, None)

    @pytest.mark.parametrize("kind", NoticeKind)
    def test_each_kind_is_a_sentence(self, as_alice: APIClient, alice: User, kind: NoticeKind) -> None:
        tell(alice, kind)
        (shown,) = as_alice.get(LIST).json()["data"]
        assert shown["message"].endswith(".")
        assert ("“Cat”" in shown["message"]) == (kind not in notices.ABOUT_ACCOUNT)

    def test_a_page_the_newest_first_of_one_s_own(self, as_alice: APIClient, alice: User, bob: User) -> None:
        ids = [tell(alice).pk for _ in range(3)]
        tell(bob)
        answer = as_alice.get(LIST, {"limit": 2, "offset": 1})
        assert [row["id"] for row in answer.json()["data"]] == [ids[1], ids[0]]
        assert answer["X-Total-Count"] == "3"
        assert failure(as_alice.get(LIST, {"limit": 0})) == (400, "VALIDATION_ERROR")

    @pytest.mark.parametrize("rows", [1, 20])
    def test_costs_the_same_however_long(
        self, as_alice: APIClient, alice: User, rows: int, django_assert_num_queries: Any
    ) -> None:
        for _ in range(rows):
            tell(alice)
        with django_assert_num_queries(3):  # the person, the count, the rows
            assert len(as_alice.get(LIST).json()["data"]) == rows

    def test_all_are_read(self, as_alice: APIClient, alice: User, bob: User) -> None:
        tell(alice)
        tell(bob)
        assert as_alice.post(READ).status_code == 200
        first = as_alice.get(LIST).json()["data"][0]["readAt"]
        assert first is not None
        as_alice.post(READ)
        assert as_alice.get(LIST).json()["data"][0]["readAt"] == first
        assert Notice.objects.get(user=bob).read_at is None

    def test_go_with_their_person(self, alice: User) -> None:
        tell(alice)
        erasure.erase(person_id=alice.pk)
        assert not Notice.objects.exists()


class TestMails:
    """`send_due`, for the sweep."""

    def test_is_mailed_once(self, alice: User) -> None:
        tell(alice)
        for _ in range(2):
            sweeps.sweep()
        (message,) = mail.outbox
        assert message.to == [ADDRESS]
        assert Notice.objects.get().mail_at is None

    @pytest.mark.parametrize(("language", "words"), [("en", "The reason: a weapon"), ("", "a weapon")])
    def test_says_it_in_text_and_html(self, alice: User, language: str, words: str) -> None:
        User.objects.update(language=language)
        tell(alice, name="<b>Cat</b>")
        notices.send_due()
        (message,) = mail.outbox
        ((html, kind),) = message.alternatives
        assert (words in message.body, words in html, kind) == (True, True, "text/html")
        assert ("“<b>Cat</b>”" in message.body or "<b>Cat</b>" in message.body, "&lt;b&gt;Cat" in html) == (True, True)
        assert "Cat" not in message.subject

    def test_tells_what_can_be_done(self, alice: User) -> None:
        User.objects.update(language="en")
        tell(alice)
        notices.send_due()
        assert "appeal once" in mail.outbox[0].body

    def test_who_has_no_address_has_the_row(self, db: None) -> None:
        tell(make_user("u1@gateway.invalid"))
        notices.send_due()
        assert (mail.outbox, Notice.objects.get().mail_at) == ([], None)

    def test_of_sweeps_at_the_same_moment_one_sends_it(self, alice: User) -> None:
        tell(alice)
        at_once(4, lambda _: notices.send_due())
        assert len(mail.outbox) == 1

    def test_a_round_has_an_end(self, alice: User) -> None:
        for _ in range(notices.MOST_MAILS + 2):
            tell(alice)
        notices.send_due()
        assert len(mail.outbox) == notices.MOST_MAILS
        notices.send_due()
        assert len(mail.outbox) == notices.MOST_MAILS + 2

    def test_the_oldest_first(self, alice: User, bob: User) -> None:
        tell(bob)
        tell(alice)
        let_pass(timedelta(0))
        Notice.objects.filter(user=alice).update(mail_at=F("mail_at") - timedelta(hours=1))
        notices.send_due()
        assert [message.to for message in mail.outbox] == [[ADDRESS], [bob.email]]

    def test_nothing_due_costs_two_statements(self, db: None, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(2):  # the clock, the question
            notices.send_due()


class TestAwayServer:
    """Tried again, later and later; given up in the end."""

    @pytest.fixture(autouse=True)
    def silence(self, settings: Settings) -> None:
        """The mail server does not answer."""
        settings.EMAIL_BACKEND = "tests.accounts.desk.SilentServer"

    def test_one_try_is_enough_to_see_it(self, alice: User, bob: User) -> None:
        tell(alice)
        tell(bob)
        notices.send_due()
        assert sorted(Notice.objects.values_list("mail_tries", flat=True)) == [0, 1]

    def test_is_tried_again_later_and_later(self, alice: User, settings: Settings) -> None:
        tell(alice)
        for number, wait in enumerate(notices.WAITS, start=1):
            notices.send_due()
            notices.send_due()
            assert Notice.objects.get().mail_tries == number
            let_pass(wait - timedelta(seconds=30))
            notices.send_due()
            assert Notice.objects.get().mail_tries == number
            let_pass(timedelta(seconds=31))
        settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
        notices.send_due()
        assert (len(mail.outbox), Notice.objects.get().mail_at) == (1, None)

    def test_is_given_up(self, alice: User) -> None:
        tell(alice)
        for _ in range(len(notices.WAITS) + 3):
            notices.send_due()
            let_pass(notices.WAITS[-1])
        notice = Notice.objects.get()
        assert (notice.mail_at, notice.mail_tries) == (None, len(notices.WAITS) + 1)

    def test_an_address_that_is_refused_is_given_up_at_once(self, alice: User, bob: User, settings: Settings) -> None:
        settings.EMAIL_BACKEND = "tests.accounts.desk.PickyServer"
        tell(alice)
        tell(bob)
        notices.send_due()
        assert not Notice.objects.filter(mail_at__isnull=False).exists()
