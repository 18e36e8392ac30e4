"""The front door: what a person can ask for, and what it does to the rows."""

from io import BytesIO
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models import F
from PIL import Image

from gallery import actions as gallery
from gallery import sharing
from gallery.models import Model
from generation import outcomes, pipeline, queue
from generation.models import GeneratedImage, GenerationRequest, ImageGenerationJob, ModelGenerationJob, Stale
from generation.states import UNFINISHED, JobStatus, RequestStatus
from lumi import clock
from lumi.accounts.models import User
from lumi.errors import Conflict, Invalid, InvalidState, NotFound
from providers.base import Fault, ProviderError
from tests.factories import make_request
from tests.generation.conftest import skip_waits, turn, turn_to_the_end
from tests.generation.vendor import Vendor, Writer, png

pytestmark = pytest.mark.django_db

WRONG_FOR_CHOICE = ["IMAGE_PENDING", "IMAGE_GENERATING", "IMAGE_FAILED", "CANCELLED"]
WRONG_FOR_RETRY = sorted(set(RequestStatus) - {"IMAGE_FAILED", "MODEL_FAILED", "MODEL_COMPLETED"})
WRONG_FOR_CANCEL = ["IMAGE_FAILED", "MODEL_FAILED", "COMPLETED", "FAILED", "CANCELLED"]


def files_left(media: Any) -> list[Any]:
    """What lies on the disk."""
    return [path for path in media.rglob("*") if path.is_file()]


class TestStart:
    def test_four_images_with_their_jobs_in_one_transaction(self, alice: User) -> None:
        request = pipeline.start(owner=alice, prompt="a cat")
        assert (request.status, request.phase) == ("IMAGE_PENDING", "IMAGE_GENERATION")
        images = request.images.select_related("job")
        assert [(image.index, image.status, image.job.status) for image in images] == [
            (index, "PENDING", "PENDING") for index in range(4)
        ]
        assert request.deadline_at is not None

    def test_nothing_is_asked_of_a_provider(self, alice: User, writer: Writer, painter: Vendor) -> None:
        pipeline.start(owner=alice, prompt="a cat")
        assert (writer.asked, painter.orders) == ([], [])


class TestSelect:
    def test_a_private_unfinished_model_with_the_prompt_as_its_name(self, alice: User) -> None:
        request = make_request(alice, status="IMAGE_COMPLETED", prompt="a small cat")
        model = pipeline.select_image(owner=alice, request_id=request.id, index=2)
        request.refresh_from_db()
        assert (request.status, request.selected_image_index) == ("MODEL_PENDING", 2)
        assert (model.name, model.visibility, model.completed_at, model.owner) == (
            "a small cat",
            "PRIVATE",
            None,
            alice,
        )
        job = ModelGenerationJob.objects.get(request=request)
        assert (job.model_id, job.source_image.index, job.status) == (model.id, 2, "PENDING")

    @pytest.mark.parametrize("status", WRONG_FOR_CHOICE)
    def test_not_in_another_state(self, alice: User, status: str) -> None:
        request = make_request(alice, status=status)
        with pytest.raises(InvalidState):
            pipeline.select_image(owner=alice, request_id=request.id, index=0)
        assert not Model.objects.exists()

    def test_only_once(self, alice: User) -> None:
        request = make_request(alice, status="IMAGE_COMPLETED")
        pipeline.select_image(owner=alice, request_id=request.id, index=0)
        with pytest.raises(Conflict):
            pipeline.select_image(owner=alice, request_id=request.id, index=1)
        assert Model.objects.count() == 1

    def test_not_an_image_that_failed(self, alice: User) -> None:
        request = make_request(alice, status="IMAGE_COMPLETED")
        request.images.filter(index=1).update(status="FAILED")
        with pytest.raises(InvalidState):
            pipeline.select_image(owner=alice, request_id=request.id, index=1)

    def test_not_another_persons(self, alice: User, bob: User) -> None:
        request = make_request(alice, status="IMAGE_COMPLETED")
        with pytest.raises(NotFound):
            pipeline.select_image(owner=bob, request_id=request.id, index=0)


