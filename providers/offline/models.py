"""The offline model provider: builds a printable solid from a picture by an algorithm, in a process of its own."""

from __future__ import annotations

import hashlib
from pathlib import Path

from providers.base import Fault, FileRole, JobState, ModelOrder, ProviderError, RemoteFile, Report, ResultFile
from providers.offline import jobs
from providers.offline.files import fetch_local
from providers.offline.jobs import JobFolder, Progress

FILES = {
    FileRole.OBJ: "model.obj",
    FileRole.MTL: "model.mtl",
    FileRole.TEXTURE: "texture.png",
    FileRole.GLB: "model.glb",
    FileRole.STL: "model.stl",
    FileRole.PREVIEW: "preview.png",
}


class OfflineModels:
    """Jobs live in `folder`, one folder each, for a day. A build that died is started again by the next poll."""

    name = "offline"
    product = ""
    resubmit_is_free = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def check(self) -> str:
        """Nothing to sign in to."""
        return "built by an algorithm, no AI"

    def cannot(self, order: ModelOrder) -> str:
        """It builds anything, after its fashion."""
        return ""

    def submit(self, order: ModelOrder) -> Report:
        """Start the build (a few seconds) and answer at once; the same reference is the same job.

        Raises INVALID_INPUT when there is no picture.
        """
        if not order.image:
            raise ProviderError(Fault.INVALID_INPUT, permanent=True, evidence="no picture")
        self.folder.mkdir(parents=True, exist_ok=True)
        jobs.sweep(self.folder)
        ref = hashlib.sha256(order.reference.encode()).hexdigest()[:32]
        self._job(ref).create(order.image)
        return self.poll(ref)

    def poll(self, ref: str) -> Report:
        """How far the build is, in steps done. FAILED with JOB_LOST when it was cancelled, swept or never submitted."""
        job = self._job(ref)
        if not (ref.isalnum() and job.exists()):
            return _lost(ref)
        try:
            job.keep_running()
            return self._report(ref, job.progress())
        except FileNotFoundError:  # cancelled while we looked
            return _lost(ref)

    def fetch(self, files: tuple[RemoteFile, ...], folder: Path) -> list[ResultFile]:
        """Copy the results. Raises RESULT_GONE when they were swept."""
        return fetch_local(files, root=self.folder, folder=folder)

    def cancel(self, ref: str) -> None:
        """Kill the build if it runs and forget the job."""
        if ref.isalnum():
            self._job(ref).remove()

    def _job(self, ref: str) -> JobFolder:
        return JobFolder(self.folder / ref)

    def _report(self, ref: str, progress: Progress) -> Report:
        if progress.fault is not None:
            error = ProviderError(progress.fault, permanent=progress.permanent, evidence=progress.evidence)
            return Report(state=JobState.FAILED, ref=ref, progress=progress.percent, error=error)
        files = self._files(ref) if progress.state is JobState.DONE else ()
        return Report(state=progress.state, ref=ref, progress=progress.percent, files=files)

    def _files(self, ref: str) -> tuple[RemoteFile, ...]:
        results = (self._job(ref).path / jobs.RESULTS).resolve()
        return tuple(RemoteFile(role=role, url=(results / name).as_uri()) for role, name in FILES.items())


def _lost(ref: str) -> Report:
    error = ProviderError(Fault.JOB_LOST, permanent=True, evidence=f"no such offline job: {ref}")
    return Report(state=JobState.FAILED, ref=ref, error=error)
