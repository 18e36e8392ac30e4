"""Models on the wire."""

from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import AnonymousUser
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request

from gallery import messages
from gallery.facts import ModelFacts, facts_of
from gallery.models import Model, Moderation, Report, Source, Visibility
from gallery.reports import standings_of
from lumi.accounts.models import User
from lumi.api.fields import FileUrlField, StrictTextField, TimestampField


def represent(models: Sequence[Model], *, user: User | AnonymousUser, request: Request) -> list[dict[str, Any]]:
    """Models as `user` may see them; one question to the room above for all of them, and one about what staff say.

    What generation knows of a model, and how it stands with staff, is for its owner only: another reader finds null
    there. The owners must be loaded (`with_owner`), or each costs a query.
    """
    own = [model for model in models if model.owner_id == user.pk]
    facts, standings = facts_of([model.pk for model in own]), standings_of(own)
    serializer = ModelSerializer(context={"request": request, "facts": facts, "standings": standings})
    return [serializer.to_representation(model) for model in models]


@extend_schema_field(OpenApiTypes.STR)
class TextOrNullField(serializers.Field):
    """Text, null where the column is blank."""

    def __init__(self) -> None:
        super().__init__(read_only=True, allow_null=True)

    def to_representation(self, value: str) -> str | None:
        """None for ""."""
        return value or None


class FileOfRoleField(FileUrlField):
    """The address of a model's file with this role; null where it has none."""

    def __init__(self, role: str) -> None:
        self.role = role
        super().__init__(source="*", allow_null=True)

    def to_representation(self, value: Any) -> str | None:
        """`value` is the model."""
        return super().to_representation(value.key(self.role))


class FromAbove:
    """A field filled by the slot GALLERY_MODEL_FACTS."""

    context: dict[str, Any]

    def fact(self, model: Model, name: str) -> Any:
        """What the room above said, or None."""
        facts: ModelFacts = self.context["facts"].get(model.pk, {})
        return facts.get(name)


@extend_schema_field(OpenApiTypes.STR)
class FactField(FromAbove, serializers.Field):
    """A word from the room above."""

    def __init__(self) -> None:
        super().__init__(read_only=True, source="*", allow_null=True)

    def to_representation(self, value: Any) -> str | None:
        """`value` is the model."""
        fact: str | None = self.fact(value, self.field_name or "")
        return fact


class ErrorMessageField(FactField):
    """What went wrong, in a sentence: the maker's, or the gallery's own."""

    def to_representation(self, value: Any) -> str | None:
        """`value` is the model."""
        sentence = messages.sentence(value.error_code)
        return sentence and (super().to_representation(value) or sentence)


class ModelJobSerializer(FromAbove, serializers.Serializer[Any]):
    """The job that makes a model."""

    id = serializers.CharField()
    status = serializers.CharField()
    progress = serializers.IntegerField(min_value=0, max_value=100)

    def to_representation(self, instance: Any) -> Any:
        """`instance` is the model; None for one that nobody generated."""
        job = self.fact(instance, "generationJob")
        return job and super().to_representation(job)


class StandingSerializer(serializers.Serializer[Any]):
    """How a model stands with staff. `reason` and `decidedAt` are of the newest decision."""

    state = serializers.ChoiceField(choices=Moderation.choices)
    reason = TextOrNullField()
    decidedAt = TimestampField(source="decided_at", allow_null=True)
    canAppeal = serializers.BooleanField(source="can_appeal")

    def to_representation(self, instance: Any) -> Any:
        """`instance` is the model; None for one that is visible, and was never decided about."""
        standing = self.context["standings"].get(instance.pk)
        return standing and super().to_representation(standing)


class ModelOwnerSerializer(serializers.Serializer[User]):
    """Whose it is. Never the e-mail address."""

    id = serializers.CharField()
    name = serializers.CharField(source="shown_name")


