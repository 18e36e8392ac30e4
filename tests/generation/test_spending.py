"""What calls cost, what a month has cost, and what a budget still allows."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from threading import Barrier
from typing import Any

import pytest
from django.db import connection

from generation import journal, queue, spending
from generation.models import ImageGenerationJob, ModelGenerationJob, ProviderCall
from generation.spending import Month
from lumi import clock
from lumi.accounts.models import User
from providers.base import Billed, Completion, Fault, JobState, ProviderError, RemoteFile, Report
from tests.factories import make_request, make_user
from tests.generation.accidents import ORDER, model_job
from tests.generation.conftest import turn, turn_to_the_end, work
from tests.generation.vendor import Vendor

pytestmark = pytest.mark.django_db

PRICE = Decimal("0.25")
NOVEMBER = Month(2026, 11)


@pytest.fixture(autouse=True)
def prices(settings: Any) -> None:
    """Of the scripted vendors and the scripted writer."""
    settings.PRICES = {
        "scripted:work": 0.25, "scripted:words:in": 1, "scripted:words:out": 2.5, "second:work": 1, "odd:work": "much",
    }  # fmt: skip


def spent(**fields: Any) -> ProviderCall:
    """A call that has cost something."""
    number = ProviderCall.objects.count()
    known = {"reference": f"call-{number}", "kind": "image", "job_id": "x", "provider": "scripted", "cost": PRICE}
    return ProviderCall.objects.create(**known | fields)


def error(billed: Billed, fault: Fault = Fault.JOB_FAILED, **fields: Any) -> ProviderError:
    """A provider's no."""
    return ProviderError(fault, billed=billed, permanent=True, **fields)


def report(state: JobState, units: Any = None, failure: ProviderError | None = None) -> Report:
    """A provider's word on a job."""
    files = (RemoteFile(role="glb", url="https://vendor.test/x.glb"),) if state == JobState.DONE else ()
    return Report(state=state, ref="r", files=files, units=units, error=failure)


class TestPrices:
    @pytest.mark.parametrize(
        ("provider", "product", "units", "expected"),
        [
            ("scripted", "work", 1, "0.25"),
            ("scripted", "work", 20, "5"),
            ("scripted", "work", 0.5, "0.125"),
            ("scripted", "work", 0, "0"),
            ("scripted", "another", 7, "0"),
            ("offline", "", 1, "0"),
            ("odd", "work", 1, "0"),  # of which the system checks speak
            ("scripted", "work", -1, "0"),
            ("scripted", "work", float("nan"), "0"),
            ("scripted", "work", float("inf"), "0"),
            ("scripted", "work", True, "0"),
        ],
    )
    def test_of_units(self, provider: str, product: str, units: Any, expected: str) -> None:
        assert spending.price(provider, product, units) == Decimal(expected)

    @pytest.mark.parametrize(
        ("tokens_in", "tokens_out", "expected"),
        [(1_000_000, 0, "1"), (0, 1_000_000, "2.5"), (600, 700, "0.00235"), (1, 0, "0.000001"), (-5, 10**40, "0")],
    )
    def test_of_tokens(self, tokens_in: int, tokens_out: int, expected: str) -> None:
        assert spending.price_of_tokens("scripted", "words", tokens_in, tokens_out) == Decimal(expected)

    def test_nothing_costs_more_than_a_column_holds(self, settings: Any) -> None:
        settings.PRICES = {"scripted:work": 99_999_999}
        spent(cost=spending.price("scripted", "work", 99_999_999))
        assert spending.total(ProviderCall.objects.all()) < spending.MOST

    @pytest.mark.parametrize(
        ("answer", "expected"),
        [
            (report(JobState.QUEUED), None),
            (report(JobState.DONE), None),
            (report(JobState.DONE, 4), "1"),
            (report(JobState.DONE, 0), "0"),
            (report(JobState.DONE, -3), None),
            (report(JobState.DONE, float("nan")), None),
            (report(JobState.FAILED), "0"),
            (report(JobState.FAILED, failure=error(Billed.NO)), "0"),
            (report(JobState.FAILED, failure=error(Billed.YES)), None),
            (report(JobState.FAILED, failure=error(Billed.UNKNOWN)), None),
            (report(JobState.FAILED, failure=error(Billed.NO, Fault.JOB_LOST)), None),  # it was taken, after all
            (error(Billed.NO), "0"),
            (error(Billed.YES), None),
            (error(Billed.UNKNOWN), None),
            (Completion(text="", tokens_in=1_000_000, tokens_out=2_000_000), "6"),
            (Completion(text=""), None),
        ],
    )
    def test_what_an_answer_says_of_the_cost(self, answer: Any, expected: str | None) -> None:
        product = "words" if isinstance(answer, Completion) else "work"
        assert spending.cost_by("scripted", product, answer) == (None if expected is None else Decimal(expected))


