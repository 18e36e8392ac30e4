"""3D models: generated here or brought by their owners."""

from typing import TypedDict

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from gallery.querysets import ModelQuerySet
from lumi.ids import IdField


class Source(models.TextChoices):
    """Where a model came from."""

    AI_GENERATED = "AI_GENERATED", _("generated")
    USER_UPLOADED = "USER_UPLOADED", _("uploaded")


class Visibility(models.TextChoices):
    """Whom its owner shows it to."""

    PRIVATE = "PRIVATE", _("private")
    PUBLIC = "PUBLIC", _("public")


class Moderation(models.TextChoices):
    """What staff say to it."""

    VISIBLE = "VISIBLE", _("visible")
    HIDDEN = "HIDDEN", _("hidden by staff")


class StoredFile(TypedDict):
    """One file of a model: `role` is obj, mtl, texture, glb, stl or preview; `size` in bytes."""

    role: str
    key: str
    size: int


MODEL_FORMATS = ("obj", "glb", "stl", "3mf", "fbx", "usdz")  # the first that a model has is its main one


class Model(models.Model):
    """A 3D model. It may outlive the request that made it, and some were never requested."""

    id = IdField()
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", verbose_name=_("owner")
    )
    source = models.CharField(_("source"), max_length=20, choices=Source, default=Source.AI_GENERATED)
    name = models.CharField(_("name"), max_length=100)
    description = models.CharField(_("description"), max_length=500, blank=True)
    files = models.JSONField(_("files"), default=list, blank=True)  # list[StoredFile]
    format = models.CharField(_("format"), max_length=10, blank=True, help_text=_("of the main file"))
    size = models.PositiveBigIntegerField(_("size in bytes"), null=True, blank=True, help_text=_("of the main file"))
    visibility = models.CharField(_("visibility"), max_length=10, choices=Visibility, default=Visibility.PRIVATE)
    moderation = models.CharField(_("moderation"), max_length=10, choices=Moderation, default=Moderation.VISIBLE)
    published_at = models.DateTimeField(_("published"), null=True, blank=True)
    view_count = models.PositiveIntegerField(_("views"), default=0)
    like_count = models.PositiveIntegerField(_("likes"), default=0)
    favorite_count = models.PositiveIntegerField(_("favourites"), default=0)
    download_count = models.PositiveIntegerField(_("downloads"), default=0)
    error_code = models.CharField(_("error"), max_length=40, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)
    completed_at = models.DateTimeField(_("completed"), null=True, blank=True)
    failed_at = models.DateTimeField(_("failed"), null=True, blank=True)

    objects = ModelQuerySet.as_manager()

    class Meta:
        db_table = "models"
        verbose_name = _("model")
        verbose_name_plural = _("models")
        indexes = [
            models.Index(fields=["owner", "-created_at", "-id"], name="models_own"),
            models.Index(fields=["visibility", "moderation", "-published_at", "-id"], name="models_latest"),
            models.Index(fields=["visibility", "moderation", "-view_count", "-id"], name="models_popular"),
            models.Index(fields=["visibility", "moderation", "-like_count", "-id"], name="models_liked"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(visibility="PRIVATE") | Q(completed_at__isnull=False, published_at__isnull=False),
                name="models_public_is_complete",
            ),
            models.CheckConstraint(condition=Q(visibility__in=["PRIVATE", "PUBLIC"]), name="models_visibility"),
            models.CheckConstraint(condition=Q(source__in=["AI_GENERATED", "USER_UPLOADED"]), name="models_source"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_finished(self) -> bool:
        """Its files are there."""
        return self.completed_at is not None

    def file(self, role: str) -> StoredFile | None:
        """The file with this role, if it has one."""
        return next((file for file in self.files if file["role"] == role.lower()), None)

    def key(self, role: str) -> str:
        """The storage key of the file with this role, or ""."""
        file = self.file(role)
        return file["key"] if file else ""

    @property
    def main_file(self) -> StoredFile | None:
        """The file that `modelUrl`, `format` and `fileSize` speak of."""
        return next(filter(None, map(self.file, MODEL_FORMATS)), None)
