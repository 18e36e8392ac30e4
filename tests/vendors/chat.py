"""What vendors with an OpenAI-compatible chat have in common. Each says for itself which members it knows, and how it
refuses."""

import json
from typing import Any

from tests.vendors.server import Asked, Dial, Refused, Reply, Vendor

DESIGNS = {"designs": [f"一只圆润的小猫, 风格{number}, 实心体, 底部平整, 纯色背景" for number in "一二三四"]}
TEXT = json.dumps(DESIGNS, ensure_ascii=False)
# What a model may write instead of what it was asked for: text and reason to end, by the word of the dial.
WRITES = {
    "fenced": (f"```json\n{TEXT}\n```", "stop"),
    "three_designs": (json.dumps({"designs": DESIGNS["designs"][:3]}), "stop"),
    "cut_off": (TEXT[:60], "length"),
    "prose": ("好的, 这是四个方案: 第一, 一只小猫。", "stop"),
    "empty": ("", "stop"),
    "filtered": ("", "content_filter"),
    "silent": (None, "stop"),
}
MEMBERS = frozenset({
    "model", "messages", "max_tokens", "response_format", "enable_thinking", "thinking_budget", "temperature", "top_p",
    "top_k", "stop", "n", "stream", "tools", "frequency_penalty",
})  # fmt: skip
PROMPT_TOKENS, COMPLETION_TOKENS = 812, 377


class ChatVendor(Vendor):
    """`prefix`: where its API begins. `models`: the ones that it has. `members`: what a question may consist of."""

    prefix = "/v1"
    models: tuple[str, ...] = ()
    members = MEMBERS

    @property
    def api(self) -> str:
        """The address for the settings."""
        return f"{self.url}{self.prefix}"

    def operation(self, asked: Asked) -> str:
        """ "complete", "check", or whatever else was asked for, which is nothing."""
        known = {"POST /chat/completions": "complete", "GET /models": "check"}
        return known.get(f"{asked.method} {asked.path.removeprefix(self.prefix)}", "nothing")

    def answer(self, operation: str, asked: Asked, dial: Dial | None) -> Reply:
        """As any vendor, unless a model is told to write something else."""
        if dial and dial.how in WRITES:
            return super().answer(f"complete {dial.how}", asked, None)
        return super().answer(operation, asked, dial)

    def route(self, operation: str, asked: Asked) -> Reply:
        """Only for who signs in."""
        if asked.headers["Authorization"] != f"Bearer {self.secret}":
            raise Refused("bad_key")
        if operation.startswith("complete"):
            return self.complete(asked, operation.removeprefix("complete").strip())
        if operation == "check":
            return Reply(200, {"object": "list", "data": [{"id": name, "object": "model"} for name in self.models]})
        return Reply(404, b"404 page not found", {"Content-Type": "text/plain"})

    def complete(self, asked: Asked, how: str) -> Reply:
        """A completion, which is paid for whatever it says."""
        question = self.question(asked)
        self.charge(**question)
        text, reason = WRITES.get(how, (TEXT, "stop"))
        message = {"role": "assistant", "content": text, "reasoning_content": ""}
        usage = {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": COMPLETION_TOKENS}
        return Reply(200, {
            "id": "chatcmpl-5f7d", "object": "chat.completion", "created": 1790000000, "model": question["model"],
            "choices": [{"index": 0, "message": message, "finish_reason": reason, "logprobs": None}],
            "usage": usage | {"total_tokens": PROMPT_TOKENS + COMPLETION_TOKENS},
        })  # fmt: skip

    def question(self, asked: Asked) -> dict[str, Any]:
        """What was asked, as strictly as it is read. Raises Refused."""
        if asked.headers.get_content_type() != "application/json":
            raise Refused("invalid", "not application/json")
        question: dict[str, Any] = asked.json()
        unknown = set(question) - self.members
        if unknown:
            raise Refused("invalid", f"unknown members: {sorted(unknown)}")
        if question.get("model") not in self.models:
            raise Refused("unknown_model")
        self.read_messages(question)
        if not isinstance(question.get("max_tokens"), int) or not 1 <= question["max_tokens"] <= 8192:
            raise Refused("invalid", "Range of max_tokens should be [1, 8192]")
        return question

    def read_messages(self, question: dict[str, Any]) -> None:
        """Raises Refused."""
        messages = question.get("messages") or [{}]
        if not all(set(message) == {"role", "content"} for message in messages):
            raise Refused("invalid", "messages must have a role and a content")
        if not all(message["role"] in ("system", "user", "assistant") for message in messages):
            raise Refused("invalid", "an unknown role")
        wants_json = question.get("response_format") == {"type": "json_object"}
        if wants_json and "json" not in str(messages).lower():
            raise Refused(
                "invalid",
                "'messages' must contain the word 'json' in some form, to use 'response_format' of type 'json_object'.",
            )
