"""The ground's own table: files that nobody owns."""

from django.db import models
from django.utils.translation import gettext_lazy as _


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