class TestRetry:
    def test_failed_images_are_painted_again(self, alice: User, painter: Vendor) -> None:
        painter.say("submit", *[ProviderError(Fault.QUOTA_EXHAUSTED, permanent=True)] * 4)
        request = pipeline.start(owner=alice, prompt="a cat")
        turn_to_the_end()
        pipeline.retry(owner=alice, request_id=request.id)
        request.refresh_from_db()
        assert (request.status, request.error_code) == ("IMAGE_PENDING", "")
        assert {(i.status, i.error_code, i.failed_at) for i in request.images.all()} == {("PENDING", "", None)}
        turn_to_the_end()
        request.refresh_from_db()
        assert request.status == "IMAGE_COMPLETED"
        assert len({order.reference for order in painter.orders}) == 8  # a new attempt has a new name at the vendor

    def test_the_llm_is_not_asked_again_for_what_it_wrote(self, alice: User, painter: Vendor, writer: Writer) -> None:
        painter.say("submit", *[ProviderError(Fault.QUOTA_EXHAUSTED, permanent=True)] * 4)
        request = pipeline.start(owner=alice, prompt="a cat")
        turn_to_the_end()
        pipeline.retry(owner=alice, request_id=request.id)
        turn_to_the_end()
        assert writer.asked == ["a cat"]

    def test_a_failed_model_is_built_again_as_the_same_model(self, alice: User, builder: Vendor) -> None:
        builder.say("submit", ProviderError(Fault.QUOTA_EXHAUSTED, permanent=True))
        request = make_request(alice, status="MODEL_PENDING")
        turn_to_the_end()
        model = Model.objects.get()
        assert model.failed_at is not None
        pipeline.retry(owner=alice, request_id=request.id)
        model.refresh_from_db()
        assert (model.failed_at, model.error_code) == (None, "")
        turn_to_the_end()
        request.refresh_from_db()
        assert (request.status, Model.objects.get().id) == ("COMPLETED", model.id)

    def test_a_model_that_its_owner_deleted_meanwhile_is_made_anew(self, alice: User, builder: Vendor) -> None:
        request = make_request(alice, status="MODEL_FAILED")
        gallery.remove(user=alice, model_id=Model.objects.get().id)
        pipeline.retry(owner=alice, request_id=request.id)
        turn_to_the_end()
        request.refresh_from_db()
        assert (request.status, Model.objects.get().is_finished) == ("COMPLETED", True)

    @pytest.mark.parametrize("code", ["OUTCOME_UNKNOWN", "WORKER_LOST", "TIMEOUT"])
    @pytest.mark.parametrize("kind", ["image", "model"])
    def test_an_answer_that_came_too_late_is_taken_up_instead_of_paying_again(
        self, alice: User, painter: Vendor, builder: Vendor, kind: str, code: str
    ) -> None:
        request = make_request(alice, status={"image": "IMAGE_GENERATING", "model": "MODEL_PENDING"}[kind])
        jobs, vendor = queue.jobs_of(kind), {"image": painter, "model": builder}[kind]
        vendor.during["submit"] = lambda: jobs.filter(stage="SUBMITTING").update(fence=F("fence") + 1)
        jobs.update(next_at=clock.now())
        turn()  # the first job's answer comes when it is in other hands
        assert jobs.filter(stage="SUBMITTING").count() == 1
        for job in jobs.open().with_context():
            outcomes.give_up(job, JobStatus.FAILED, code, "")
        GenerationRequest.objects.filter(status="IMAGE_COMPLETED").update(status="IMAGE_FAILED")
        pipeline.retry(owner=alice, request_id=request.id)
        turn_to_the_end()
        request.refresh_from_db()
        assert request.status in ("IMAGE_COMPLETED", "COMPLETED")
        assert len(vendor.ledger) == {"image": 4, "model": 1}[kind]

    @pytest.mark.parametrize("status", WRONG_FOR_RETRY)
    def test_not_in_another_state(self, alice: User, status: str) -> None:
        request = make_request(alice, status=status)
        with pytest.raises(InvalidState):
            pipeline.retry(owner=alice, request_id=request.id)
        request.refresh_from_db()
        assert request.status == status


