"""`manage.py recount`: kept counters are proven, and mended without losing what happens at that moment."""

from collections.abc import Sequence
from threading import Thread

import pytest
from django.db import connection
from pytest_django import DjangoAssertNumQueries

from gallery import counters
from gallery.models import Model, Report
from interactions.actions import toggle
from interactions.models import Kind, ModelInteraction
from lumi import audit, tallies
from lumi.accounts.models import User
from lumi.models import AuditEntry
from lumi.tallies import Difference, Page
from tests.factories import make_model, make_user
from tests.lumi.console import failing, run, script


@pytest.fixture
def model(alice: User, bob: User) -> Model:
    """Everybody can see it; Bob likes and keeps it, and has reported it."""
    model = make_model(alice, public=True)
    for kind in Kind:
        toggle(user=bob, model_id=model.pk, kind=kind)
    Report.objects.create(model=model, reporter=bob, reason=Report.Reason.SPAM)
    Model.objects.filter(pk=model.pk).update(open_reports=1)
    model.refresh_from_db()
    return model


COUNTERS = ["like_count", "favorite_count", "open_reports"]


@pytest.mark.django_db
class TestLooking:
    def test_finds_nothing_where_all_is_right(self, model: Model) -> None:
        found = script("recount")
        assert found["rows"] == {f"models.{counter}": 1 for counter in COUNTERS}
        assert found["wrong"] == {f"models.{counter}": 0 for counter in COUNTERS}
        assert found["differences"] == []

    @pytest.mark.parametrize("counter", COUNTERS)
    @pytest.mark.parametrize("kept", [0, 7])
    def test_tells_what_differs_and_leaves_it(self, model: Model, counter: str, kept: int) -> None:
        Model.objects.filter(pk=model.pk).update(**{counter: kept})
        page, reason = failing("recount")
        assert reason.startswith("1 counter(s) are wrong")
        assert [model.pk, counter, str(kept), "1"] in map(str.split, page.splitlines())
        assert getattr(Model.objects.get(), counter) == kept
        assert not AuditEntry.objects.exists()

    def test_says_what_cannot_be_proven(self, db: None) -> None:
        assert "view_count and download_count have no rows behind them" in run("recount")

    def test_closed_reports_do_not_count(self, model: Model) -> None:
        Report.objects.update(state=Report.State.DISMISSED, is_open=None)
        assert failing("recount")[1].startswith("1 counter(s)")

    def test_goes_in_pages_of_few_statements(
        self, alice: User, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: DjangoAssertNumQueries
    ) -> None:
        monkeypatch.setattr(counters, "SIZE", 4)
        for _ in range(10):
            make_model(alice, finished=False)
        with django_assert_num_queries(3 * (1 + 1) + 1 + 3 * (1 + 2) + 1):  # rows and countings of three pages, the end
            assert tallies.recount(mend=False).rows == {f"models.{counter}": 10 for counter in COUNTERS}


@pytest.mark.django_db
class TestMending:
    def test_writes_what_was_counted(self, model: Model) -> None:
        Model.objects.update(like_count=5, favorite_count=0, open_reports=9)
        assert "mended" in run("recount", "--mend")
        assert run("recount")
        mended = Model.objects.get()
        assert [getattr(mended, counter) for counter in COUNTERS] == [1, 1, 1]
        assert mended.updated_at == model.updated_at

    def test_is_one_line_of_the_audit_trail(self, model: Model) -> None:
        Model.objects.update(like_count=5, open_reports=9)
        run("recount", "--mend", "--by", "Kim")
        (line,) = audit.lines()
        assert (line.action, line.actor, line.subject_type) == ("recounted", "operator Kim", "instance")
        assert line.after == {"models.like_count": 1, "models.open_reports": 1}

    def test_is_no_line_where_nothing_was_wrong(self, model: Model) -> None:
        run("recount", "--mend")
        assert not AuditEntry.objects.exists()

    def test_is_written_down_when_it_is_broken_off(
        self, model: Model, monkeypatch: pytest.MonkeyPatch, settings: pytest.FixtureRequest
    ) -> None:
        Model.objects.update(open_reports=9)
        settings.RECOUNTS = ["gallery.counters.recount", "lumi.nowhere"]  # type: ignore[attr-defined]
        with pytest.raises(ImportError):
            tallies.recount(mend=True)
        assert [line.after for line in audit.lines()] == [{"models.open_reports": 1}]


@pytest.mark.django_db(transaction=True)
class TestWhileItIsUsed:
    def test_a_like_at_this_moment_is_not_lost(self, model: Model) -> None:
        """Somebody likes it after the likes were counted and before the counter is written: they have to wait."""
        Model.objects.update(like_count=5)
        liking = Thread(target=like, args=(make_user(), model.pk))

        def count_while_somebody_likes(ids: Sequence[str]) -> dict[str, int]:
            counted = counters.by_model(ModelInteraction.objects.filter(model__in=ids, type=Kind.LIKE))
            if connection.in_atomic_block:
                liking.start()
                liking.join(0.5)
            return counted

        pages = list(counters.proven({"like_count": count_while_somebody_likes}, mend=True))
        liking.join()
        assert pages[1] == Page("models", ("like_count",), 1, (Difference("like_count", model.pk, 5, 1),))
        assert Model.objects.get().like_count == 2 == ModelInteraction.objects.filter(type=Kind.LIKE).count()

    def test_a_like_between_two_reads_is_no_difference(self, model: Model) -> None:
        def count_after_somebody_likes(ids: Sequence[str]) -> dict[str, int]:
            if not connection.in_atomic_block:
                like(make_user(), model.pk)
            return counters.by_model(ModelInteraction.objects.filter(model__in=ids, type=Kind.LIKE))

        pages = list(counters.proven({"like_count": count_after_somebody_likes}, mend=False))
        assert [page.differences for page in pages] == [(), ()]

    def test_many_people_and_many_recounts_at_once(self, model: Model) -> None:
        Model.objects.update(like_count=40)
        people = [make_user() for _ in range(8)]
        threads = [Thread(target=like, args=(person, model.pk)) for person in people]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            tallies.recount(mend=True)
        tallies.recount(mend=True)
        assert Model.objects.get().like_count == 9
        assert tallies.recount(mend=False).is_good


def like(person: User, model_id: str) -> None:
    """As the API does, in a thread of its own."""
    try:
        toggle(user=person, model_id=model_id, kind=Kind.LIKE)
    finally:
        if not connection.in_atomic_block:
            connection.close()
