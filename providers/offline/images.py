"""The offline image provider: draws the prompt's subject by an algorithm, at once, without an AI model."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path

from PIL import PngImagePlugin

from providers.base import Fault, FileRole, ImageOrder, JobState, ProviderError, RemoteFile, Report, ResultFile
from providers.offline.files import fetch_local, is_old, write_whole
from providers.offline.painting import Draw, paint
from providers.offline.pictograms import draw_lettering, draw_pictogram
from providers.offline.subjects import find_subject
from providers.offline.treatments import shortened, subject_of

SOFTWARE = "Lumi offline provider (drawn by an algorithm, no AI model)"
_PAINTER = "1"  # raise it when the same prompt shall give another picture than before


class OfflineImages:
    """Pictures are PNG files in `folder`; the same prompt and variant give the same picture. Kept for a day."""

    name = "offline"
    product = ""
    resubmit_is_free = True
    batch = 1

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def check(self) -> str:
        """Nothing to sign in to."""
        return "drawn by an algorithm, no AI"

    def cannot(self, order: ImageOrder) -> str:
        """It draws anything, after its fashion."""
        return ""

    def submit(self, order: ImageOrder) -> Report:
        """Draw it now (about a second): DONE. Raises INVALID_INPUT for an empty prompt."""
        if not order.prompt.strip():
            raise ProviderError(Fault.INVALID_INPUT, permanent=True, evidence="empty prompt")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._sweep()
        ref = hashlib.sha256(f"{_PAINTER}|{order.variant}|{order.prompt}".encode()).hexdigest()[:32]
        picture = self._picture(ref)
        if picture.exists():
            os.utime(picture)  # a day more, so that no sweep takes it before it is fetched
        else:
            write_whole(picture, draw_png(order.prompt, order.variant))
        return self._done(ref)

    def poll(self, ref: str) -> Report:
        """DONE while the picture is kept, then FAILED with JOB_LOST."""
        if ref.isalnum() and self._picture(ref).exists():
            return self._done(ref)
        return Report(state=JobState.FAILED, ref=ref, error=ProviderError(Fault.JOB_LOST, permanent=True, evidence=ref))

    def fetch(self, files: tuple[RemoteFile, ...], folder: Path) -> list[ResultFile]:
        """Copy the pictures. Raises RESULT_GONE when one was swept."""
        return fetch_local(files, root=self.folder, folder=folder)

    def cancel(self, ref: str) -> None:
        """Nothing is under way: pictures are drawn within submit."""

    def _picture(self, ref: str) -> Path:
        return self.folder / f"{ref}.png"

    def _done(self, ref: str) -> Report:
        file = RemoteFile(role=FileRole.IMAGE, url=self._picture(ref).resolve().as_uri())
        return Report(state=JobState.DONE, ref=ref, progress=100, files=(file,))

    def _sweep(self) -> None:
        for path in self.folder.iterdir():
            if is_old(path):
                path.unlink(missing_ok=True)


def draw_png(prompt: str, variant: int) -> bytes:
    """The picture as PNG bytes; its metadata says that an algorithm drew it."""
    words = subject_of(prompt)
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Software", SOFTWARE)
    buffer = io.BytesIO()
    paint(_chosen(words), variant, words).save(buffer, "PNG", pnginfo=notes)
    return buffer.getvalue()


def _chosen(words: str) -> Draw:
    """What draws the subject: a pictogram when one fits the words, else the words themselves."""
    pictogram = find_subject(words)
    if pictogram:
        return lambda pose: draw_pictogram(pictogram, pose)
    return lambda pose: draw_lettering(shortened(words, 200), pose)
