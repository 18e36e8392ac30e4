"""Language models that speak OpenAI's chat protocol, through the `openai` package: it knows the protocol, our own wire
sends. So a question has the times, the sizes and the law of every other paid call; the package would follow the
machine's proxies, ask again by itself, and take a page or an error's envelope for an answer."""

from __future__ import annotations

from typing import Any

import httpx2
import openai
from django.conf import settings
from openai.types.chat import ChatCompletion

from providers.base import Billed, Completion, Fault, ProviderError
from providers.http import Account, Answer, Law, Verdict, Wire, by_status, scrub

UNSIGNED = "signed-by-the-wire"  # the package takes no empty key; it never gets the real one
NOWHERE = "https://wire.invalid"
SWITCH = "enable_thinking"
JSON = {"Content-Type": "application/json"}


class ChatModel:
    """One model of one vendor. `law`: what the vendor's refusals mean."""

    def __init__(self, name: str, account: Account, *, model: str, law: Law) -> None:
        self.name, self.product = name, model
        self.wire = Wire(account.url, headers={"Authorization": f"Bearer {account.secret}"}, law=law)
        sender = httpx2.Client(transport=OverWire(self.wire), trust_env=False)  # or the machine's proxies are asked
        self.client = openai.OpenAI(api_key=UNSIGNED, base_url=NOWHERE, max_retries=0, http_client=sender)
        self.thinking = {SWITCH: False}  # {} once the vendor has said that this model has no such switch

    def check(self) -> str:
        """List the models, which costs nothing and wants a key. Raises ProviderError."""
        return seen(self.wire.ask("GET", "/models"), self.product)

    def complete(self, *, system: str, prompt: str) -> Completion:
        """The answer, in JSON mode, without thinking. Raises ProviderError: `billed` YES for an answer that is of no
        use."""
        thinking = self.thinking
        try:
            return read(self.asked(system, prompt, thinking))
        except ProviderError as error:
            if not thinking or error.fault != Fault.INVALID_INPUT or SWITCH not in error.evidence:
                raise
        self.thinking = {}
        return self.complete(system=system, prompt=prompt)

    def asked(self, system: str, prompt: str, thinking: dict[str, bool]) -> ChatCompletion:
        """One paid question, as the vendor answers it. Raises ProviderError."""
        try:
            return self.client.chat.completions.create(
                model=self.product,
                messages=[{"role": "system", "content": system}, {"role": "user", "content": prompt}],
                response_format={"type": "json_object"},
                max_tokens=settings.LLM_MOST_TOKENS,
                extra_body=thinking,
            )
        except UnicodeEncodeError as error:  # half a character; nothing has been sent
            raise ProviderError(Fault.INVALID_INPUT, permanent=True, evidence="not Unicode") from error


class OverWire(httpx2.BaseTransport):
    """Sends what the package writes by our own wire, which signs it. Only a JSON object comes back."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """A paid call. Raises ProviderError, which the package lets through."""
        answer = self.wire.pay(request.url.path, data=request.read(), headers=JSON)
        content = answer.content if answer.object else b"{}"  # whatever else the package would take for an answer
        return httpx2.Response(answer.status, headers=JSON, content=content, request=request)


def read(answer: ChatCompletion) -> Completion:
    """The text and what it cost. The package checks nothing of what it hands over. Raises ProviderError."""
    try:
        choice = answer.choices[0]
        text, reason = choice.message.content, choice.finish_reason
    except (AttributeError, LookupError, TypeError) as error:
        raise ProviderError(Fault.BAD_ANSWER, billed=Billed.UNKNOWN, evidence=scrub(repr(answer))) from error
    if reason == "content_filter":
        raise ProviderError(Fault.CONTENT_REFUSED, permanent=True, billed=Billed.YES, evidence=reason)
    if reason == "length" or not isinstance(text, str) or not text.strip():
        raise ProviderError(Fault.BAD_ANSWER, billed=Billed.YES, evidence=f"cut off or empty ({reason})")
    return Completion(text=text, tokens_in=tokens(answer, "prompt"), tokens_out=tokens(answer, "completion"))


def tokens(answer: ChatCompletion, kind: str) -> int:
    """How many the vendor has counted, 0 where it does not say."""
    counted = getattr(answer.usage, f"{kind}_tokens", 0)
    return counted if isinstance(counted, int) else 0


# --- What such vendors' answers have in common ----------------------------------------------------------------------


def law_of(words: dict[str, Verdict]) -> Law:
    """A vendor's law: the first of `words` in its error's code or text, else the status."""

    def law(answer: Answer) -> Verdict | None:
        verdict = by_status(answer)
        told = reason(answer) if verdict else ""
        return next((meant for word, meant in words.items() if word in told), verdict)

    return law


def reason(answer: Answer) -> str:
    """Code, type and message of a refusal: in an "error" as with OpenAI, or bare. "" where there is no such thing."""
    try:
        told = answer.object
    except ProviderError:
        return ""
    inner = told.get("error")
    error: dict[str, Any] = inner if isinstance(inner, dict) else told
    return " ".join(str(error.get(member) or "") for member in ("code", "type", "message"))


def seen(answer: Answer, model: str) -> str:
    """What a list of models says to somebody who wants one of them. Raises ProviderError."""
    listed = answer.object.get("data")
    if not isinstance(listed, list):
        raise ProviderError(Fault.BAD_ANSWER, evidence=answer.evidence)
    names = [each.get("id") for each in listed if isinstance(each, dict)]
    return f"the key is valid ({model}{'' if model in names else ' NOT'} among {len(names)} models)"
