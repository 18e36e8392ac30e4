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
    PENDING = "PENDING", _("waits for review")
    HIDDEN = "HIDDEN", _("hidden")
    SUSPENDED = "SUSPENDED", _("its owner is suspended")


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
    review_since = models.DateTimeField(
        _("to be looked at since"), null=True, blank=True, help_text=_("newly published, and nobody has looked at it")
    )
    open_reports = models.PositiveIntegerField(_("open reports"), default=0, db_default=0)
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
            models.Index(fields=["review_since", "id"], name="models_to_review"),
            models.Index(fields=["-open_reports", "id"], name="models_reported"),
            models.Index(fields=["moderation", "-updated_at", "-id"], name="models_moderated"),
        ]
        permissions = [
            ("moderate_model", _("Can moderate models: approve, hide, restore, decide on reports and appeals"))
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


class Report(models.Model):
    """Somebody finds that a model should not be shown. One open report a person and model."""

    class Reason(models.TextChoices):
        """Why."""

        SEXUAL = "SEXUAL", _("sexual content")
        VIOLENCE = "VIOLENCE", _("violence or hate")
        WEAPON = "WEAPON", _("a weapon, or something dangerous")
        COPYRIGHT = "COPYRIGHT", _("somebody else's work")
        SPAM = "SPAM", _("advertising or nonsense")
        OTHER = "OTHER", _("something else")

    class State(models.TextChoices):
        """What became of it."""

        OPEN = "OPEN", _("open")
        UPHELD = "UPHELD", _("upheld")
        DISMISSED = "DISMISSED", _("dismissed")

    id = IdField()
    model = models.ForeignKey(Model, on_delete=models.CASCADE, related_name="reports", verbose_name=_("model"))
    reporter = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+", verbose_name=_("reported by")
    )
    reason = models.CharField(_("reason"), max_length=20, choices=Reason)
    text = models.CharField(_("text"), max_length=500, blank=True)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.OPEN)
    is_open = models.BooleanField(null=True, default=True, editable=False)  # NULL when closed: the constraint's part
    decided_by = models.CharField(_("decided by"), max_length=120, blank=True)
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        db_table = "model_reports"
        verbose_name = _("report")
        verbose_name_plural = _("reports")
        constraints = [
            models.UniqueConstraint(fields=["model", "reporter", "is_open"], name="reports_one_open"),
            models.CheckConstraint(
                condition=Q(state="OPEN", is_open=True) | (~Q(state="OPEN") & Q(is_open__isnull=True)),
                name="reports_state",
            ),
        ]
        indexes = [
            models.Index(fields=["state", "-created_at", "-id"], name="reports_by_state"),
            models.Index(fields=["reporter", "-created_at"], name="reports_of_person"),
        ]

    def __str__(self) -> str:
        return f"{self.reason} {self.model_id}"


class Decision(models.Model):
    """What staff, or enough reports, have decided about a model, the newest counts. The owner reads `reason`."""

    class Verdict(models.TextChoices):
        """What was decided."""

        APPROVED = "APPROVED", _("approved")
        HIDDEN = "HIDDEN", _("hidden")
        RESTORED = "RESTORED", _("restored")

    id = IdField()
    model = models.ForeignKey(Model, on_delete=models.CASCADE, related_name="decisions", verbose_name=_("model"))
    verdict = models.CharField(_("decision"), max_length=10, choices=Verdict)
    reason = models.CharField(_("reason"), max_length=500, blank=True, help_text=_("the owner reads it"))
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, related_name="+", null=True, blank=True,
        verbose_name=_("decided by"), help_text=_("empty: a script, or enough reports"),
    )  # fmt: skip
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        db_table = "model_decisions"
        verbose_name = _("decision")
        verbose_name_plural = _("decisions")
        indexes = [models.Index(fields=["model", "-created_at", "-id"], name="decisions_of_model")]

    def __str__(self) -> str:
        return f"{self.verdict} {self.model_id}"


class Appeal(models.Model):
    """The owner does not agree with a decision to hide: once each, and somebody else decides."""

    class State(models.TextChoices):
        """What became of it."""

        OPEN = "OPEN", _("open")
        GRANTED = "GRANTED", _("granted")
        REFUSED = "REFUSED", _("refused")

    id = IdField()
    decision = models.OneToOneField(
        Decision, on_delete=models.CASCADE, related_name="appeal", verbose_name=_("decision")
    )
    text = models.CharField(_("text"), max_length=1000)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.OPEN)
    answer = models.CharField(_("answer"), max_length=500, blank=True, help_text=_("the owner reads it"))
    decided_by = models.CharField(_("decided by"), max_length=120, blank=True)
    decided_at = models.DateTimeField(_("decided"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        db_table = "model_appeals"
        verbose_name = _("appeal")
        verbose_name_plural = _("appeals")
        indexes = [models.Index(fields=["state", "created_at", "id"], name="appeals_by_state")]

    def __str__(self) -> str:
        return f"{self.state} {self.decision_id}"
