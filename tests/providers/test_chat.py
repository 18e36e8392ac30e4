"""Chat, through the `openai` package and over our own wire: what is sent, and what becomes of each answer."""

import logging
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from providers.base import Billed, Completion, Fault, ProviderError
from tests.providers.bench import Bench, on_bench
from tests.vendors import qwen, siliconflow
from tests.vendors.chat import COMPLETION_TOKENS, PROMPT_TOKENS, TEXT
from tests.vendors.server import Asked, Reply

SYSTEM, PROMPT = "Answer in JSON.", "一只小猫"
QWEN = qwen.CASES[0]


class Told(qwen.QwenVendor):
    """Answers what a test says, and remembers what it was sent."""

    def __init__(self) -> None:
        super().__init__()
        self.says: Any = None
        self.heard: list[Asked] = []

    def route(self, operation: str, asked: Asked) -> Reply:
        self.heard.append(asked)
        answer = super().route(operation, asked)
        return answer if self.says is None else Reply(200, self.says)


@pytest.fixture
def bench(settings: Any, tmp_path: Path) -> Iterator[Bench]:
    """Qwen, whose vendor can be told what to say."""
    with on_bench(replace(QWEN, vendor=Told), settings, tmp_path) as bench:
        yield bench


def ask(bench: Bench, prompt: str = PROMPT) -> Completion:
    """One question."""
    completion: Completion = bench.provider.complete(system=SYSTEM, prompt=prompt)
    return completion


def failure(bench: Bench, prompt: str = PROMPT) -> ProviderError:
    """The error that a question ends with."""
    with pytest.raises(ProviderError) as caught:
        ask(bench, prompt)
    return caught.value


