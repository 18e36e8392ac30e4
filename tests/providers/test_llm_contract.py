"""The contract of language models, unchanged over every provider."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from generation import designs
from providers.base import Billed, Fault, ProviderError
from tests.providers.bench import Bench, on_bench
from tests.vendors.cases import cases
from tests.vendors.server import AFTER, BEFORE

PROMPT = "一只小猫"


@pytest.fixture(params=cases("llm"), ids=str)
def bench(request: pytest.FixtureRequest, settings: Any, tmp_path: Path) -> Iterator[Bench]:
    """Each provider in turn."""
    with on_bench(request.param, settings, tmp_path) as bench:
        yield bench


def ask(bench: Bench) -> Any:
    """The question that generation asks."""
    return bench.provider.complete(system=designs.rules(), prompt=PROMPT)


def raised(bench: Bench) -> ProviderError:
    """The error that it ends with: ProviderError and nothing else."""
    with pytest.raises(ProviderError) as caught:
        ask(bench)
    return caught.value


class TestSuccess:
    def test_four_designs(self, bench: Bench) -> None:
        assert len(designs.read(ask(bench).text)) == 4

    def test_the_tokens_are_counted(self, bench: Bench) -> None:
        answer = ask(bench)
        if bench.wire:
            assert (answer.tokens_in > 0, answer.tokens_out > 0) == (True, True)
        else:
            assert (answer.tokens_in, answer.tokens_out) == (0, 0)

    def test_it_is_named_and_signs_in(self, bench: Bench) -> None:
        assert bench.provider.name
        assert isinstance(bench.provider.product, str)
        assert bench.provider.check()

    def test_spend_is_bounded(self, bench: Bench, settings: Any) -> None:
        settings.LLM_MOST_TOKENS = 777
        vendor = bench.vendor
        ask(bench)
        assert vendor.charges[0]["max_tokens"] == 777


class TestRefusals:
    @pytest.mark.parametrize(
        ("how", "fault", "permanent"),
        [
            ("throttled", Fault.RATE_LIMITED, False),
            ("bad_key", Fault.AUTHENTICATION, True),
            ("no_balance", Fault.QUOTA_EXHAUSTED, True),
            ("refused", Fault.CONTENT_REFUSED, True),
            ("invalid", Fault.INVALID_INPUT, True),
            ("server_error", Fault.UNAVAILABLE, False),
        ],
    )
    def test_in_our_words(self, bench: Bench, how: str, fault: Fault, permanent: bool) -> None:
        bench.will("complete", how, times=None)
        error = raised(bench)
        assert (error.fault, error.permanent, error.is_later) == (fault, permanent, how == "throttled")
        assert bench.vendor.secret not in f"{error!r}{error.evidence}{error.__cause__!r}{bench.provider!r}"

    @pytest.mark.parametrize("how", ["bad_key", "no_balance", "refused", "invalid", "throttled"])
    def test_are_not_asked_again_by_the_library(self, bench: Bench, how: str) -> None:
        bench.will("complete", how, times=None)
        raised(bench)
        assert bench.vendor.count("complete") == 1

    def test_a_wrong_key_is_found_out_by_the_check(self, bench: Bench) -> None:
        bench.will("check", "bad_key", times=None)
        with pytest.raises(ProviderError) as caught:
            bench.provider.check()
        assert caught.value.fault == Fault.AUTHENTICATION


class TestTheWire:
    @pytest.mark.parametrize("how", [*BEFORE, *AFTER])
    def test_no_proper_answer(self, bench: Bench, how: str) -> None:
        bench.will("complete", how, times=None)
        error = raised(bench)
        assert error.fault in (Fault.NETWORK, Fault.BAD_ANSWER)
        assert (error.permanent, error.billed) == (False, Billed.UNKNOWN)
        assert bench.vendor.count("complete") == 1

    def test_nobody_there(self, bench: Bench) -> None:
        vendor = bench.vendor
        vendor.server.shutdown()
        vendor.server.server_close()
        error = raised(bench)
        assert (error.fault, error.billed) == (Fault.NETWORK, Billed.NO)


class TestBrokenAnswers:
    """The vendor's model answers something else than four designs: the caller finds out, whatever the provider is."""

    def test_fenced_json_is_fine(self, bench: Bench) -> None:
        bench.will("complete", "fenced")
        assert len(designs.read(ask(bench).text)) == 4

    @pytest.mark.parametrize("how", ["three_designs", "cut_off", "prose", "empty"])
    def test_nonsense_is_unusable(self, bench: Bench, how: str) -> None:
        bench.will("complete", how, times=None)
        with pytest.raises((designs.Unusable, ProviderError)) as caught:
            designs.read(ask(bench).text)
        assert getattr(caught.value, "billed", Billed.YES) == Billed.YES

    def test_the_vendor_was_asked_for_json_without_thinking(self, bench: Bench) -> None:
        vendor = bench.vendor
        ask(bench)
        sent = vendor.charges[0]
        assert sent["response_format"] == {"type": "json_object"}
        assert sent["enable_thinking"] is False
        assert PROMPT in json.dumps(sent["messages"], ensure_ascii=False)
