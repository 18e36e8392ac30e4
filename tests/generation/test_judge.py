"""A judge that reads prompts before anything is paid: what it refuses ends, and one that fails refuses nothing."""

from collections.abc import Iterator
from threading import Event
from typing import Any

import pytest
from rest_framework.test import APIClient

from generation import pipeline
from generation.models import GeneratedImage, GenerationRequest, ImageGenerationJob, JobEvent, ProviderCall
from lumi import wordfilter
from lumi.accounts.models import User
from lumi.wordfilter import ALLOWED, Verdict
from tests.generation.conftest import turn, turn_to_the_end
from tests.generation.vendor import Vendor, Writer

heard: list[str] = []
open_at_last = Event()


def strict(text: str) -> Verdict:
    """Refuses what has a cat in it."""
    heard.append(text)
    return Verdict(allowed="cat" not in text, evidence="a cat, 99 %")


def broken(text: str) -> Verdict:
    """Its service is away."""
    raise ConnectionError(text)


def hanging(text: str) -> Verdict:
    """Answers when it is too late."""
    open_at_last.wait(30)
    return Verdict(allowed=False)


@pytest.fixture
def judge(settings: Any) -> Iterator[Any]:
    """Put one in office."""
    heard.clear()
    open_at_last.clear()

    def appoint(verdict: Any) -> None:
        settings.TEXT_JUDGE = f"{__name__}.{verdict.__name__}" if verdict else ""

    yield appoint
    open_at_last.set()
    for _ in range(wordfilter.MOST_AT_WORK):
        assert wordfilter.PLACES.acquire(timeout=10), "they end"
    for _ in range(wordfilter.MOST_AT_WORK):
        wordfilter.PLACES.release()


@pytest.mark.django_db
class TestJudge:
    def ask(self, owner: User, prompt: str = "a cat", **options: Any) -> GenerationRequest:
        """A request, as far as it goes by itself."""
        request = pipeline.start(owner=owner, prompt=prompt, **options)
        turn_to_the_end()
        request.refresh_from_db()
        return request

    @pytest.mark.parametrize("optimize", [True, False])
    def test_a_refusal_ends_the_request_and_nothing_was_paid(
        self, alice: User, judge: Any, writer: Writer, painter: Vendor, optimize: bool
    ) -> None:
        judge(strict)
        request = self.ask(alice, optimize_prompt=optimize)
        assert (request.status, request.ended_from, request.error_code) == ("FAILED", "IMAGE_PENDING", "UNWELCOME")
        assert (request.next_at, request.lease_until, request.deadline_at) == (None, None, None)
        assert set(GeneratedImage.objects.values_list("status", "error_code")) == {("FAILED", "UNWELCOME")}
        jobs = ImageGenerationJob.objects.values_list("stage", "status", "error_code", "error_text")
        assert set(jobs) == {("ENDED", "FAILED", "UNWELCOME", "a cat, 99 %")}
        assert not writer.asked
        assert not painter.ledger
        assert not ProviderCall.objects.exists()
        assert JobEvent.objects.filter(event="FAILED").count() == 4

    def test_the_person_reads_a_sentence_and_not_the_evidence(
        self, alice: User, as_alice: APIClient, judge: Any
    ) -> None:
        judge(strict)
        request = self.ask(alice)
        answer = as_alice.get(f"/api/requests/{request.pk}")
        assert "another idea" in answer.json()["data"]["errorMessage"]
        assert "99 %" not in answer.content.decode()
        assert as_alice.post(f"/api/requests/{request.pk}/retry").status_code == 409

    def test_what_is_allowed_goes_on(self, alice: User, judge: Any) -> None:
        judge(strict)
        assert self.ask(alice, "a dog").status == "IMAGE_COMPLETED"
        assert heard == ["a dog"]

    @pytest.mark.parametrize("verdict", [broken, None])
    def test_one_that_fails_refuses_nothing(
        self, alice: User, judge: Any, verdict: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        judge(verdict)
        assert self.ask(alice).status == "IMAGE_COMPLETED"
        assert ("judge failed" in caplog.text) == (verdict is broken)
        assert "a cat" not in caplog.text

    def test_one_that_is_not_there_refuses_nothing(self, settings: Any, alice: User) -> None:
        settings.TEXT_JUDGE = "no.such.judge"
        assert self.ask(alice).status == "IMAGE_COMPLETED"

    def test_one_that_takes_too_long_refuses_nothing(
        self, alice: User, judge: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        judge(hanging)
        monkeypatch.setattr(wordfilter, "JUDGE_SECONDS", 0.05)
        assert self.ask(alice).status == "IMAGE_COMPLETED"

    def test_many_that_hang_are_not_asked_any_more(self, judge: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        judge(hanging)
        monkeypatch.setattr(wordfilter, "JUDGE_SECONDS", 0.01)
        for _ in range(wordfilter.MOST_AT_WORK):
            assert wordfilter.judged("a dog") == ALLOWED
        judge(strict)
        assert wordfilter.judged("a cat") == ALLOWED
        assert not heard

    def test_a_request_that_was_cancelled_meanwhile_stays_cancelled(self, alice: User, settings: Any) -> None:
        request = pipeline.start(owner=alice, prompt="a cat")
        settings.TEXT_JUDGE = f"{__name__}.strict"
        pipeline.cancel(owner=alice, request_id=request.pk)
        turn()
        request.refresh_from_db()
        assert request.status == "CANCELLED"