class TestACall:
    """Its line in the journal, from before the call to the end of the job."""

    def cost(self) -> Decimal:
        """Of the only call."""
        return ProviderCall.objects.get().cost

    def test_bears_owner_product_and_price_before_it_is_made(self, alice: User, builder: Vendor) -> None:
        make_request(alice, status="MODEL_PENDING")
        seen: list[Any] = []
        builder.during["submit"] = lambda: seen.append(ProviderCall.objects.get())
        turn()
        assert (seen[0].owner_id, seen[0].product, seen[0].cost) == (alice.pk, "work", PRICE)

    def test_of_a_job_that_takes_many_units(self, alice: User, builder: Vendor) -> None:
        builder.usual_units = 20  # type: ignore[attr-defined]
        make_request(alice, status="MODEL_PENDING")
        turn()
        assert self.cost() == 20 * PRICE

    @pytest.mark.parametrize(
        ("answer", "expected"),
        [
            (None, PRICE),
            (error(Billed.NO), 0),
            (error(Billed.YES), PRICE),
            (error(Billed.UNKNOWN), PRICE),
            (KeyError("a bug in the adapter"), PRICE),
            (report(JobState.DONE, 3), 3 * PRICE),
            (report(JobState.FAILED, failure=error(Billed.NO, Fault.INVALID_INPUT)), 0),
        ],
    )
    def test_by_the_answer_to_its_submit(self, alice: User, builder: Vendor, answer: Any, expected: Any) -> None:
        if answer is not None:
            builder.say("submit", answer)
        make_request(alice, status="MODEL_PENDING")
        turn()
        assert self.cost() == expected

    @pytest.mark.parametrize(
        ("said", "expected"),
        [
            (report(JobState.DONE), PRICE),
            (report(JobState.DONE, 8), 8 * PRICE),
            (report(JobState.FAILED, failure=error(Billed.NO, Fault.INVALID_INPUT)), 0),
            (report(JobState.FAILED, failure=error(Billed.YES)), PRICE),
            (report(JobState.FAILED, failure=error(Billed.UNKNOWN, Fault.JOB_LOST)), PRICE),
        ],
    )
    def test_by_the_last_poll(self, alice: User, builder: Vendor, said: Report, expected: Any) -> None:
        builder.say("poll", said)
        make_request(alice, status="MODEL_PENDING")
        turn_to_the_end()
        assert self.cost() == expected

    def test_keeps_the_price_of_what_was_bought_though_another_product_is_sold_by_now(
        self, alice: User, builder: Vendor
    ) -> None:
        builder.say("poll", report(JobState.DONE, 2))
        make_request(alice, status="MODEL_PENDING")
        turn()
        builder.product = "something dearer"
        turn_to_the_end()
        assert self.cost() == 2 * PRICE

    def test_each_try_costs_for_itself(self, alice: User, builder: Vendor) -> None:
        builder.say("submit", ProviderError(Fault.UNAVAILABLE))
        make_request(alice, status="MODEL_PENDING")
        turn_to_the_end()
        assert list(ProviderCall.objects.order_by("id").values_list("cost", flat=True)) == [0, PRICE]

    def test_is_kept_when_its_request_and_its_owner_are_gone(self, alice: User, builder: Vendor) -> None:
        make_request(alice, status="MODEL_PENDING")
        turn()
        alice.delete()
        assert ProviderCall.objects.get().owner_id
        assert spending.total(ProviderCall.objects.all()) == PRICE

    def test_of_a_provider_that_cannot_be_made(self, settings: Any) -> None:
        settings.PROVIDERS["model"]["scripted"] = "nowhere.at_all"
        assert spending.expected("model", "scripted") == spending.expected("model", "nobody") == ("", 0)

    def test_an_answer_that_waits_in_a_file_bears_it(
        self, alice: User, monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Any
    ) -> None:
        settings.DATA_DIR = tmp_path
        make_request(alice, status="MODEL_PENDING")
        ModelGenerationJob.objects.update(provider="scripted")
        journal.sent(model_job(), ORDER)
        with monkeypatch.context() as patch:
            patch.setattr(journal, "write_patiently", lambda *_: False)
            journal.answered(model_job(), report(JobState.DONE, 2))
        (file,) = journal.spooled()
        assert Decimal(json.loads(file.read_text())["cost"]) == 2 * PRICE
        journal.read_spool(file)
        assert self.cost() == 2 * PRICE


