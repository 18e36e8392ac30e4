"""Fairness: one person's thousand requests do not stand before another's single one."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from generation import pipeline, queue, submits
from generation.models import GeneratedImage, GenerationRequest, ImageGenerationJob, ModelGenerationJob, ProviderGate
from lumi import clock
from lumi.accounts.models import User
from tests.factories import make_request, make_user
from tests.generation.accidents import PICTURE
from tests.generation.test_queue import limits

pytestmark = pytest.mark.django_db


def waiting(owner: User, number: int, age: float = 0) -> None:
    """So many requests of a person whose pictures wait to be painted, quickly made; `age` in seconds."""
    requests = [GenerationRequest(owner=owner, prompt="x", optimize_prompt=False) for _ in range(number)]
    GenerationRequest.objects.bulk_create(requests)
    images = [GeneratedImage(request=request, index=index, prompt="x") for request in requests for index in range(4)]
    GeneratedImage.objects.bulk_create(images)
    due = clock.now() - timedelta(seconds=age)
    ImageGenerationJob.objects.bulk_create(
        ImageGenerationJob(image=image, owner=owner, next_at=due, max_retries=2) for image in images
    )


def claimed() -> list[str]:
    """Whose jobs the next tick takes."""
    owners = dict(ImageGenerationJob.objects.values_list("pk", "owner__name"))
    return [owners[job_id] for job_id, _ in queue.claim("image")]


def finish() -> None:
    """All that was claimed passes the gate, and is done."""
    for job in ImageGenerationJob.objects.filter(lease_until__isnull=False).with_context():
        submits.begin_submit(job, PICTURE)
    ImageGenerationJob.objects.filter(stage="SUBMITTING").update(
        stage="ENDED", status="COMPLETED", lease_until=None, next_at=None
    )


def test_two_hundred_requests_do_not_delay_another_persons_one(alice: User, bob: User, settings: Any) -> None:
    limits(settings, "image", at_once=5, per_minute=1000)
    waiting(alice, 200, age=3600)
    assert claimed() == ["Alice"] * 5  # nobody else is there
    waiting(bob, 1)
    finish()
    first = Counter(claimed())
    finish()
    both = first + Counter(claimed())
    assert first["Bob"] >= 2
    assert both["Bob"] == 4  # all that he has


def test_one_free_place_is_for_whoever_has_least_under_way(alice: User, bob: User, settings: Any) -> None:
    """No longer than the jobs that already run."""
    limits(settings, "image", at_once=5, per_minute=1000)
    waiting(alice, 200, age=3600)
    claimed()
    waiting(bob, 1)
    assert claimed() == []
    job = ImageGenerationJob.objects.filter(lease_until__isnull=False).first()
    ImageGenerationJob.objects.filter(pk=job.pk).update(stage="ENDED", status="COMPLETED", lease_until=None)
    assert claimed() == ["Bob"]


@pytest.mark.parametrize("stage", ["SUBMITTING", "POLLING"])
def test_what_is_at_the_vendor_counts(alice: User, bob: User, settings: Any, stage: str) -> None:
    limits(settings, "image", at_once=4, per_minute=1000)
    waiting(alice, 10, age=3600)
    at_vendor = list(ImageGenerationJob.objects.values_list("pk", flat=True)[:3])
    ImageGenerationJob.objects.filter(pk__in=at_vendor).update(stage=stage, status="RUNNING", provider="scripted")
    waiting(bob, 1)
    assert claimed() == ["Bob"]


def test_three_take_turns(alice: User, bob: User, settings: Any) -> None:
    limits(settings, "image", at_once=6, per_minute=1000)
    carol = make_user("carol@example.com", name="Carol")
    for age, person in enumerate((carol, bob, alice)):
        waiting(person, 10, age=age)
    for _ in range(3):
        assert Counter(claimed()) == {"Alice": 2, "Bob": 2, "Carol": 2}
        finish()


def test_among_equals_the_longest_wait_goes_first(alice: User, bob: User, settings: Any) -> None:
    limits(settings, "image", at_once=1, per_minute=1000)
    waiting(alice, 2, age=10)
    waiting(bob, 2, age=20)
    order = []
    for _ in range(2):
        order += claimed()
        finish()
    assert order[0] == "Bob"


def test_many_people_share_a_few_places(settings: Any, db: None) -> None:
    """Everybody's first job comes before anybody's second."""
    limits(settings, "image", at_once=5, per_minute=1000)
    people = [make_user(name=f"P{number}") for number in range(10)]
    for age, person in enumerate(people):
        waiting(person, 3, age=age)
    order = []
    for _ in range(2):
        order += claimed()
        finish()
    assert sorted(order) == sorted(person.name for person in people)


def test_five_with_many_old_jobs_do_not_keep_each_place_to_themselves(bob: User, settings: Any) -> None:
    """Whoever's last turn is longest ago comes next, not whoever has waited longest: a place that a job of theirs
    leaves is not theirs again."""
    limits(settings, "image", at_once=5, per_minute=1000)
    for _ in range(5):
        waiting(make_user(), 50, age=3600)
    assert len(set(claimed())) == 5
    waiting(bob, 1)
    finish()
    assert "Bob" in claimed()


def test_nor_with_a_single_place(alice: User, bob: User, settings: Any) -> None:
    limits(settings, "image", at_once=1, per_minute=1000)
    waiting(alice, 50, age=3600)
    waiting(bob, 1)
    order = []
    for _ in range(6):
        order += claimed()
        finish()
    assert order == ["Alice", "Bob"] * 3


def test_so_many_last_turns_are_remembered_and_no_more(alice: User, settings: Any) -> None:
    gate = ProviderGate(kind="image", provider="scripted")
    for number in range(300):
        gate.served = queue.remembered(gate, [f"person {number}"], clock.now())
    assert len(gate.served) == 200
    assert "person 299" in gate.served


def test_models_too(alice: User, bob: User, settings: Any) -> None:
    limits(settings, "model", at_once=2, per_minute=1000)
    for person in (alice, alice, alice, bob):
        make_request(person, status="MODEL_PENDING")
    owners = dict(ModelGenerationJob.objects.values_list("pk", "owner__name"))
    assert sorted(owners[job_id] for job_id, _ in queue.claim("model")) == ["Alice", "Bob"]


def test_designs_too(alice: User, bob: User, settings: Any) -> None:
    settings.GENERATION = {**settings.GENERATION, "designs_at_once": 3, "most_unfinished_per_person": 100}
    for _ in range(20):
        pipeline.start(owner=alice, prompt="x")
    pipeline.start(owner=bob, prompt="y")
    owners = dict(GenerationRequest.objects.values_list("pk", "owner__name"))
    assert Counter(owners[pk] for pk, _ in queue.claim_designs()) == {"Alice": 2, "Bob": 1}
    assert queue.claim_designs() == []  # three are being written
    GenerationRequest.objects.filter(lease_until__isnull=False).update(next_at=None, lease_until=None)
    pipeline.start(owner=bob, prompt="y")
    settings.GENERATION = {**settings.GENERATION, "designs_at_once": 1}
    names = []
    for _ in range(2):
        names += [owners_now(pk) for pk, _ in queue.claim_designs()]
        GenerationRequest.objects.filter(lease_until__isnull=False).update(next_at=None, lease_until=None)
    assert sorted(names) == ["Alice", "Bob"]


def owners_now(request_id: str) -> str:
    """Whose request it is."""
    return GenerationRequest.objects.get(pk=request_id).owner.name


def test_a_tick_costs_the_same_for_many(alice: User, bob: User, django_assert_num_queries: Any) -> None:
    for number in (1, 60):
        waiting(alice, number)
        waiting(bob, 1)
        with django_assert_num_queries(8 + 5):  # five of them take one job each
            assert len(claimed()) == 5
        finish()
