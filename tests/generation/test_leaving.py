"""Somebody goes while their jobs run: nothing more is paid for, and the providers are told to stop."""

from typing import Any

import pytest

from generation import outcomes, pipeline, queue, writing
from generation.models import GenerationRequest, JobEvent, ModelGenerationJob, ProviderCall
from lumi import files
from lumi.accounts import erasure
from lumi.accounts.models import User
from lumi.models import DoomedFile
from tests.generation.conftest import HERE, turn_to_the_end, work

pytestmark = pytest.mark.django_db(transaction=True)


def claimed(kind: str) -> Any:
    """A job in a worker's hands."""
    return queue.jobs_of(kind).claimed(*queue.claim(kind)[0])


def test_what_waits_is_never_paid_for(alice: User) -> None:
    for _ in range(3):
        pipeline.start(owner=alice, prompt="a cat", optimize_prompt=False)
    erasure.erase(person_id=alice.pk)
    turn_to_the_end()
    assert HERE["image"].ledger == HERE["model"].ledger == HERE["llm"].asked == []
    assert not GenerationRequest.objects.exists()


def test_what_is_in_a_worker_s_hands_is_not_paid_for(alice: User) -> None:
    request = pipeline.start(owner=alice, prompt="a cat", optimize_prompt=False)
    queue.claim_designs()
    writing.write_designs(GenerationRequest.objects.get(pk=request.pk))
    job = claimed("image")
    erasure.erase(person_id=alice.pk)
    work(job)
    turn_to_the_end()
    assert HERE["image"].ledger == []


def test_what_is_paid_for_is_told_to_stop(alice: User) -> None:
    request = pipeline.start(owner=alice, prompt="a cat", optimize_prompt=False)
    turn_to_the_end()
    pipeline.select_image(owner=alice, request_id=request.pk, index=0)
    work(claimed("model"))
    (reference,) = HERE["model"].ledger
    assert ModelGenerationJob.objects.get().stage == "POLLING"
    erasure.erase(person_id=alice.pk)
    outcomes.tell_to_stop()
    turn_to_the_end()
    assert HERE["model"].ledger == [reference]
    assert HERE["model"].cancelled == [f"job-{reference}"]
    assert not User.objects.exists()


def test_a_picture_that_arrives_while_they_go_leaves_no_file(alice: User, media: Any) -> None:
    pipeline.start(owner=alice, prompt="a cat", optimize_prompt=False)
    HERE["image"].during["fetch"] = lambda: erasure.erase(person_id=alice.pk)
    turn_to_the_end()
    DoomedFile.objects.update(after="2000-01-01T00:00:00Z")
    files.sweep()
    assert [path for path in media.rglob("*") if path.is_file()] == []


def test_what_was_spent_stays_in_the_books(alice: User) -> None:
    pipeline.start(owner=alice, prompt="a cat", optimize_prompt=False)
    turn_to_the_end()
    erasure.erase(person_id=alice.pk)
    assert ProviderCall.objects.count() == 4
    assert JobEvent.objects.exists()
