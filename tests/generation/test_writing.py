"""The design step: LLMs in order, few questions, each of them paid for and written down."""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from generation import breakers, journal, operators, pipeline, queue, spending, writing
from generation.models import Breaker, GenerationRequest, ProviderCall, Stale
from lumi import clock
from lumi.accounts.models import User
from providers import registry
from providers.base import Billed, Completion, Fault, ProviderError
from tests.generation.accidents import KilledError
from tests.generation.conftest import HERE, turn, turn_to_the_end
from tests.generation.vendor import Vendor, Writer

pytestmark = pytest.mark.django_db

GOOD = '{"designs": ["一", "二", "三", "四"]}'
COUNTED = Completion(text=GOOD, tokens_in=1000, tokens_out=400)
LOST = ProviderError(Fault.NETWORK, billed=Billed.UNKNOWN, evidence="reset")
REFUSED = ProviderError(Fault.RATE_LIMITED, evidence="too fast")


@dataclass
class Dying(Writer):
    """A writer over whose question the worker is lost."""

    def complete(self, *, system: str, prompt: str) -> Completion:
        """Does not come back."""
        self.asked.append(prompt)
        raise KilledError


def second() -> Writer:
    """Named in settings.PROVIDERS."""
    return HERE["second llm"]


@pytest.fixture
def other(settings: Any) -> Writer:
    """Another LLM, second in the list."""
    HERE["second llm"] = Writer(name="second")
    settings.PROVIDERS["llm"]["second"] = f"{__name__}.second"
    settings.LLM_PROVIDERS = ["scripted", "second"]
    return HERE["second llm"]


@pytest.fixture(autouse=True)
def prices(settings: Any) -> None:
    """A thousandth a token in, a hundredth out."""
    settings.PRICES = {"scripted:words:in": 1000, "scripted:words:out": 10_000, "second:words:out": 1}


def asked_for(owner: User) -> GenerationRequest:
    """A request whose designs are to be written."""
    return pipeline.start(owner=owner, prompt="a cat")


def calls() -> list[tuple[str, str]]:
    """Who was asked, and what became of it."""
    return list(ProviderCall.objects.filter(kind="llm").order_by("id").values_list("provider", "outcome"))


def reload(request: GenerationRequest) -> GenerationRequest:
    """As it is now."""
    return GenerationRequest.objects.get(pk=request.pk)


