"""Requests and images on the wire."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from gallery.api.serializers import ModelSerializer
from generation.messages import sentence
from generation.models import IMAGES_PER_REQUEST, MAX_PROMPT, GeneratedImage, GenerationRequest, JobEvent
from generation.states import ImageStatus, JobStatus, Phase, RequestStatus
from lumi.api.fields import FileUrlField, StrictBooleanField, StrictIntegerField, StrictTextField, TimestampField


class ImageJobSerializer(serializers.Serializer[Any]):
    """The job behind an image."""

    id = serializers.CharField()
    status = serializers.ChoiceField([status.value for status in JobStatus])
    retryCount = serializers.IntegerField(source="retry_count")
    progress = serializers.IntegerField()


class ImageSerializer(serializers.Serializer[GeneratedImage]):
    """One of the four pictures."""

    id = serializers.CharField()
    requestId = serializers.CharField(source="request_id")
    index = serializers.IntegerField()
    imageUrl = FileUrlField(source="key", allow_null=True)
    imagePrompt = serializers.SerializerMethodField()
    imageStatus = serializers.ChoiceField([status.value for status in ImageStatus], source="status")
    createdAt = TimestampField(source="created_at")
    completedAt = TimestampField(source="completed_at", allow_null=True)
    failedAt = TimestampField(source="failed_at", allow_null=True)
    errorMessage = serializers.SerializerMethodField()
    generationJob = serializers.SerializerMethodField()

    def get_imagePrompt(self, image: GeneratedImage) -> str | None:
        """What was painted; null until it is known."""
        return image.prompt or None

    def get_errorMessage(self, image: GeneratedImage) -> str | None:
        """Why it failed."""
        return sentence(image.error_code)

    @extend_schema_field(ImageJobSerializer(allow_null=True))
    def get_generationJob(self, image: GeneratedImage) -> Any:
        """Null for a picture that its owner brought."""
        job = getattr(image, "job", None)
        return job and ImageJobSerializer(job).data


class RequestSerializer(serializers.Serializer[GenerationRequest]):
    """A request with its four images and its model. The context holds `models`: by request id, as the wire has them."""

    id = serializers.CharField()
    userId = serializers.CharField(source="owner_id")
    prompt = serializers.CharField()
    status = serializers.ChoiceField([status.value for status in RequestStatus])
    phase = serializers.ChoiceField([phase.value for phase in Phase])
    selectedImageIndex = serializers.IntegerField(source="selected_image_index", allow_null=True)
    errorMessage = serializers.SerializerMethodField()
    createdAt = TimestampField(source="created_at")
    updatedAt = TimestampField(source="updated_at")
    completedAt = TimestampField(source="completed_at", allow_null=True)
    images = ImageSerializer(many=True)
    model = serializers.SerializerMethodField()

    def get_errorMessage(self, request: GenerationRequest) -> str | None:
        """Why it failed, or what the person should know about it."""
        return sentence(request.error_code or request.notice_code)

    @extend_schema_field(ModelSerializer(allow_null=True))
    def get_model(self, request: GenerationRequest) -> Any:
        """Null until an image was chosen, and after the model was deleted."""
        return self.context["models"].get(request.id)


class EventDetailSerializer(serializers.Serializer[Any]):
    """What a line of history says besides its word, as far as it is the person's affair. Members may be absent."""

    attempt = serializers.IntegerField(required=False)
    progress = serializers.IntegerField(required=False)
    errorMessage = serializers.CharField(required=False)


class EventSerializer(serializers.Serializer[JobEvent]):
    """One line of a job's history. The context holds `indexes`: of the image by job id."""

    at = TimestampField()
    jobId = serializers.CharField(source="job_id")
    kind = serializers.ChoiceField(["image", "model"])
    imageIndex = serializers.SerializerMethodField()
    event = serializers.CharField()
    detail = serializers.SerializerMethodField()

    def get_imageIndex(self, event: JobEvent) -> int | None:
        """Which picture; null for the model."""
        return self.context["indexes"].get(event.job_id)

    @extend_schema_field(EventDetailSerializer)
    def get_detail(self, event: JobEvent) -> dict[str, Any]:
        """No provider's words, no names of processes or people."""
        shown = {name: event.detail[name] for name in ("attempt", "progress") if name in event.detail}
        error = sentence(event.detail.get("error", ""))
        return shown | ({"errorMessage": error} if error else {})


class StartSerializer(serializers.Serializer[Any]):
    """`POST /api/requests`."""

    prompt = StrictTextField(
        max_length=MAX_PROMPT,
        error_messages={
            "blank": _("Please write what you would like to have."),
            "required": _("Please write what you would like to have."),
            "null": _("Please write what you would like to have."),
            "max_length": _("Your prompt is too long: at most 500 characters."),
        },
    )
    optimizePrompt = StrictBooleanField(source="optimize_prompt", default=True)


class UploadSerializer(serializers.Serializer[Any]):
    """`POST /api/requests/upload`."""

    file = serializers.FileField()
    prompt = StrictTextField(max_length=MAX_PROMPT, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Without words, the file's name is the prompt."""
        stem = attrs["file"].name.rsplit(".", 1)[0].strip()[:MAX_PROMPT]
        return {**attrs, "prompt": attrs.get("prompt") or stem or str(_("My picture"))}


class SelectSerializer(serializers.Serializer[Any]):
    """`POST /api/models`."""

    requestId = StrictTextField(source="request_id", max_length=36)
    imageIndex = StrictIntegerField(source="index", min_value=0, max_value=IMAGES_PER_REQUEST - 1)


class StartedSerializer(serializers.Serializer[Any]):
    """A new request, and a sentence."""

    request = RequestSerializer()
    message = serializers.CharField()


class SelectedSerializer(serializers.Serializer[Any]):
    """A new model, and a sentence."""

    model = ModelSerializer()
    message = serializers.CharField()
