"""What has become of a sentence, from the prompt to the model: one clock a story, and where it passes `now` the story
has not ended yet. All rows of a story begin with its request; nothing is written here."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple

from django.conf import settings

from generation import messages, spending
from generation.models import (
    GeneratedImage,
    GenerationRequest,
    ImageGenerationJob,
    Job,
    JobEvent,
    ModelGenerationJob,
    ProviderCall,
)
from generation.states import ImageStatus, JobStatus, RequestStatus, Stage
from lumi.demo import Dice, Person, id_at
from providers import registry
from providers.base import Fault

HISTORY = timedelta(days=30)  # older lines of finished work are pruned in an installation that is looked after
HOLD = timedelta(minutes=15)


class Vendor(NamedTuple):
    """Who makes things. `seconds`: how long, in the middle; `units`: of its price, for one order."""

    name: str
    product: str
    share: int
    seconds: float
    units: int = 1


VENDORS = {
    "image": (
        Vendor("aliyun", settings.ALIYUN["image_model"], 6, 14.0),
        Vendor("siliconflow", settings.SILICONFLOW["image_model"], 3, 7.0),
        Vendor("offline", "", 1, 1.2),
    ),
    "model": (
        Vendor("tencent", "credit", 6, 150.0, 20),
        Vendor("meshy", "credit", 3, 110.0, 20),
        Vendor("offline", "", 1, 4.0),
    ),
}
# Why jobs fail, and with which status; the commonest first.
FAILURES = {
    "image": (
        (Fault.UNAVAILABLE, JobStatus.FAILED),
        (Fault.CONTENT_REFUSED, JobStatus.FAILED),
        (messages.OUTCOME_UNKNOWN, JobStatus.FAILED),
        (messages.TIMEOUT, JobStatus.TIMEOUT),
        (Fault.RATE_LIMITED, JobStatus.FAILED),
    ),
    "model": (
        (messages.TIMEOUT, JobStatus.TIMEOUT),
        (Fault.JOB_FAILED, JobStatus.FAILED),
        (messages.OUTCOME_UNKNOWN, JobStatus.FAILED),
        (Fault.UNAVAILABLE, JobStatus.FAILED),
        (Fault.RESULT_GONE, JobStatus.FAILED),
    ),
}
EVIDENCE = {
    Fault.UNAVAILABLE: "HTTP 503: service temporarily unavailable",
    Fault.CONTENT_REFUSED: "DataInspectionFailed: input data may contain inappropriate content",
    Fault.RATE_LIMITED: "HTTP 429: requests rate limit exceeded",
    Fault.JOB_FAILED: "task FAILED: internal error of the algorithm",
    Fault.RESULT_GONE: "HTTP 403: the link has expired",
    messages.TIMEOUT: "no result within the time allowed",
    messages.OUTCOME_UNKNOWN: "read timed out after the order was sent",
}


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a story is to tell. `has_model`: it gets as far as a model; `may_wait`: work may wait in the queues, because
    whoever takes it up is not paid."""

    owner: Person
    at: datetime
    now: datetime
    prompt: str
    has_model: bool
    may_wait: bool


class Outcome(NamedTuple):
    """How a job has ended: with a code, "" where it ended well."""

    code: str


