"""Scripted vendors in place of the offline ones, and a hand that turns the clockwork."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from generation import polls, queue, steps, writing
from generation.models import GenerationRequest, ImageGenerationJob, ModelGenerationJob, Stale
from lumi import clock
from providers import registry
from tests.generation.vendor import Vendor, Writer

HERE: dict[str, Any] = {}


def painter() -> Vendor:
    """Named in settings.PROVIDERS."""
    return HERE["image"]


def builder() -> Vendor:
    """Named in settings.PROVIDERS."""
    return HERE["model"]


def second_painter() -> Vendor:
    """Named in settings.PROVIDERS."""
    return HERE["second image"]


def second_builder() -> Vendor:
    """Named in settings.PROVIDERS."""
    return HERE["second model"]


def writer() -> Writer:
    """Named in settings.PROVIDERS."""
    return HERE["llm"]


@pytest.fixture(autouse=True)
def vendors(settings: Any) -> Iterator[None]:
    """A painter, a builder and a writer for this test only."""
    here = "tests.generation.conftest"
    settings.PROVIDERS = {
        "llm": {"scripted": f"{here}.writer"},
        "image": {"scripted": f"{here}.painter", "second": f"{here}.second_painter"},
        "model": {"scripted": f"{here}.builder", "second": f"{here}.second_builder"},
    }
    settings.LLM_PROVIDERS = settings.IMAGE_PROVIDERS = settings.MODEL_PROVIDERS = ["scripted"]
    generous = {"per_minute": 1000, "at_once": 5}
    settings.GENERATION = {
        **settings.GENERATION,
        "image": {**settings.GENERATION["image"], **generous},
        "model": {**settings.GENERATION["model"], **generous},
    }
    settings.PROVIDER_LIMITS = settings.BUDGETS = {}
    HERE.update(image=Vendor("image"), model=Vendor("model", at_once=False), llm=Writer())
    HERE["second image"] = Vendor("image", name="second")
    HERE["second model"] = Vendor("model", name="second", at_once=False)
    registry.get.cache_clear()
    yield
    registry.get.cache_clear()


@pytest.fixture(name="painter")
def painter_fixture() -> Vendor:
    """The image vendor."""
    return HERE["image"]


@pytest.fixture(name="builder")
def builder_fixture() -> Vendor:
    """The 3D vendor."""
    return HERE["model"]


@pytest.fixture
def two(settings: Any) -> dict[str, Vendor]:
    """Two providers in each list; the second ones, by kind."""
    settings.IMAGE_PROVIDERS = settings.MODEL_PROVIDERS = ["scripted", "second"]
    return {"image": HERE["second image"], "model": HERE["second model"]}


@pytest.fixture(name="writer")
def writer_fixture() -> Writer:
    """The LLM."""
    return HERE["llm"]


def turn() -> int:
    """One turn of the clockwork, as `tick` and the workers do it; how much there was to do."""
    designs = queue.claim_designs()
    for request_id, _ in designs:
        writing.write_designs(GenerationRequest.objects.get(pk=request_id))
    claims = [(kind, claim) for kind in queue.JOBS for claim in queue.claim(kind)]
    for kind, (job_id, fence) in claims:
        work(queue.jobs_of(kind).claimed(job_id, fence))
    return len(designs) + len(claims) + sum(polls.poll_due(kind) for kind in queue.JOBS)


def work(job: Any) -> None:
    """What the task `advance` does with a claim."""
    if job is None:
        return
    with suppress(Stale):
        steps.work_on(job)


def work_on(kind: str, claims: list[queue.Claim]) -> None:
    """What the workers do that hear of these claims."""
    for claim in claims:
        work(queue.jobs_of(kind).claimed(*claim))


def skip_waits() -> None:
    """Let all waiting be over: backoffs and poll intervals, not deadlines."""
    for jobs in (ImageGenerationJob.objects, ModelGenerationJob.objects):
        jobs.filter(next_at__isnull=False).exclude(stage="UNKNOWN").update(next_at=clock.now())


def turn_to_the_end(most: int = 30) -> None:
    """Turn until nothing is due any more, skipping all waits."""
    for _ in range(most):
        skip_waits()
        if not turn():
            return
    raise AssertionError("the clockwork does not come to an end")
