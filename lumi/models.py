"""The ground's own tables: files that nobody owns, the audit trail, and words that are not welcome."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from lumi.ids import IdField


class DoomedFile(models.Model):
    """A file that is to be deleted at `after`, unless a row that owns it is committed first (`lumi.files.own`).

    Written before a file is stored and when its owner goes, so that no crash in between leaves a file behind.
    """

    key = models.CharField(_("storage key"), max_length=255, primary_key=True)
    after = models.DateTimeField(_("to be deleted after"), db_index=True)

    class Meta:
        db_table = "doomed_files"
        verbose_name = _("doomed file")
        verbose_name_plural = _("doomed files")

    def __str__(self) -> str:
        return self.key


class AuditEntry(models.Model):
    """One line of the audit trail: who did what to what, when, why, and what was there before and after.

    Written by `lumi.audit.record` only, never changed or deleted. `number` counts without a gap; `hash` is over the
    line and the hash of the line before it. No address and no name of a person who uses Lumi: ids only.
    """

    number = models.PositiveBigIntegerField(_("number"), primary_key=True)
    at = models.DateTimeField(_("at"))
    actor = models.CharField(_("who"), max_length=120, blank=True)
    action = models.CharField(_("what"), max_length=40)
    subject_type = models.CharField(_("kind of thing"), max_length=40)
    subject_id = models.CharField(_("thing"), max_length=64, blank=True)
    reason = models.CharField(_("why"), max_length=500, blank=True)
    before = models.JSONField(_("before"), default=dict, blank=True)
    after = models.JSONField(_("after"), default=dict, blank=True)
    previous_hash = models.CharField(_("hash of the line before"), max_length=64)
    hash = models.CharField(_("hash"), max_length=64)

    class Meta:
        db_table = "audit_entries"
        verbose_name = _("line of the audit trail")
        verbose_name_plural = _("audit trail")
        indexes = [
            models.Index(fields=["subject_id", "number"], name="audit_of_subject"),
            models.Index(fields=["action", "number"], name="audit_by_action"),
            models.Index(fields=["actor", "number"], name="audit_by_actor"),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.action}"


class AuditHead(models.Model):
    """The end of the chain: the one row that is locked while a line is added. It shows, too, when the last lines are
    cut off."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    number = models.PositiveBigIntegerField(_("number"), default=0)
    hash = models.CharField(_("hash"), max_length=64, default="")

    class Meta:
        db_table = "audit_head"
        verbose_name = verbose_name_plural = _("end of the audit trail")

    def __str__(self) -> str:
        return str(self.number)


class FilterRule(models.Model):
    """Words that are not welcome in prompts or names: looked for before anything is paid or shown."""

    class Match(models.TextChoices):
        """How `text` is compared, whatever its case."""

        WORD = "WORD", _("word or phrase")
        PATTERN = "PATTERN", _("regular expression")

    class Scope(models.TextChoices):
        """Where it counts."""

        ALL = "ALL", _("prompts and names")
        PROMPT = "PROMPT", _("prompts")
        NAME = "NAME", _("names and descriptions")

    id = IdField()
    text = models.CharField(_("text"), max_length=200)
    match = models.CharField(_("kind"), max_length=10, choices=Match, default=Match.WORD)
    scope = models.CharField(_("where"), max_length=10, choices=Scope, default=Scope.ALL)
    sentence = models.CharField(
        _("sentence for the person"), max_length=200, blank=True, help_text=_("empty: the usual one")
    )
    is_active = models.BooleanField(_("active"), default=True)
    hits = models.PositiveIntegerField(_("hits"), default=0, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        db_table = "filter_rules"
        verbose_name = _("word filter rule")
        verbose_name_plural = _("word filter")
        constraints = [models.UniqueConstraint(fields=["text", "match", "scope"], name="filter_rules_once")]

    def __str__(self) -> str:
        return self.text