class TestTheQuestion:
    def test_is_sent_exactly_so(self, bench: Bench, settings: Any) -> None:
        ask(bench)
        assert bench.vendor.charges == [
            {
                "model": "qwen-plus",
                "messages": [{"role": "system", "content": SYSTEM}, {"role": "user", "content": PROMPT}],
                "response_format": {"type": "json_object"},
                "max_tokens": settings.LLM_MOST_TOKENS,
                "enable_thinking": False,
            }
        ]

    def test_the_answer_is_the_text_and_the_tokens(self, bench: Bench) -> None:
        assert ask(bench) == Completion(text=TEXT, tokens_in=PROMPT_TOKENS, tokens_out=COMPLETION_TOKENS)

    def test_knows_nothing_of_the_machine(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
        monkeypatch.setenv("OPENAI_API_KEY", "sk-another-vendors")
        monkeypatch.setenv("OPENAI_ORG_ID", "org-ours")
        monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1")
        assert ask(replace(bench, provider=QWEN.make())).text == TEXT
        sent = str(bench.vendor.heard[0].headers)
        assert f"Bearer {bench.vendor.secret}" in sent
        assert "sk-another-vendors" not in sent
        assert "org-ours" not in sent

    def test_json_mode_without_the_word_is_refused(self, bench: Bench) -> None:
        with pytest.raises(ProviderError) as caught:
            bench.provider.complete(system="Answer.", prompt=PROMPT)
        assert caught.value.fault == Fault.INVALID_INPUT
        assert "must contain the word 'json'" in caught.value.evidence

    def test_half_a_character_is_not_sent(self, bench: Bench) -> None:
        error = failure(bench, "\ud83d")
        assert (error.fault, error.permanent, error.billed) == (Fault.INVALID_INPUT, True, Billed.NO)
        assert bench.vendor.hits == []


class TestRefusals:
    @pytest.mark.parametrize(
        ("how", "fault", "permanent", "billed"),
        [
            ("bad_key", Fault.AUTHENTICATION, True, Billed.NO),
            ("denied", Fault.AUTHENTICATION, True, Billed.NO),
            ("refused", Fault.CONTENT_REFUSED, True, Billed.NO),
            ("refused_inside", Fault.CONTENT_REFUSED, True, Billed.NO),
            ("invalid", Fault.INVALID_INPUT, True, Billed.NO),
            ("unknown_model", Fault.INVALID_INPUT, True, Billed.NO),
            ("throttled", Fault.RATE_LIMITED, False, Billed.NO),
            ("burst", Fault.RATE_LIMITED, False, Billed.NO),
            ("tokens", Fault.RATE_LIMITED, False, Billed.NO),
            ("free_used_up", Fault.QUOTA_EXHAUSTED, True, Billed.NO),
            ("free_only", Fault.QUOTA_EXHAUSTED, True, Billed.NO),
            ("no_balance", Fault.QUOTA_EXHAUSTED, True, Billed.NO),
            ("bill", Fault.QUOTA_EXHAUSTED, True, Billed.NO),
            ("server_error", Fault.UNAVAILABLE, False, Billed.UNKNOWN),
            ("overloaded", Fault.UNAVAILABLE, False, Billed.NO),
        ],
    )
    def test_of_qwen(self, bench: Bench, how: str, fault: Fault, permanent: bool, billed: Billed) -> None:
        bench.vendor.will("complete", how, retry_after=3)
        error = failure(bench)
        assert (error.fault, error.permanent, error.billed) == (fault, permanent, billed)
        assert (error.retry_after, bench.vendor.charges) == (3.0, [])
        assert bench.vendor.count("complete") == 1


class TestAnswers:
    """Of status 200, and yet of no use."""

    @pytest.mark.parametrize(
        "says",
        [
            {"error": {"message": "busy", "type": "x", "code": "x"}, "request_id": "r"},
            {"id": "c", "choices": None},
            {"id": "c", "choices": []},
            {"id": "c", "choices": "none"},
            {"id": "c", "choices": [None]},
            {"id": "c", "choices": [{"index": 0}]},
            {"id": "c", "choices": [{"index": 0, "message": None, "finish_reason": "stop"}]},
            [{"choices": []}],
            "a text",
            {},
        ],
        ids=str,
    )
    def test_that_are_no_completion_may_have_been_paid_for(self, bench: Bench, says: Any) -> None:
        bench.vendor.says = says
        error = failure(bench)
        assert (error.fault, error.permanent, error.billed) == (Fault.BAD_ANSWER, False, Billed.UNKNOWN)
        assert bench.vendor.count("complete") == 1

    @pytest.mark.parametrize(
        ("how", "fault", "permanent"),
        [
            ("cut_off", Fault.BAD_ANSWER, False),
            ("empty", Fault.BAD_ANSWER, False),
            ("silent", Fault.BAD_ANSWER, False),
            ("filtered", Fault.CONTENT_REFUSED, True),
        ],
    )
    def test_that_say_nothing_were_paid_for(self, bench: Bench, how: str, fault: Fault, permanent: bool) -> None:
        bench.vendor.will("complete", how)
        error = failure(bench)
        assert (error.fault, error.permanent, error.billed) == (fault, permanent, Billed.YES)
        assert len(bench.vendor.charges) == 1

    @pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": None}, {"prompt_tokens": "many"}], ids=str)
    def test_without_a_count_of_tokens_are_answers(self, bench: Bench, usage: Any) -> None:
        choice = {"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}
        bench.vendor.says = {"id": "c", "choices": [choice], "usage": usage}
        assert ask(bench) == Completion(text=TEXT)

    def test_that_are_too_long_are_not_read(self, bench: Bench) -> None:
        bench.vendor.says = {"choices": "x" * 5_000_000}
        error = failure(bench)
        assert (error.fault, error.billed) == (Fault.BAD_ANSWER, Billed.UNKNOWN)


class TestKeys:
    @pytest.mark.parametrize("key", ["", " ", "sk-secret\n", "sk-secret\r\nX-Other: 1", "sk-密钥"])
    def test_that_cannot_be_sent_are_not_sent(self, bench: Bench, settings: Any, key: str) -> None:
        settings.QWEN = settings.QWEN | {"key": key}
        provider = QWEN.make()
        for call in (provider.check, partial(ask, replace(bench, provider=provider))):
            with pytest.raises(ProviderError) as caught:
                call()
            error = caught.value
            assert (error.fault, error.permanent, error.billed) == (Fault.AUTHENTICATION, True, Billed.NO)
            assert "secret" not in "".join(traceback.format_exception(error))
        assert bench.vendor.hits == []

    def test_are_in_no_error_and_no_log(self, bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        told = [repr(bench.provider), str(vars(bench.provider)), str(vars(bench.provider.client))]
        for how in [*qwen.SAYS, "bad_key", "html", "broken_json", "truncated", "reset_after", "hang_before"]:
            bench.vendor.will("complete", how)
            told.extend(traceback.format_exception(failure(bench)))
        assert "Traceback" in "".join(told)
        assert bench.vendor.secret not in "".join(told) + caplog.text

    def test_are_tried_out_for_nothing(self, bench: Bench) -> None:
        assert bench.provider.check() == "the key is valid (qwen-plus among 2 models)"
        assert bench.vendor.charges == []

    def test_a_model_that_the_account_does_not_have_is_seen(self, bench: Bench, settings: Any) -> None:
        settings.QWEN = settings.QWEN | {"model": "qwen-of-old"}
        assert "qwen-of-old NOT among" in QWEN.make().check()

    def test_a_list_that_is_none_is_no_sign_in(self, bench: Bench) -> None:
        bench.vendor.says = {"data": "none"}
        with pytest.raises(ProviderError) as caught:
            bench.provider.check()
        assert (caught.value.fault, caught.value.billed) == (Fault.BAD_ANSWER, Billed.NO)


class Together(siliconflow.SiliconFlowVendor):
    """Answers nobody before two have asked."""

    def __init__(self) -> None:
        super().__init__()
        self.meeting = threading.Barrier(2, timeout=5)

    def question(self, asked: Asked) -> dict[str, Any]:
        self.meeting.wait()
        return super().question(asked)


class TestThinking:
    """A model that cannot think refuses to be told not to, as SiliconFlow's Instruct models do."""

    @pytest.fixture
    def instruct(self, settings: Any, tmp_path: Path) -> Iterator[Bench]:
        """One that cannot think, which the settings name if nobody says otherwise."""
        case = next(case for case in siliconflow.CASES if case.kind == "llm")
        case = replace(case, settings=partial(siliconflow.settings_of, model=siliconflow.THINKS_NOT))
        with on_bench(case, settings, tmp_path) as bench:
            yield bench

    def test_the_switch_is_left_out_once_it_was_refused(self, instruct: Bench) -> None:
        assert [ask(instruct).text for _ in range(2)] == [TEXT, TEXT]
        assert [("enable_thinking" in sent) for sent in instruct.vendor.charges] == [False, False]
        assert instruct.vendor.count("complete") == 3

    def test_whoever_asks_meanwhile_gets_an_answer_too(self, settings: Any, tmp_path: Path) -> None:
        case = next(case for case in siliconflow.CASES if case.kind == "llm")
        told = partial(siliconflow.settings_of, model=siliconflow.THINKS_NOT)
        with on_bench(replace(case, vendor=Together, settings=told), settings, tmp_path) as bench:
            with ThreadPoolExecutor(2) as pool:
                answers = list(pool.map(lambda _: ask(bench).text, range(2)))
            assert (answers, bench.vendor.count("complete")) == ([TEXT, TEXT], 4)

    def test_a_vendor_that_goes_on_refusing_is_not_asked_for_ever(self, instruct: Bench) -> None:
        instruct.vendor.will("complete", "cannot_think", times=None)
        assert failure(instruct).fault == Fault.INVALID_INPUT
        assert instruct.vendor.count("complete") == 2


class TestStart:
    def test_the_package_is_loaded_only_where_it_is_configured(self) -> None:
        code = (
            "import sys, django; django.setup(); from django.core import management; management.call_command('check');"
            "from providers import registry; loaded = 'openai' in sys.modules;"
            "registry.get('llm', 'qwen'); print(loaded, 'openai' in sys.modules)"
        )
        ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert ran.stdout.split()[-2:] == ["False", "True"]
