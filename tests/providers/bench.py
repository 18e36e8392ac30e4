"""One provider, and the vendor that it speaks to, on a bench."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from providers.base import FileRole, ImageOrder, JobState, ModelOrder, ProviderError, RemoteFile, Report, ResultFile
from tests.vendors import things
from tests.vendors.cases import Case
from tests.vendors.server import Vendor

# A loaded machine may take its time to answer; only who is told to hang is waited for in vain.
QUICK = {"connect": 5.0, "ask": 5.0, "pay": 5.0, "download": 10.0}
IMPATIENT = {"connect": 1.0, "ask": 1.0, "pay": 1.0, "download": 2.0}
PATIENCE = 60.0


@dataclass
class Bench:
    """What a test of the contract works with."""

    case: Case
    provider: Any
    folder: Path
    wire: Vendor | None
    settings: Any

    @property
    def vendor(self) -> Vendor:
        """The vendor; a test that needs one is skipped where there is no wire."""
        if self.wire is None:
            pytest.skip("no wire: nothing of this can happen offline")
        return self.wire

    def will(self, operation: str, how: str, **detail: Any) -> Vendor:
        """Tell the vendor to misbehave; skipped where the vendor has no such thing."""
        for word in (how, operation):
            if word in self.case.lacks:
                pytest.skip(f"{self.case.name}: {self.case.lacks[word]}")
        self.settings.PROVIDER_SECONDS = IMPATIENT if how.startswith("hang") else QUICK
        self.vendor.will(operation, how, **detail)
        return self.vendor

    def order(self, **changed: Any) -> Any:
        """An order that any provider takes."""
        if self.case.kind == "image":
            return ImageOrder(**{"reference": "job-1", "prompt": "一只圆润的小猫, 底座平稳", "variant": 0} | changed)
        known = {
            "reference": "job-1", "prompt": "一只圆润的小猫", "name": "小猫", "image": things.picture(size=(256, 256)),
            "image_url": "https://lumi.example.com/files/cat.png",
        }  # fmt: skip
        return ModelOrder(**known | changed)

    def submit(self, **changed: Any) -> Report:
        """Hand an order over."""
        report: Report = self.provider.submit(self.order(**changed))
        return report

    def follow(self, report: Report) -> Report:
        """Ask until the job is done or has failed."""
        until = time.monotonic() + PATIENCE
        while report.state in (JobState.QUEUED, JobState.RUNNING):
            assert report.ref, "a job that runs has an id to ask for"
            assert time.monotonic() < until, "the job does not end"
            time.sleep(0.02 if self.wire else 0.2)
            report = self.provider.poll(report.ref)
        return report

    def finished(self) -> Report:
        """A job that went well."""
        report = self.follow(self.submit())
        assert report.state == JobState.DONE, report
        return report

    def fetch(self, files: tuple[RemoteFile, ...]) -> list[ResultFile]:
        """Bring results into a folder of their own."""
        folder = self.folder / f"results-{time.monotonic_ns()}"
        folder.mkdir(parents=True)
        found: list[ResultFile] = self.provider.fetch(files, folder)
        return found

    def refusal(self) -> ProviderError:
        """What a job that must not succeed ends with: raised by the submit, or reported by a poll."""
        try:
            report = self.follow(self.submit())
        except ProviderError as error:
            return error
        assert report.state == JobState.FAILED, report
        assert report.error is not None
        return report.error


@contextmanager
def on_bench(case: Case, settings: Any, folder: Path) -> Iterator[Bench]:
    """The case's provider, configured for its vendor, with little patience."""
    settings.PROVIDER_SECONDS = QUICK
    settings.RESULTS_FROM_LOOPBACK = True
    settings.OFFLINE_DIR = folder / "offline"
    if case.vendor is None:
        yield Bench(case, case.make(), folder, None, settings)
        return
    with case.vendor() as vendor:
        for name, value in case.settings(vendor).items():
            setattr(settings, name, value)
        yield Bench(case, case.make(), folder, vendor, settings)


MESHES = frozenset({FileRole.OBJ, FileRole.GLB, FileRole.STL, FileRole.THREE_MF})