class ModelSerializer(serializers.Serializer[Model]):
    """A 3D model. `modelUrl`, `format` and `fileSize` speak of its main file. `requestId`, `sourceImageId`,
    `generationJob` and `moderation` are for its owner only."""

    id = serializers.CharField()
    userId = serializers.CharField(source="owner_id")
    source = serializers.ChoiceField(choices=Source.choices)  # type: ignore[assignment]  # the wire's name, DRF has one too
    requestId = FactField()
    sourceImageId = FactField()
    name = serializers.CharField()
    description = TextOrNullField()
    modelUrl = FileUrlField(source="main_file.key", allow_null=True)
    mtlUrl = FileOfRoleField("mtl")
    textureUrl = FileOfRoleField("texture")
    previewImageUrl = FileOfRoleField("preview")
    format = TextOrNullField()
    fileSize = serializers.IntegerField(source="size", allow_null=True)
    visibility = serializers.ChoiceField(choices=Visibility.choices)
    publishedAt = TimestampField(source="published_at", allow_null=True)
    viewCount = serializers.IntegerField(source="view_count")
    likeCount = serializers.IntegerField(source="like_count")
    favoriteCount = serializers.IntegerField(source="favorite_count")
    downloadCount = serializers.IntegerField(source="download_count")
    createdAt = TimestampField(source="created_at")
    updatedAt = TimestampField(source="updated_at")
    completedAt = TimestampField(source="completed_at", allow_null=True)
    failedAt = TimestampField(source="failed_at", allow_null=True)
    errorMessage = ErrorMessageField()
    user = ModelOwnerSerializer(source="owner")
    generationJob = ModelJobSerializer(source="*", allow_null=True)
    moderation = StandingSerializer(source="*", allow_null=True)


class DownloadSerializer(serializers.Serializer[Any]):
    """A file to take home."""

    url = FileUrlField(source="key")
    fileName = serializers.CharField(source="file_name")
    fileSize = serializers.IntegerField(source="size")
    format = serializers.CharField()


class EditSerializer(serializers.Serializer[Any]):
    """What the owner may change."""

    name = StrictTextField(max_length=100, required=False)
    description = StrictTextField(max_length=500, required=False, allow_blank=True, allow_null=True)

    def validate_description(self, value: str | None) -> str:
        """null and "" both mean: none."""
        return value or ""


class FormatSerializer(serializers.Serializer[Any]):
    """Which file."""

    format = StrictTextField(max_length=10, required=False, allow_null=True)


class ModelUploadSerializer(serializers.Serializer[Any]):
    """A person's own model file."""

    file = serializers.FileField(help_text=_("GLB, STL, OBJ or 3MF"))
    name = StrictTextField(max_length=100, required=False, allow_blank=True)


class ReportInputSerializer(serializers.Serializer[Any]):
    """What is wrong with a model."""

    reason = serializers.ChoiceField(choices=Report.Reason.choices)
    text = StrictTextField(max_length=500, required=False, allow_blank=True, allow_null=True)

    def validate_text(self, value: str | None) -> str:
        """null and "" both mean: none."""
        return value or ""


class ReportSerializer(serializers.Serializer[Report]):
    """A report, to the person who made it."""

    id = serializers.CharField()
    reason = serializers.ChoiceField(choices=Report.Reason.choices)
    text = TextOrNullField()
    createdAt = TimestampField(source="created_at")


class ReportedSerializer(serializers.Serializer[Any]):
    """The report was taken."""

    report = ReportSerializer()
    message = serializers.CharField()


class AppealInputSerializer(serializers.Serializer[Any]):
    """Why the decision is wrong."""

    text = StrictTextField(max_length=1000)


class AppealSerializer(serializers.Serializer[Any]):
    """An appeal, to the person who made it."""

    id = serializers.CharField()
    text = serializers.CharField()
    createdAt = TimestampField(source="created_at")


class AppealedSerializer(serializers.Serializer[Any]):
    """The appeal was taken."""

    appeal = AppealSerializer()
    message = serializers.CharField()
