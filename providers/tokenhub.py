"""Tencent's TokenHub: the same Hunyuan 3D, by a plain REST API with a key; where new customers are sold capacity.

Its errors are those of a gateway (cloud.tencent.com/document/product/1823/131595) that passes on the codes of the
service behind it. Other shapes have been seen, so they are read leniently.
"""

from typing import Any

from django.conf import settings

from providers.base import Fault, JobState, ModelOrder, ModelProvider, ProviderError, Report
from providers.http import MONEY, UNCLEAR, Account, Answer, Verdict, Wire, by_status
from providers.hunyuan import (
    Hunyuan,
    credits_in,
    encoded,
    failed,
    files_of,
    id_in,
    lost,
    plain,
    text,
    verdict_of,
    verdict_on_a_stranger,
)

EXPRESS = "hy-3d-express"  # the API's Rapid; the others are its Pro
CREDITS = {EXPRESS: 15.0}
CREDITS_OF_OTHERS = 20.0
STATES = {"queued": JobState.QUEUED, "in_progress": JobState.RUNNING}
FAILED = ("failed", "cancelled", "canceled", "error")
USED_UP = ("quota", "exhausted", "balance", "insufficient", "used up", "额度", "余额", "欠费", "用尽")


def models() -> ModelProvider:
    """As the settings have it."""
    told = settings.TOKENHUB
    return TokenHubModels(Account(url=told["url"].rstrip("/"), secret=told["key"]), model=told["model"])


class TokenHubModels(Hunyuan):
    """3D models by TokenHub. A job's `ref` names its model, which a query must repeat, so that a job in work outlives
    a change of the settings."""

    name = "tokenhub"

    def __init__(self, account: Account, *, model: str) -> None:
        self.model = model
        self.usual_units = CREDITS.get(model, CREDITS_OF_OTHERS)
        self.wire = Wire(account.url, headers={"Authorization": f"Bearer {account.secret}"}, law=law)

    def check(self) -> str:
        """List the models that the key may use. Raises ProviderError."""
        listed = self.wire.ask("GET", "/models").object.get("data")
        if not isinstance(listed, list):
            raise ProviderError(Fault.BAD_ANSWER, evidence="no list of models")
        return f"the key is valid ({self.model}; {len(listed)} models listed)"

    def submit(self, order: ModelOrder) -> Report:
        """Hand the picture over. Raises ProviderError."""
        asked = {"model": self.model, "image_base64": encoded(order.image)}
        if self.model == EXPRESS:
            asked["result_format"] = "obj"  # of one format, the one that has its texture and can be printed
        answer = self.wire.pay("/api/3d/submit", json=asked).object
        return Report(state=JobState.QUEUED, ref=f"{self.model}:{id_in(answer, 'id')}")

    def poll(self, ref: str) -> Report:
        """How the job stands. Raises ProviderError."""
        model, _, job = ref.partition(":")
        try:
            answer = self.wire.ask("POST", "/api/3d/query", json={"model": model, "id": job}).object
        except ProviderError as error:
            if error.fault in (Fault.JOB_LOST, Fault.INVALID_INPUT):  # there is nothing in it but the job's id
                return lost(ref, error.evidence)
            raise
        return report_of(answer, ref, CREDITS.get(model, CREDITS_OF_OTHERS))


def law(answer: Answer) -> Verdict | None:
    """By the code from behind the gateway, else by the status."""
    try:
        said = answer.object
    except ProviderError:  # not JSON
        return verdict_on_a_stranger(answer)
    error = error_in(said)
    if answer.status < 300 and (not error or "status" in said):
        return None
    by_code = verdict_of(text(error, "upstreamcode")) or verdict_of(text(error, "code"))
    return by_code or by_own_status(answer, text(error, "message")) or UNCLEAR


def by_own_status(answer: Answer, message: str) -> Verdict | None:
    """What its statuses mean: 401 is also what a key with nothing left gets."""
    is_used_up = answer.status == 401 and any(word in message.lower() for word in USED_UP)
    return MONEY if is_used_up else by_status(answer)


def error_in(said: dict[str, Any]) -> dict[str, Any]:
    """The members of an error, in whichever of its shapes; {} where there is none."""
    known = plain(said)
    known = plain(known["response"]) if "response" in known else known
    inner = known.get("error")
    if isinstance(inner, dict):
        return plain(inner)
    message = inner or known.get("errormessage") or known.get("message")
    told = {"code": known.get("errorcode") or known.get("code"), "message": message}
    return {name: value for name, value in told.items() if value}


def report_of(answer: dict[str, Any], ref: str, price: float) -> Report:
    """What an answer to a query says. Raises ProviderError."""
    status = text(answer, "status").lower()
    if status in STATES:
        return Report(state=STATES[status], ref=ref)
    if status in FAILED:
        error = error_in(answer)
        return failed(ref, text(error, "code") or status, text(error, "message"))
    if status != "completed":
        raise ProviderError(Fault.BAD_ANSWER, evidence=f"an unknown status: {status[:40]!r}")
    units = credits_in(plain(answer).get("resultcreditconsumed"), price)
    return Report(state=JobState.DONE, ref=ref, files=files_of(answer.get("data")), units=units)