class Story:
    """A request and all that is under it, ready to be written (`rows`), but for its model, of which it says when it was
    made and how far it is (`model_id`, `model_fields`), if there is one."""

    def __init__(self, wish: Wish, dice: Dice) -> None:
        self.wish, self.dice = wish, dice
        self.is_recent = wish.now - wish.at < HISTORY
        self.images: list[GeneratedImage] = []
        self.rows: list[Any] = []
        self.model_id = ""
        self.model_fields: dict[str, Any] = {}
        self.request = self.begin()
        self.rows.append(self.request)
        self.tell()

    def begin(self) -> GenerationRequest:
        """The request as it was sent."""
        at = self.wish.at
        return GenerationRequest(
            id=id_at(at, self.dice), owner_id=self.wish.owner.id, prompt=self.wish.prompt, created_at=at, updated_at=at,
            optimize_prompt=self.dice.random() < 0.9, fence=1,
        )  # fmt: skip

    def tell(self) -> None:
        """From the designs to the end, or to now."""
        painted_at = self.paint(self.design())
        if any(image.is_open for image in self.images):
            return
        self.request.updated_at = painted_at
        if not any(image.status == ImageStatus.COMPLETED for image in self.images):
            self.be(RequestStatus.IMAGE_FAILED, error_code=self.images[0].error_code)
        elif self.wish.has_model:
            self.choose(painted_at)
        else:
            self.leave_it(painted_at)

    def be(self, status: RequestStatus, **fields: Any) -> None:
        """Where the request stands."""
        for name, value in {"status": status.value, **fields}.items():
            setattr(self.request, name, value)

    def later(self, moment: datetime, seconds: float) -> datetime:
        """About so many seconds later: mostly near, at times much more."""
        return moment + timedelta(seconds=seconds * self.dice.lognormvariate(0, 0.5))

    # --- Designs and pictures -----------------------------------------------------------------------------------------

    def design(self) -> datetime:
        """The question to the LLM; when it is answered."""
        if not self.request.optimize_prompt:
            return self.wish.at
        answered, request = self.later(self.wish.at, 4.0), self.request
        product = settings.QWEN["model"]
        counted = {"tokensIn": self.dice.randint(700, 900), "tokensOut": self.dice.randint(500, 900)}
        cost = spending.price_of_tokens("qwen", product, counted["tokensIn"], counted["tokensOut"])
        request.design_tries = 1
        self.rows.append(
            ProviderCall(
                reference=f"{request.pk}-1", kind="llm", job_id=request.pk, owner_id=request.owner_id,
                provider="qwen", product=product, cost=cost, sent_at=self.wish.at, answered_at=answered,
                outcome="ACCEPTED", answer=counted,
            )
        )  # fmt: skip
        return answered

    def paint(self, at: datetime) -> datetime:
        """Four pictures; when the last of them had ended. Else the request is left IMAGE_GENERATING."""
        prompts = designs_of(self.wish.prompt) if self.request.optimize_prompt else [self.wish.prompt] * 4
        all_fail = not self.wish.has_model and self.dice.random() < 0.15
        ends = []
        for index, prompt in enumerate(prompts):
            image = GeneratedImage(
                id=id_at(self.wish.at, self.dice), request_id=self.request.pk, index=index, prompt=prompt,
                created_at=self.wish.at, updated_at=at,
            )  # fmt: skip
            self.images.append(image)
            self.rows.append(image)
            ends.append(self.paint_one(image, at + timedelta(seconds=self.dice.uniform(0.2, 8)), all_fail))
        if any(end is None for end in ends):
            has_begun = any(image.status != ImageStatus.PENDING for image in self.images)
            status = RequestStatus.IMAGE_GENERATING if has_begun else RequestStatus.IMAGE_PENDING
            self.be(status, updated_at=self.wish.now, deadline_at=self.wish.now + HOLD)
        return max((end for end in ends if end), default=at)

    def paint_one(self, image: GeneratedImage, at: datetime, must_fail: bool) -> datetime | None:
        """One picture and its job; when it had ended."""
        fails = must_fail or (self.dice.random() < 0.02 and (image.index > 0 or not self.wish.has_model))
        job = ImageGenerationJob(id=id_at(self.wish.at, self.dice), owner_id=self.request.owner_id, image_id=image.pk)
        outcome = self.work(job, at, fails)
        if outcome is None:
            image.status = ImageStatus.PENDING if job.stage == Stage.WAITING else ImageStatus.GENERATING
        elif outcome.code:
            image.status, image.error_code, image.failed_at = ImageStatus.FAILED, outcome.code, job.ended_at
        else:
            image.status, image.completed_at = ImageStatus.COMPLETED, job.ended_at
        image.updated_at = job.updated_at
        return job.ended_at

    # --- The choice and the model -------------------------------------------------------------------------------------

    def choose(self, at: datetime) -> None:
        """A picture is chosen, if there was time for it, and a model is built."""
        chosen_at = self.later(at, 90.0)
        image = self.dice.choice([image for image in self.images if image.status == ImageStatus.COMPLETED])
        chosen_at = min(chosen_at, self.wish.now - timedelta(seconds=1))
        self.model_id = id_at(chosen_at, self.dice)
        self.request.selected_image_index = image.index
        job = ModelGenerationJob(
            id=id_at(chosen_at, self.dice), owner_id=self.request.owner_id, model_id=self.model_id,
            request_id=self.request.pk, source_image_id=image.pk, created_at=chosen_at,
        )  # fmt: skip
        outcome = self.work(job, self.later(chosen_at, 3.0), self.dice.random() < 0.07)
        self.model_fields = {"created_at": chosen_at, "updated_at": job.updated_at}
        self.request.updated_at = job.updated_at
        self.settle_model(job, outcome)

    def settle_model(self, job: ModelGenerationJob, outcome: Outcome | None) -> None:
        """What the job's end means for model and request."""
        if outcome is None:
            waits = job.stage == Stage.WAITING
            self.be(
                RequestStatus.MODEL_PENDING if waits else RequestStatus.MODEL_GENERATING,
                deadline_at=self.wish.now + HOLD,
            )
        elif outcome.code:
            self.model_fields |= {"failed_at": job.ended_at, "error_code": outcome.code}
            self.be(RequestStatus.MODEL_FAILED, error_code=outcome.code)
        else:
            self.model_fields |= {"completed_at": job.ended_at}
            self.be(RequestStatus.COMPLETED, completed_at=job.ended_at)

    def leave_it(self, at: datetime) -> None:
        """Nothing was chosen: yet, in time, or because it was cancelled."""
        deadline = at + timedelta(seconds=settings.GENERATION["choice_deadline"])
        left = {"ended_from": RequestStatus.IMAGE_COMPLETED.value}
        if self.dice.random() < 0.25:
            self.be(RequestStatus.CANCELLED, error_code=messages.CANCELLED, **left)
        elif deadline < self.wish.now:
            self.be(RequestStatus.FAILED, error_code=messages.CHOICE_EXPIRED, updated_at=deadline, **left)
        else:
            self.be(RequestStatus.IMAGE_COMPLETED, deadline_at=deadline)

    # --- A job --------------------------------------------------------------------------------------------------------

    def work(self, job: Job, at: datetime, fails: bool) -> Outcome | None:
        """Fill in a job that was begun at that moment, with its paid calls and its history; how it ended, if it has."""
        vendors = VENDORS[job.kind]
        vendor = self.dice.choices(vendors, [vendor.share for vendor in vendors])[0]
        code, status = self.dice.choices(FAILURES[job.kind], (5, 4, 3, 2, 2))[0] if fails else ("", JobStatus.COMPLETED)
        job.created_at, job.fence, job.updated_at = job.created_at or self.wish.at, 1, at
        if at > self.wish.now:
            self.wait(job, vendor)
            return None
        retries = 1 if self.dice.random() < 0.04 else 0
        first, end = at, self.later(at, vendor.seconds * (3 if code == messages.TIMEOUT else 1))
        begun = self.later(first, 8.0) if retries else first
        end += begun - first
        job.provider, job.started_at, job.attempt, job.retry_count = vendor.name, first, retries + 1, retries
        job.provider_job_id = f"{self.dice.getrandbits(64):016x}"
        if end > self.wish.now:
            self.be_under_way(job, begun, vendor)
            return None
        self.end(job, end, status, code)
        self.rows += [job, *self.calls(job, vendor, (first, begun, end)), *self.history(job, (first, begun, end))]
        return Outcome(str(code))

    def end(self, job: Job, end: datetime, status: JobStatus, code: str) -> None:
        """It has ended."""
        job.stage, job.status = Stage.ENDED.value, status.value
        job.error_code, job.error_text = str(code), EVIDENCE.get(code, "")
        job.progress = 0 if code else 100
        job.ended_at = job.updated_at = end
        job.duration_ms = round((end - (job.started_at or end)).total_seconds() * 1000)

    def wait(self, job: Job, vendor: Vendor) -> None:
        """In the queue; or, where those who take it up are paid, at the vendor already."""
        if not self.wish.may_wait:
            job.provider, job.started_at = vendor.name, self.wish.now
            self.be_under_way(job, self.wish.now, vendor)
            return
        job.stage, job.status, job.next_at = Stage.WAITING.value, JobStatus.PENDING.value, job.updated_at
        job.updated_at = job.created_at
        self.rows.append(job)

    def be_under_way(self, job: Job, begun: datetime, vendor: Vendor) -> None:
        """At the vendor; of some nobody knows whether they are."""
        now = self.wish.now
        is_lost = self.dice.random() < 0.15
        job.stage, job.status = (Stage.UNKNOWN if is_lost else Stage.POLLING).value, JobStatus.RUNNING.value
        job.next_at, job.timeout_at, job.updated_at = (
            now + (HOLD if is_lost else timedelta(seconds=10)),
            now + HOLD,
            now,
        )
        job.progress = 0 if is_lost else self.dice.randint(0, 95)
        if is_lost:
            job.error_code, job.provider_job_id = messages.OUTCOME_UNKNOWN, ""
            job.error_text = EVIDENCE[messages.OUTCOME_UNKNOWN]
        self.rows += [job, self.call(job, vendor, job.attempt, (begun, None if is_lost else begun))]
        self.rows += [self.event(job, begun, word) for word in ("CLAIMED", "SUBMITTING", job.stage)]

    def calls(self, job: Job, vendor: Vendor, moments: tuple[datetime, ...]) -> Iterator[ProviderCall]:
        """What was paid for it: a first try that was refused cost nothing."""
        first, begun, _end = moments
        if job.retry_count:
            refused = self.call(job, vendor, 1, (first, first + timedelta(seconds=1)))
            refused.outcome, refused.cost, refused.provider_job_id = "REFUSED", Decimal(0), ""
            refused.answer = {"fault": Fault.UNAVAILABLE, "billed": "NO", "evidence": EVIDENCE[Fault.UNAVAILABLE]}
            yield refused
        yield self.call(job, vendor, job.attempt, (begun, begun + timedelta(seconds=1)))

    def call(self, job: Job, vendor: Vendor, attempt: int, moments: tuple[datetime, datetime | None]) -> ProviderCall:
        """One line of the journal."""
        sent_at, answered_at = moments
        is_lost = job.error_code == messages.OUTCOME_UNKNOWN
        is_refused = job.error_code in (Fault.CONTENT_REFUSED, Fault.RATE_LIMITED)
        outcome = "" if answered_at is None else "UNKNOWN" if is_lost else "REFUSED" if is_refused else "ACCEPTED"
        return ProviderCall(
            reference=f"{job.pk}-{attempt}", kind=job.kind, job_id=job.pk, owner_id=job.owner_id,
            provider=vendor.name, product=vendor.product, cost=Decimal(0) if is_refused else price(vendor),
            sent_at=sent_at, answered_at=answered_at, outcome=outcome,
            provider_job_id=job.provider_job_id if outcome == "ACCEPTED" else "",
            answer={"state": "QUEUED", "ref": job.provider_job_id} if outcome == "ACCEPTED" else {},
        )  # fmt: skip

    def history(self, job: Job, moments: tuple[datetime, ...]) -> Iterator[JobEvent]:
        """The lines of a job that has ended, if they are still kept."""
        if not self.is_recent:
            return
        first, begun, end = moments
        tries = [(first, "CLAIMED"), (first, "SUBMITTING"), (first, "RETRYING")] if job.retry_count else []
        rest = [(begun, "CLAIMED"), (begun, "SUBMITTING"), (begun, "POLLING")]
        last = [] if job.error_code else [(end - timedelta(seconds=1), "STORING")]
        for moment, word in (*tries, *rest, *last, (end, job.status)):
            yield self.event(job, moment, word)

    def event(self, job: Job, at: datetime, word: str) -> JobEvent:
        """One line of history."""
        detail = {"attempt": job.attempt} | ({"error": job.error_code} if word == job.status and job.error_code else {})
        return JobEvent(kind=job.kind, job_id=job.pk, at=at, event=word, fence=1, process="demo", detail=detail)


@cache
def price(vendor: Vendor) -> Decimal:
    """What an order costs there."""
    return spending.price(vendor.name, vendor.product, vendor.units)


def designs_of(prompt: str) -> list[str]:
    """As the offline LLM writes them."""
    found: list[str] = json.loads(registry.get("llm", "offline").complete(system="", prompt=prompt).text)["designs"]
    return found