class TestJournal:
    def test_a_line_before_the_question_and_the_answer_after_it(
        self, alice: User, writer: Writer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        writer.answers = [COUNTED]
        request = asked_for(alice)
        seen: list[ProviderCall] = []
        ask = writer.complete
        monkeypatch.setattr(writer, "complete", lambda **words: seen.append(ProviderCall.objects.get()) or ask(**words))
        turn()
        before, after = seen[0], ProviderCall.objects.get(kind="llm")
        assert (before.kind, before.job_id, before.owner_id, before.product) == ("llm", request.pk, alice.pk, "words")
        assert (before.outcome, before.answered_at) == ("", None)
        assert (after.outcome, after.cost) == ("ACCEPTED", Decimal(5))
        assert after.answer == {"tokensIn": 1000, "tokensOut": 400}
        assert before.cost > after.cost  # as if each character were a token, and the answer as long as it may be
        assert after.answered_at

    @pytest.mark.parametrize(
        ("answer", "outcome", "is_free"),
        [
            (Completion(text="no JSON at all", tokens_in=1000, tokens_out=400), "ACCEPTED", False),
            (GOOD, "ACCEPTED", False),  # of tokens nothing is said: it is the price that was expected
            (REFUSED, "REFUSED", True),
            (ProviderError(Fault.BAD_ANSWER, billed=Billed.YES), "REFUSED", False),
            (LOST, "UNKNOWN", False),
            (KeyError("a bug in the adapter"), "UNKNOWN", False),
        ],
    )
    def test_what_each_answer_costs(
        self, alice: User, writer: Writer, answer: Any, outcome: str, is_free: bool
    ) -> None:
        writer.answers = [answer]
        asked_for(alice)
        turn()
        (call,) = ProviderCall.objects.filter(kind="llm")
        assert (call.outcome, call.cost == 0) == (outcome, is_free)

    def test_each_question_has_a_name_of_its_own(self, alice: User, writer: Writer, other: Writer) -> None:
        writer.answers = [LOST]
        request = asked_for(alice)
        turn()
        names = set(ProviderCall.objects.filter(kind="llm").values_list("reference", flat=True))
        assert len(names) == 2
        assert all(name.startswith(f"{request.pk}-") for name in names)

    def test_it_is_nothing_to_be_stopped_or_counted_among_the_jobs(self, alice: User, writer: Writer) -> None:
        writer.answers = [LOST]
        request = asked_for(alice)
        turn()
        pipeline.cancel(owner=alice, request_id=request.pk)
        assert [call for call in journal.to_cancel() if call.kind == "llm"] == []
        assert {row["queue"]: row["unknown"] for row in operators.queues()} == {"design": 0, "image": 0, "model": 0}


class TestOrder:
    @pytest.mark.parametrize(
        "answer", [LOST, REFUSED, KeyError("bug"), "nonsense", '{"designs": []}', ProviderError(Fault.AUTHENTICATION)]
    )
    def test_the_next_one_is_asked(
        self, alice: User, writer: Writer, other: Writer, painter: Vendor, answer: Any
    ) -> None:
        writer.answers, other.answers = [answer], [GOOD]
        request = asked_for(alice)
        turn_to_the_end()
        assert sorted(order.prompt for order in painter.orders) == sorted("一二三四")
        assert (reload(request).status, reload(request).notice_code) == ("IMAGE_COMPLETED", "")

    def test_not_when_the_first_one_answers(self, alice: User, writer: Writer, other: Writer) -> None:
        asked_for(alice)
        turn_to_the_end()
        assert (len(writer.asked), other.asked) == (1, [])

    def test_two_questions_are_the_most_that_a_request_costs(
        self, alice: User, writer: Writer, other: Writer, settings: Any
    ) -> None:
        settings.PROVIDERS["llm"]["third"] = settings.PROVIDERS["llm"]["scripted"]
        settings.LLM_PROVIDERS = ["scripted", "second", "third"]
        writer.answers, other.answers = ["nonsense"] * 9, ["nonsense"] * 9
        request = asked_for(alice)
        turn_to_the_end()
        assert (len(writer.asked), len(other.asked)) == (1, 1)
        assert (reload(request).status, reload(request).notice_code) == ("IMAGE_COMPLETED", "PROMPT_NOT_OPTIMIZED")

    def test_one_that_cannot_be_made_is_passed_over(
        self, alice: User, writer: Writer, other: Writer, settings: Any
    ) -> None:
        settings.PROVIDERS["llm"]["scripted"] = "nowhere.at_all"
        registry.get.cache_clear()
        request = asked_for(alice)
        turn_to_the_end()
        assert (len(other.asked), reload(request).notice_code) == (1, "")


class TestALostWorker:
    @pytest.fixture
    def dying(self) -> Dying:
        """The first LLM kills workers."""
        HERE["llm"] = Dying()
        registry.get.cache_clear()
        return HERE["llm"]

    def lose(self, request: GenerationRequest) -> None:
        """A worker takes the request and is not heard of again; then its lease is over."""
        with pytest.raises(KilledError):
            turn()
        GenerationRequest.objects.update(lease_until=clock.now() - timedelta(seconds=1))

    def test_another_one_is_asked_instead(self, alice: User, dying: Dying, other: Writer) -> None:
        request = asked_for(alice)
        self.lose(request)
        turn_to_the_end()
        assert (len(dying.asked), len(other.asked)) == (1, 1)
        assert calls() == [("scripted", ""), ("second", "ACCEPTED")]
        assert (reload(request).status, reload(request).notice_code) == ("IMAGE_COMPLETED", "")

    def test_the_only_one_is_asked_twice_and_never_again(self, alice: User, dying: Dying, painter: Vendor) -> None:
        request = asked_for(alice)
        self.lose(request)
        self.lose(request)
        turn_to_the_end()
        assert len(dying.asked) == 2
        assert {order.prompt for order in painter.orders} == {"a cat"}
        assert spending.total(ProviderCall.objects.filter(kind="llm")) > 0  # it may have cost something

    def test_the_lease_is_longer_than_any_answer_takes(self, alice: User, writer: Writer, settings: Any) -> None:
        request = asked_for(alice)
        queue.claim_designs()
        writing.begin_question(reload(request), writer)
        left = reload(request).lease_until - clock.now()
        assert left > timedelta(seconds=settings.PROVIDER_SECONDS["pay"] + settings.GENERATION["lease"] / 2)
        assert queue.claim_designs() == []

    def test_a_question_that_is_no_longer_wanted_is_not_asked(self, alice: User, writer: Writer) -> None:
        request = asked_for(alice)
        pipeline.cancel(owner=alice, request_id=request.pk)
        with pytest.raises(Stale):
            writing.write_designs(request)
        assert (writer.asked, calls()) == ([], [])

    def test_cancelled_during_the_question(self, alice: User, other: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
        writer: Writer = HERE["llm"]
        request = asked_for(alice)

        def cancelled(**_: Any) -> Completion:
            pipeline.cancel(owner=alice, request_id=request.pk)
            return Completion(text="nonsense", tokens_in=1000)

        monkeypatch.setattr(writer, "complete", cancelled)
        queue.claim_designs()
        with pytest.raises(Stale):
            writing.write_designs(reload(request))
        assert (other.asked, calls()) == ([], [("scripted", "ACCEPTED")])  # paid for, written down, and no more asked


class TestBreakers:
    def breaker(self) -> Breaker | None:
        """Of the first LLM."""
        return Breaker.objects.filter(kind="llm", provider="scripted").first()

    def test_one_that_does_not_answer_is_left_alone(self, alice: User, writer: Writer, other: Writer) -> None:
        writer.answers = [LOST] * 9
        for _ in range(7):
            asked_for(alice)
            turn_to_the_end()
        assert (len(writer.asked), len(other.asked)) == (5, 7)
        assert breakers.open_ones()[0].kind == "llm"
        assert next(row for row in operators.queues() if row["queue"] == "design")["breakers"] == ["scripted submit"]

    def test_a_key_that_is_wrong_is_found_out_once(self, alice: User, writer: Writer, other: Writer) -> None:
        writer.answers = [ProviderError(Fault.AUTHENTICATION, permanent=True)] * 9
        for _ in range(3):
            asked_for(alice)
            turn_to_the_end()
        assert (len(writer.asked), len(other.asked)) == (1, 3)

    @pytest.mark.parametrize("answer", ["nonsense", REFUSED, ProviderError(Fault.CONTENT_REFUSED, permanent=True)])
    def test_one_that_answers_anything_is_there(self, alice: User, writer: Writer, answer: Any) -> None:
        breakers.failed("llm", "scripted", "submit")
        writer.answers = [answer]
        asked_for(alice)
        turn_to_the_end()
        assert self.breaker().failures == []  # type: ignore[union-attr]

    def test_a_probe_brings_it_back(self, alice: User, writer: Writer, other: Writer) -> None:
        Breaker.objects.create(
            kind="llm", provider="scripted", operation="submit", open_until=clock.now() - timedelta(seconds=1)
        )
        asked_for(alice)
        turn_to_the_end()
        assert (len(writer.asked), self.breaker().open_until) == (1, None)  # type: ignore[union-attr]

    def test_without_any_the_own_words_are_painted_at_once(self, alice: User, writer: Writer, painter: Vendor) -> None:
        Breaker.objects.create(
            kind="llm", provider="scripted", operation="submit", open_until=clock.now() + timedelta(minutes=1)
        )
        request = asked_for(alice)
        turn_to_the_end()
        assert (writer.asked, reload(request).notice_code) == ([], "PROMPT_NOT_OPTIMIZED")
        assert reload(request).status == "IMAGE_COMPLETED"


class TestBudgets:
    def test_one_that_may_not_be_paid_is_passed_over(
        self, alice: User, writer: Writer, other: Writer, settings: Any
    ) -> None:
        settings.BUDGETS = {"scripted": 1}  # less than the longest answer
        request = asked_for(alice)
        turn_to_the_end()
        assert (writer.asked, len(other.asked), reload(request).notice_code) == ([], 1, "")
        assert reload(request).design_tries == 1  # nobody was asked: nothing was counted

    def test_a_probe_that_may_not_be_paid_is_left_to_others(self, alice: User, writer: Writer, settings: Any) -> None:
        settings.BUDGETS = {"scripted": 1}
        Breaker.objects.create(
            kind="llm", provider="scripted", operation="submit", open_until=clock.now() - timedelta(seconds=1)
        )
        asked_for(alice)
        turn_to_the_end()
        assert Breaker.objects.get().probing_until is None

    def test_questions_are_counted_among_what_is_spent(self, alice: User, writer: Writer, settings: Any) -> None:
        settings.BUDGETS = {"scripted": 1000}
        writer.answers = [COUNTED]
        asked_for(alice)
        turn()
        assert spending.budgets()["scripted"].spent == 5
