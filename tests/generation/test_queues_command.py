"""`manage.py jobs sweep`, `pause`, `resume` and `queues`."""

from datetime import timedelta

import pytest
from django.core.management import CommandError

from generation import breakers, pipeline, queue
from generation.models import (
    GenerationRequest,
    ImageGenerationJob,
    JobEvent,
    ModelGenerationJob,
    QueuePause,
)
from lumi import clock
from lumi.accounts.models import User
from tests.factories import make_request
from tests.generation.conftest import turn_to_the_end
from tests.generation.shell import jobs, script

pytestmark = pytest.mark.django_db


def model_job() -> ModelGenerationJob:
    """The only one there is, as it is now."""
    return ModelGenerationJob.objects.with_context().get()


class TestSweep:
    def test_says_what_it_did(self, alice: User) -> None:
        make_request(alice, status="MODEL_PENDING")
        ModelGenerationJob.objects.update(
            stage="SUBMITTING", status="RUNNING", provider="scripted", lease_until=clock.now() - timedelta(days=1)
        )
        assert jobs("sweep", "--by", "carol") == "Swept: UNKNOWN 1.\n"
        assert JobEvent.objects.get().actor == "operator carol"
        ModelGenerationJob.objects.update(next_at=clock.now() - timedelta(days=1))
        assert script("sweep") == {"swept": {"FAILED": 1}}
        assert jobs("sweep") == "Swept: no job had to be moved.\n"


class TestPauses:
    @pytest.mark.parametrize("kind", ["image", "model", "design"])
    def test_stop_what_has_not_begun(self, alice: User, kind: str) -> None:
        pipeline.start(owner=alice, prompt="x")
        make_request(alice, status="MODEL_PENDING")
        make_request(alice, status="IMAGE_GENERATING")
        ImageGenerationJob.objects.filter(image__request__status="IMAGE_GENERATING").update(next_at=clock.now())

        def claims() -> set[str]:
            found = {kind: queue.claim(kind) for kind in ("image", "model")} | {"design": queue.claim_designs()}
            GenerationRequest.objects.update(lease_until=None)
            for model in (ImageGenerationJob, ModelGenerationJob):
                model.objects.update(lease_until=None)
            return {name for name, claimed in found.items() if claimed}

        assert claims() == {"image", "model", "design"}
        jobs("pause", kind)
        assert claims() == {"image", "model", "design"} - {kind}
        jobs("resume", kind)
        assert claims() == {"image", "model", "design"}

    def test_what_is_paid_for_goes_on(self, alice: User) -> None:
        make_request(alice, status="MODEL_GENERATING")
        jobs("pause", "model")
        turn_to_the_end()
        assert model_job().status == "COMPLETED"

    def test_twice_is_once(self, db: None) -> None:
        assert jobs("pause", "image", "--by", "carol") == "image is paused by operator carol.\n"
        assert jobs("pause", "image", "--by", "dave") == "image was already paused by operator carol.\n"
        assert QueuePause.objects.get().paused_by == "operator carol"
        assert jobs("resume", "image") == "image goes on.\n"
        assert jobs("resume", "image") == "image was not paused.\n"

    def test_for_scripts(self, db: None) -> None:
        fact = {"queue": "design", "paused": True, "changed": True, "pausedBy": "operator carol"}
        assert script("pause", "design", "--by", "carol") == fact
        assert script("resume", "design") == {"queue": "design", "paused": False, "changed": True}

    def test_a_queue_that_is_none(self, db: None) -> None:
        with pytest.raises(CommandError, match="invalid choice"):
            jobs("pause", "sound")


class TestQueues:
    def test_for_scripts(self, alice: User) -> None:
        pipeline.start(owner=alice, prompt="x")
        make_request(alice, status="MODEL_PENDING")
        make_request(alice, status="MODEL_GENERATING")
        make_request(alice, status="MODEL_GENERATING")
        held = ModelGenerationJob.objects.filter(stage="POLLING").first()
        ModelGenerationJob.objects.filter(pk=held.pk).update(stage="UNKNOWN")
        ModelGenerationJob.objects.filter(stage="WAITING").update(created_at=clock.now() - timedelta(hours=2))
        jobs("pause", "model", "--by", "carol")
        for _ in range(5):
            breakers.failed("model", "scripted", "submit")
        design, image, model = script("queues")
        assert (design["queue"], design["waiting"], design["running"], design["unknown"]) == ("design", 1, 0, 0)
        assert (image["queue"], image["waiting"], image["oldestSeconds"]) == ("image", 0, None)
        assert (model["waiting"], model["running"], model["unknown"]) == (1, 1, 1)
        assert 7190 < model["oldestSeconds"] < 7260
        assert (model["pausedBy"], model["breakers"]) == ("operator carol", ["scripted submit"])
        assert (image["pausedBy"], image["pausedAt"], image["breakers"]) == ("", None, [])

    @pytest.mark.parametrize("verb", ["queues", "pauses"])
    def test_for_people(self, alice: User, verb: str) -> None:
        make_request(alice, status="MODEL_PENDING")
        ModelGenerationJob.objects.update(created_at=clock.now() - timedelta(hours=2))
        jobs("pause", "model", "--by", "carol")
        lines = [line.split() for line in jobs(verb).splitlines()]
        assert ["model", "1", "0", "0", "2h", "operator", "carol"] in lines

    def test_designs_that_are_being_written_run(self, alice: User) -> None:
        pipeline.start(owner=alice, prompt="x")
        queue.claim_designs()
        assert (script("queues")[0]["waiting"], script("queues")[0]["running"]) == (0, 1)
