"""Tencent Cloud's Hunyuan 3D (product ai3d, version 2025-05-13), in the editions Pro and Rapid.

The official SDK names the service and signs. What it has signed goes over Lumi's own wire, because the SDK's takes an
error for a success under some content types, bounds no answer, and asks the machine for proxies.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit

import requests
from django.conf import settings
from tencentcloud.ai3d.v20250513.ai3d_client import Ai3dClient
from tencentcloud.common.credential import Credential
from tencentcloud.common.exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from urllib3 import HTTPResponse

from providers.base import Fault, JobState, ModelOrder, ModelProvider, ProviderError, Report
from providers.http import UNCLEAR, Account, Answer, Verdict, Wire, by_status
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

STATES = {"WAIT": JobState.QUEUED, "RUN": JobState.RUNNING}
NO_JOB = "0"  # an id that no job has


@dataclass(frozen=True, kw_only=True)
class Edition:
    """What one edition's calls are named. `asked`: for an OBJ, which carries its texture and can be printed: what Pro
    gives unasked, beside a GLB. `credits`: the price of a job where the answer does not name it."""

    submit: str
    query: str
    credits: float
    asked: dict[str, str] = field(default_factory=dict)


EDITIONS = {
    "pro": Edition(submit="SubmitHunyuanTo3DProJob", query="QueryHunyuanTo3DProJob", credits=20.0),
    "rapid": Edition(
        submit="SubmitHunyuanTo3DRapidJob",
        query="QueryHunyuanTo3DRapidJob",
        credits=15.0,
        asked={"ResultFormat": "OBJ"},
    ),
}


def models() -> ModelProvider:
    """As the settings have it. Raises KeyError for an edition that does not exist."""
    told = settings.TENCENT
    account = Account(url=told["url"].rstrip("/"), secret=told["key"], user=told["id"])
    return TencentModels(account, region=told["region"], edition=told["edition"])


class TencentModels(Hunyuan):
    """3D models by Tencent Cloud's API. A job's `ref` names its edition, so that a job in work outlives a change of
    the settings."""

    name = "tencent"

    def __init__(self, account: Account, *, region: str, edition: str) -> None:
        self.account = account
        self.region = region
        self.edition = edition
        self.calls = EDITIONS[edition]
        self.usual_units = self.calls.credits
        self.wire = Wire(account.url, headers={}, law=law)

    def check(self) -> str:
        """Ask for a job that does not exist: that answer is given to the owner of a valid key only."""
        try:
            said(self.asking, self.calls.query, {"JobId": NO_JOB})
        except ProviderError as error:
            if not is_unknown_job(error):
                raise
        return f"the key is valid ({self.edition}, {self.region})"

    def submit(self, order: ModelOrder) -> Report:
        """Hand the picture over. Raises ProviderError."""
        answer = said(self.paying, self.calls.submit, {"ImageBase64": encoded(order.image), **self.calls.asked})
        return Report(state=JobState.QUEUED, ref=f"{self.edition}:{id_in(answer, 'JobId')}")

    def poll(self, ref: str) -> Report:
        """How the job stands. Raises ProviderError."""
        edition, _, job = ref.partition(":")
        if edition not in EDITIONS:
            return lost(ref, "not a job of Tencent's")
        try:
            return report_of(said(self.asking, EDITIONS[edition].query, {"JobId": job}), ref, EDITIONS[edition])
        except ProviderError as error:
            if is_unknown_job(error):
                return lost(ref, error.evidence)
            raise

    @cached_property
    def asking(self) -> Any:
        """The SDK's client for free questions."""
        return self.client(partial(self.wire.ask, "POST"))

    @cached_property
    def paying(self) -> Any:
        """The SDK's client for calls that cost money: each is sent once."""
        return self.client(self.wire.pay)

    def client(self, send: Callable[..., Answer]) -> Any:
        """An SDK's client that sends by `send`. No retryer: the SDK's own orders twice. Raises ProviderError."""
        try:
            credential = Credential(self.account.user, self.account.secret)
        except TencentCloudSDKException as error:
            raise ProviderError(Fault.AUTHENTICATION, permanent=True, evidence=error.message) from None
        endpoint = HttpProfile(endpoint=urlsplit(self.account.url).netloc)
        profile = ClientProfile(httpProfile=endpoint, language="en-US", request_client="lumi")
        client = Ai3dClient(credential, self.region, profile)
        client.request = OwnWire(send)
        return client


class OwnWire:
    """In the place of the SDK's connection."""

    def __init__(self, send: Callable[..., Answer]) -> None:
        self.send = send

    def send_request(self, request: Any) -> requests.Response:
        """Send what the SDK has signed. Raises ProviderError.

        What comes back is a success by then: the wire has judged it. The SDK, which would look once more and change
        the process's warnings over a deprecated call, gets it without the headers that make it look.
        """
        answer = self.send("/", data=request.data, headers=request.header)
        response = requests.Response()
        response.status_code = 200
        response.raw = HTTPResponse(BytesIO(answer.content), preload_content=False)
        return response


def said(client: Any, action: str, asked: dict[str, str]) -> dict[str, Any]:
    """What Tencent answers, out of its envelope. Raises ProviderError."""
    answer: dict[str, Any] = client.call_json(action, asked)["Response"]
    return answer


def law(answer: Answer) -> Verdict | None:
    """An error comes in the envelope of a success, with status 200, under whatever content type."""
    response = envelope(answer)
    if response is None:
        return verdict_on_a_stranger(answer)
    if "Error" in response:
        return verdict_of(text(plain(response["Error"]), "code")) or UNCLEAR
    return by_status(answer)


def envelope(answer: Answer) -> dict[str, Any] | None:
    """What is in the envelope, or None where there is none."""
    try:
        found = answer.object.get("Response")
    except ProviderError:  # not JSON
        return None
    return found if isinstance(found, dict) else None


def is_unknown_job(error: ProviderError) -> bool:
    """Of a question that consists of nothing but a job's id: a bad parameter is an unknown job too."""
    return error.fault in (Fault.JOB_LOST, Fault.INVALID_INPUT)


def report_of(answer: dict[str, Any], ref: str, edition: Edition) -> Report:
    """What an answer to a query says. Raises ProviderError."""
    status = text(answer, "Status")
    if status in STATES:
        return Report(state=STATES[status], ref=ref)
    if status == "FAIL":
        message = f"{text(answer, 'ErrorMessage')} (request {text(answer, 'RequestId')})"
        return failed(ref, text(answer, "ErrorCode"), message)
    if status != "DONE":
        raise ProviderError(Fault.BAD_ANSWER, evidence=f"an unknown status: {status[:40]!r}")
    units = credits_in(answer.get("ResultCreditConsumed"), edition.credits)
    return Report(state=JobState.DONE, ref=ref, files=files_of(answer.get("ResultFile3Ds")), units=units)
