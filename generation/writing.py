"""The design step: a question to one LLM after the other until one gives four designs, then one short transaction that
lets the painting begin. Each question is a paid call: it is in the journal before and after, and they are few."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import transaction

from generation import breakers, choice, designs, journal, messages, outcomes, queue, spending
from generation.kinds import locked_request, write_image
from generation.models import GeneratedImage, GenerationRequest, ImageGenerationJob, ProviderCall, Stale
from generation.states import ImageStatus, JobStatus, RequestStatus, Stage
from lumi import clock, wordfilter
from lumi.wordfilter import Verdict
from providers import registry
from providers.base import LanguageModel, ProviderError

logger = logging.getLogger(__name__)

MOST_DESIGN_TRIES = 2  # questions that a request may cost
LLM = "llm"


class NoBudget(Exception):
    """The question may not be paid for. Undoes the transaction in which that was found out."""


def write_designs(request: GenerationRequest) -> None:
    """Ask for four designs, and let the painting begin. A request never fails for the LLM, only for the judge of
    prompts. Raises Stale."""
    verdict = judged(request)
    if not verdict.allowed:
        refuse(request, verdict.evidence)
        return
    wanted = request.optimize_prompt
    found = designs_for(request) if wanted else None
    notice = messages.PROMPT_NOT_OPTIMIZED if wanted and found is None else ""
    with still_mine(request) as locked:
        images = list(locked.images.all())
        for image in images:
            image.prompt = found[image.index] if found else locked.prompt
        GeneratedImage.objects.bulk_update(images, ["prompt"])
        ImageGenerationJob.objects.of_request(locked.id).filter(stage=Stage.WAITING).update(next_at=clock.now())
        locked.next_at, locked.lease_until, locked.notice_code = None, None, notice
        locked.save(update_fields=["next_at", "lease_until", "notice_code", "updated_at"])


@contextmanager
def still_mine(request: GenerationRequest) -> Iterator[GenerationRequest]:
    """A transaction that holds the request's row. Raises Stale where another worker has it by now, or it has moved."""
    with locked_request(request.id) as locked:
        if locked.fence != request.fence or locked.status != RequestStatus.IMAGE_PENDING:
            raise Stale
        yield locked


def write_mine(request: GenerationRequest, **fields: Any) -> None:
    """Change a request that this worker has. Raises Stale."""
    mine = GenerationRequest.objects.filter(pk=request.pk, fence=request.fence, status=RequestStatus.IMAGE_PENDING)
    if not mine.update(**fields):
        raise Stale


def judged(request: GenerationRequest) -> Verdict:
    """What the judge says, if there is one: the request is leased for as long as that may take. Raises Stale."""
    if settings.TEXT_JUDGE:
        write_mine(request, lease_until=lease_from(clock.now(), wordfilter.JUDGE_SECONDS))
    return wordfilter.judged(request.prompt)


def refuse(request: GenerationRequest, evidence: str) -> None:
    """Nothing is painted, nothing was paid, and it cannot be tried again. Raises Stale."""
    ended: dict[str, Any] = {"error_code": messages.UNWELCOME, "next_at": None}
    with still_mine(request) as locked:
        for job in ImageGenerationJob.objects.of_request(locked.pk).open().with_context().order_by("pk"):
            job.move(Stage.ENDED, JobStatus.FAILED, error_text=evidence[: outcomes.EVIDENCE_LENGTH], **ended)
            write_image(job.image, ImageStatus.FAILED, error_code=messages.UNWELCOME, failed_at=clock.now())
        locked.move(RequestStatus.FAILED, ended_from=locked.status, lease_until=None, deadline_at=None, **ended)


def designs_for(request: GenerationRequest) -> list[str] | None:
    """Four designs from the first LLM that gives them, each asked once; None where none does. Raises Stale."""
    for name in in_order(request):
        if request.design_tries >= MOST_DESIGN_TRIES:
            break
        if found := designs_by(name, request):
            return found
    return None


def in_order(request: GenerationRequest) -> list[str]:
    """The LLMs as the settings list them; last come those over whose question a worker was lost."""
    unanswered = ProviderCall.objects.filter(job_id=request.pk, kind=LLM, outcome="")
    lost = set(unanswered.values_list("provider", flat=True)) if request.design_tries else set()
    return sorted(registry.listed(LLM), key=lambda name: name in lost)


def designs_by(name: str, request: GenerationRequest) -> list[str] | None:
    """Four designs from one LLM, if it may be asked and gives them. Raises Stale."""
    llm = outcomes.answer_of(registry.get, LLM, name)
    if isinstance(llm, ProviderError) or breakers.closed_until(LLM, name, breakers.SUBMIT, clock.now()):
        return None
    try:
        reference = begin_question(request, llm)
    except NoBudget:
        breakers.unused(LLM, name, breakers.SUBMIT)
        return None
    answer = outcomes.answer_of(designs.ask, llm, request.prompt)
    journal.told(reference, llm.name, llm.product, answer)
    tell_breaker(name, answer)
    return in_words(answer)


def begin_question(request: GenerationRequest, llm: LanguageModel) -> str:
    """The question's name in the journal. In one transaction: the question is counted, so that workers which die of it
    do not ask for ever, its time is leased, and its line is written. Raises Stale and NoBudget."""
    now = clock.now()
    tries, fence = request.design_tries + 1, request.fence + 1
    reference = f"{request.pk}-{fence}"
    with transaction.atomic():
        write_mine(
            request, design_tries=tries, fence=fence, lease_until=lease_from(now, settings.PROVIDER_SECONDS["pay"])
        )
        price = most_that_it_costs(llm, request.prompt)
        if not spending.allows(llm.name, price):
            raise NoBudget
        journal.asked(request, reference, llm.name, llm.product, price)
    request.design_tries, request.fence = tries, fence
    return reference


def lease_from(now: datetime, seconds: float) -> datetime:
    """A lease that begins when an answer is there or given up, after so many seconds: nobody renews it meanwhile."""
    return queue.lease_from(now) + timedelta(seconds=seconds)


def most_that_it_costs(llm: LanguageModel, prompt: str) -> Decimal:
    """The price of a question until its tokens are known: each character one, and the longest answer."""
    return spending.price_of_tokens(llm.name, llm.product, designs.length(prompt), settings.LLM_MOST_TOKENS)


def tell_breaker(name: str, answer: Any) -> None:
    """One that does not answer, or that our account cannot use while others can, is left alone for a while."""
    error = answer if isinstance(answer, ProviderError) else None
    is_mended_later = error is not None and error.fault in breakers.ACCOUNT and choice.has_others(LLM, name)
    if error and (is_mended_later or breakers.is_outage(error)):
        breakers.failed(LLM, name, breakers.SUBMIT, at_once=is_mended_later)
    else:
        breakers.succeeded(LLM, name, breakers.SUBMIT)


def in_words(answer: Any) -> list[str] | None:
    """The designs in an answer, if it is one."""
    try:
        if isinstance(answer, ProviderError):
            raise answer
        return designs.read(answer.text)
    except (ProviderError, designs.Unusable) as reason:
        logger.warning("designs failed: %s", type(reason).__name__, extra={"reason": str(reason)[:300]})
        return None