class TestCancel:
    @pytest.mark.parametrize("status", sorted(UNFINISHED))
    def test_from_every_unfinished_state(self, alice: User, status: str) -> None:
        request = make_request(alice, status=status)
        phase = request.phase
        pipeline.cancel(owner=alice, request_id=request.id)
        request.refresh_from_db()
        assert (request.status, request.phase) == ("CANCELLED", phase)
        assert not ImageGenerationJob.objects.open().exists()
        assert not ModelGenerationJob.objects.open().exists()
        assert not GeneratedImage.objects.filter(status__in=["PENDING", "GENERATING"]).exists()

    def test_nothing_runs_any_more(self, alice: User, painter: Vendor, writer: Writer) -> None:
        request = pipeline.start(owner=alice, prompt="a cat")
        pipeline.cancel(owner=alice, request_id=request.id)
        turn_to_the_end()
        assert (painter.orders, writer.asked) == ([], [])

    def test_finished_pictures_stay(self, alice: User) -> None:
        request = make_request(alice, status="MODEL_GENERATING")
        pipeline.cancel(owner=alice, request_id=request.id)
        assert set(request.images.values_list("status", flat=True)) == {"COMPLETED"}

    @pytest.mark.parametrize("status", WRONG_FOR_CANCEL)
    def test_not_when_it_is_over(self, alice: User, status: str) -> None:
        request = make_request(alice, status=status)
        with pytest.raises(InvalidState):
            pipeline.cancel(owner=alice, request_id=request.id)


class TestDiscard:
    @pytest.mark.parametrize("status", sorted(set(RequestStatus) - {"MODEL_COMPLETED"}))
    def test_rows_and_files_go_in_every_state(
        self, alice: User, status: str, media: Any, django_capture_on_commit_callbacks: Any
    ) -> None:
        request = make_request(alice, status=status)
        for model in Model.objects.all():
            assert all(default_storage.exists(file["key"]) for file in model.files)
        with django_capture_on_commit_callbacks(execute=True):
            pipeline.discard(owner=alice, request_id=request.id)
        for table in (GenerationRequest, GeneratedImage, ImageGenerationJob, ModelGenerationJob, Model):
            assert not table._default_manager.exists()
        assert files_left(media) == []

    def test_a_public_model_stays_with_its_files(
        self, alice: User, media: Any, django_capture_on_commit_callbacks: Any
    ) -> None:
        request = make_request(alice, status="COMPLETED")
        with django_capture_on_commit_callbacks(execute=True):
            model = sharing.publish(user=alice, model_id=Model.objects.get().id)
            pipeline.discard(owner=alice, request_id=request.id)
        assert not GenerationRequest.objects.exists()
        assert len(files_left(media)) == len(model.files)
        assert Model.objects.get().visibility == "PUBLIC"

    def test_what_is_polled_at_that_moment_writes_nothing(self, alice: User, builder: Vendor) -> None:
        request = make_request(alice, status="MODEL_PENDING")
        turn()
        skip_waits()
        batch = queue.take_polls("model", ["scripted"])
        pipeline.discard(owner=alice, request_id=request.id)
        queue.put_back(batch, "scripted", {batch.jobs[0].pk: 50})
        with pytest.raises(Stale):
            outcomes.results_ready(batch.jobs[0], builder.done("x"))
        assert not Model.objects.exists()
        assert len(builder.ledger) == 1

    def test_not_another_persons(self, alice: User, bob: User) -> None:
        request = make_request(alice)
        with pytest.raises(NotFound):
            pipeline.discard(owner=bob, request_id=request.id)
        assert GenerationRequest.objects.exists()