class TestMonths:
    @pytest.mark.parametrize("text", ["", "2026", "2026-13", "2026-00", "november", "9999-12", "2026-11-01", "-1-01"])
    def test_that_are_none(self, text: str) -> None:
        with pytest.raises(ValueError):  # noqa: PT011  whatever it says
            Month.read(text)

    @pytest.mark.parametrize(
        ("text", "begins", "ends"),
        [
            ("2026-11", datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)),
            ("2026-12", datetime(2026, 12, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),
        ],
    )
    def test_end_where_the_next_begins(self, text: str, begins: datetime, ends: datetime) -> None:
        month = Month.read(text)
        assert (str(month), month.begins, month.ends) == (text, begins, ends)

    def test_from_the_first_call_to_now(self) -> None:
        now = spending.this_month()
        assert spending.months() == [now]
        spent(sent_at=now.begins - timedelta(days=70))
        assert spending.months()[0] == now
        assert len(spending.months()) in (3, 4)


class TestSums:
    @pytest.fixture(autouse=True)
    def november(self, alice: User, bob: User) -> None:
        """Some calls at the edges of the month and inside of it."""
        second = timedelta(seconds=1)
        begins, ends = NOVEMBER.begins, NOVEMBER.ends
        spent(sent_at=begins - second, owner_id=alice.pk, cost=100)
        spent(sent_at=begins, owner_id=alice.pk, product="work")
        spent(sent_at=ends - second, owner_id=bob.pk, product="work")
        spent(sent_at=begins + timedelta(days=3), owner_id=bob.pk, provider="second", kind="model", cost=2)
        spent(sent_at=ends, owner_id=bob.pk, cost=100)

    def rows(self, found: Any, word: str) -> list[tuple[Any, int, Decimal]]:
        """What it is by, how many, how much."""
        return [(row[word], row["calls"], row["cost"]) for row in found]

    def test_by_provider(self, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(1):
            found = self.rows(spending.by_provider(NOVEMBER), "provider")
        assert found == [("second", 1, 2), ("scripted", 2, 2 * PRICE)]

    def test_by_product(self) -> None:
        found = [tuple(row.values()) for row in spending.by_product(NOVEMBER)]
        assert found == [("second", "model", "", 1, 2), ("scripted", "image", "work", 2, 2 * PRICE)]

    def test_by_person(self, alice: User, bob: User) -> None:
        found = self.rows(spending.by_person(NOVEMBER), "owner_id")
        assert found == [(bob.pk, 2, 2 + PRICE), (alice.pk, 1, PRICE)]
        assert spending.addresses([alice.pk, "gone"]) == {alice.pk: "alice@example.com"}

    def test_by_day(self) -> None:
        found = [(str(row["day"]), row["calls"], row["cost"]) for row in spending.by_day(NOVEMBER)]
        assert found == [("2026-11-01", 1, PRICE), ("2026-11-04", 1, 2), ("2026-11-30", 1, PRICE)]

    def test_all_sums_are_the_same(self) -> None:
        whole = spending.total(spending.of_month(NOVEMBER))
        for by in (spending.by_provider, spending.by_product, spending.by_person, spending.by_day):
            assert sum(row["cost"] for row in by(NOVEMBER)) == whole

    def test_a_thousand_cents_are_ten(self) -> None:
        ProviderCall.objects.all().delete()
        for _ in range(100):
            spent(cost=Decimal("0.1"), sent_at=NOVEMBER.begins)
        assert spending.total(spending.of_month(NOVEMBER)) == 10


class TestBudgets:
    @pytest.mark.parametrize(
        ("budget", "percent", "is_near", "left"),
        [
            (10, 10, False, 9),
            (1.25, 80, True, Decimal("0.25")),
            (1.26, 79, False, Decimal("0.26")),
            (1, 100, True, 0),
            (0.5, 200, True, Decimal("-0.5")),
            (0, 100, True, -1),
            ("ten", 100, True, -1),
            (None, 100, True, -1),
        ],
    )
    def test_how_much_is_used(self, settings: Any, budget: Any, percent: int, is_near: bool, left: Any) -> None:
        settings.BUDGETS = {"scripted": budget}
        spent(cost=1)
        found = spending.budgets()["scripted"]
        assert (found.percent, found.is_near, found.left) == (percent, is_near, left)

    @pytest.mark.parametrize(
        ("budget", "orders"), [(0, 0), (0.24, 0), (0.25, 1), (0.74, 2), (0.75, 3), (-1, 0), ("much", 0)]
    )
    def test_how_many_orders_it_allows(self, settings: Any, budget: Any, orders: int) -> None:
        settings.BUDGETS = {"scripted": budget}
        assert spending.room("image", "scripted") == orders
        assert ("scripted" in spending.exhausted("image")) == (orders == 0)
        assert spending.room("image", "second") > 1_000_000

    def test_is_over_all_kinds_and_for_this_month_only(self, settings: Any) -> None:
        settings.BUDGETS = {"scripted": 1}
        spent(cost=100, sent_at=spending.this_month().begins - timedelta(seconds=1))
        spent(cost=100, provider="second")
        assert spending.room("image", "scripted") == 4
        for kind in ("image", "model", "llm"):
            spent(kind=kind)
        assert spending.room("model", "scripted") == 1
        assert spending.allows("scripted", PRICE)
        assert not spending.allows("scripted", PRICE + spending.EXACT)

    def test_an_order_that_is_sent_again_does_not_stand_in_its_own_way(self, settings: Any) -> None:
        settings.BUDGETS = {"scripted": 0.25}
        spent(reference="a-1")
        assert (spending.room("image", "scripted"), spending.room("image", "scripted", but="a-1")) == (0, 1)

    def test_without_a_price_it_ends_when_it_is_used_up(self, settings: Any) -> None:
        settings.PRICES, settings.BUDGETS = {}, {"scripted": 1}
        assert spending.exhausted("image") == frozenset()
        spent(cost=1)
        assert spending.exhausted("image") == {"scripted"}

    def test_none_cost_no_statement(self, django_assert_num_queries: Any) -> None:
        with django_assert_num_queries(0):
            assert (spending.budgets(), spending.exhausted("image")) == ({}, frozenset())
            assert spending.allows("scripted", PRICE)

    def test_what_it_does_not_allow_is_not_submitted(self, alice: User, builder: Vendor, settings: Any) -> None:
        settings.BUDGETS = {"scripted": 0.6}
        for _ in range(4):
            make_request(alice, status="MODEL_PENDING")
        turn_to_the_end()
        assert len(builder.orders) == 2
        settings.BUDGETS = {"scripted": 0.75}
        turn_to_the_end()
        assert len(builder.orders) == 3


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    """Many workers, and one budget: whatever they do, it is not exceeded."""

    def all_at_once(self, works: list[Callable[[], Any]]) -> None:
        """All started together, each with a connection of its own."""
        barrier = Barrier(len(works))

        def run(do: Callable[[], Any]) -> None:
            try:
                barrier.wait(timeout=20)
                do()
            finally:
                connection.close()

        with ThreadPoolExecutor(len(works)) as pool:
            list(pool.map(run, works))

    def test_of_both_kinds(self, builder: Vendor, painter: Vendor, settings: Any) -> None:
        settings.BUDGETS = {"scripted": 1}
        for _ in range(4):
            make_request(make_user(), status="MODEL_PENDING")
        images = make_request(make_user())
        ImageGenerationJob.objects.of_request(images.pk).update(next_at=clock.now())
        images.images.update(prompt="a cat")
        claims = [(kind, claim) for kind in queue.JOBS for claim in queue.claim(kind)]
        assert len(claims) == 8
        jobs = [queue.jobs_of(kind).claimed(*claim) for kind, claim in claims]
        self.all_at_once([lambda job=job: work(job) for job in jobs])  # type: ignore[misc]
        assert len(builder.ledger) + len(painter.ledger) == 4
        assert spending.total(ProviderCall.objects.all()) == 1
