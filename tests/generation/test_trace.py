"""The id of the HTTP request goes with the work, to the worker's log and to the provider."""

import pytest

from generation import pipeline, queue, tasks, writing
from generation.models import GenerationRequest, ImageGenerationJob
from lumi import logs
from lumi.accounts.models import User
from tests.generation.vendor import Vendor

pytestmark = pytest.mark.django_db


def test_rows_know_who_ordered_them(alice: User) -> None:
    with logs.on_behalf_of("call-0001"):
        request = pipeline.start(owner=alice, prompt="a cat", optimize_prompt=False)
    assert GenerationRequest.objects.get().trace_id == "call-0001"
    assert set(ImageGenerationJob.objects.values_list("trace_id", flat=True)) == {"call-0001"}
    ImageGenerationJob.objects.update(stage="ENDED", status="COMPLETED")
    request.images.update(status="COMPLETED", key="images/a/b/c.png")
    GenerationRequest.objects.update(status="IMAGE_COMPLETED")
    with logs.on_behalf_of("call-0002"):
        pipeline.select_image(owner=alice, request_id=request.pk, index=0)
    request.refresh_from_db()
    assert (request.trace_id, request.model_job.trace_id) == ("call-0001", "call-0002")


def test_a_worker_works_on_behalf_of_that_call(alice: User, painter: Vendor) -> None:
    heard: list[str] = []
    with logs.on_behalf_of("call-0001"):
        pipeline.start(owner=alice, prompt="a cat", optimize_prompt=False)
    assert logs.current() == ""
    for request_id, _ in queue.claim_designs():
        writing.write_designs(GenerationRequest.objects.get(pk=request_id))
    job_id, fence = queue.claim("image")[0]
    painter.during["submit"] = lambda: heard.append(logs.current())
    tasks.advance("image", job_id, fence)
    assert heard == ["call-0001"]
    assert logs.current() == ""