class TestRemovingAModel:
    def test_what_still_builds_it_is_stopped(self, alice: User) -> None:
        request = make_request(alice, status="MODEL_GENERATING")
        gallery.remove(user=alice, model_id=Model.objects.get().id)
        request.refresh_from_db()
        assert (request.status, request.phase) == ("CANCELLED", "MODEL_GENERATION")
        assert not ModelGenerationJob.objects.exists()

    def test_a_finished_request_stays_as_it_is(self, alice: User) -> None:
        request = make_request(alice, status="COMPLETED")
        gallery.remove(user=alice, model_id=Model.objects.get().id)
        request.refresh_from_db()
        assert request.status == "COMPLETED"


class TestOwnPicture:
    def jpeg(self, size: tuple[int, int] = (200, 100)) -> bytes:
        out = BytesIO()
        exif = Image.Exif()
        exif[0x0112] = 6  # turned by 90 degrees
        exif[0x9286] = "where I live"
        Image.new("RGB", size, "blue").save(out, "JPEG", exif=exif)
        return out.getvalue()

    def test_is_image_0_and_can_be_chosen(self, alice: User, builder: Vendor) -> None:
        file = SimpleUploadedFile("my.jpg", self.jpeg())
        request = pipeline.start_from_image(owner=alice, file=file, prompt="my thing")
        assert [image.status for image in request.images.all()] == ["COMPLETED", "FAILED", "FAILED", "FAILED"]
        pipeline.select_image(owner=alice, request_id=request.id, index=0)
        turn_to_the_end()
        request.refresh_from_db()
        assert request.status == "COMPLETED"

    def test_is_turned_upright_and_loses_its_metadata(self, alice: User) -> None:
        file = SimpleUploadedFile("my.jpg", self.jpeg())
        request = pipeline.start_from_image(owner=alice, file=file, prompt="my thing")
        with default_storage.open(request.images.get(index=0).key) as stored, Image.open(stored) as picture:
            assert (picture.format, picture.size, len(picture.getexif())) == ("PNG", (100, 200), 0)

    @pytest.mark.parametrize(
        "content", [b"", b"GIF89a", b"not a picture", png()[:60], b"<svg xmlns='http://www.w3.org/2000/svg'/>"]
    )
    def test_nonsense_is_refused_and_nothing_is_kept(self, alice: User, content: bytes, media: Any) -> None:
        with pytest.raises(Invalid):
            pipeline.start_from_image(owner=alice, file=SimpleUploadedFile("a.png", content), prompt="x")
        assert not GenerationRequest.objects.exists()
        assert files_left(media) == []

    def test_too_small_is_refused(self, alice: User) -> None:
        with pytest.raises(Invalid):
            pipeline.start_from_image(owner=alice, file=SimpleUploadedFile("a.jpg", self.jpeg((10, 10))), prompt="x")


class TestRequeue:
    def test_one_image_of_a_failed_request(self, alice: User, painter: Vendor) -> None:
        request = make_request(alice, status="IMAGE_FAILED")
        jobs = list(ImageGenerationJob.objects.of_request(request.id).with_context())
        assert pipeline.requeue(job=jobs[0])
        assert pipeline.requeue(job=jobs[1])
        turn_to_the_end()
        request.refresh_from_db()
        assert request.status == "IMAGE_COMPLETED"
        assert sorted(request.images.values_list("status", flat=True)) == ["COMPLETED", "COMPLETED", "FAILED", "FAILED"]

    def test_a_model_job(self, alice: User) -> None:
        request = make_request(alice, status="MODEL_FAILED")
        assert pipeline.requeue(job=ModelGenerationJob.objects.with_context().get())
        turn_to_the_end()
        request.refresh_from_db()
        assert request.status == "COMPLETED"

    @pytest.mark.parametrize("status", ["IMAGE_COMPLETED", "CANCELLED", "COMPLETED"])
    def test_not_where_nothing_waits_for_it(self, alice: User, status: str) -> None:
        request = make_request(alice, status=status)
        job = ImageGenerationJob.objects.of_request(request.id).with_context().first()
        assert job is not None
        assert not pipeline.requeue(job=job)
        request.refresh_from_db()
        assert request.status == status
