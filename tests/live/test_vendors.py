"""What the loopback vendors only imitate: the contract at the real ones, with keys of real accounts in the environment.

One text, one picture, one model is ordered at each. Refused content is left out on purpose: an account that sends it
may be closed. What is sent instead is wrong in a harmless way.
"""

import os
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from generation import designs
from providers.base import Billed, Fault, ImageOrder, JobState, ModelOrder, ProviderError, Report
from providers.offline.images import OfflineImages
from tests.live.accounts import Vendor
from tests.providers.bench import MESHES

PROMPT = "一只圆润的小猫, 底座平稳, 白色背景"
IMAGE_URL = "LUMI_LIVE_IMAGE_URL"  # a public picture, for a vendor that fetches it itself
PATIENCE = {"image": 300.0, "model": 900.0}
PAUSE = float(os.environ.get("LUMI_LIVE_PAUSE", "5"))
WRONG = {"image": {"prompt": ""}, "model": {"image": b"\x89PNG\r\n\x1a\n and no picture", "image_url": ""}}


def order_for(vendor: Vendor, folder: Path, **changed: Any) -> Any:
    """An order that any of them takes."""
    reference = f"live-{time.time_ns()}"
    if vendor.kind == "image":
        return ImageOrder(**{"reference": reference, "prompt": PROMPT} | changed)
    known = {
        "reference": reference, "prompt": PROMPT, "name": "小猫", "image": painted(folder),
        "image_url": os.environ.get(IMAGE_URL, ""),
    }  # fmt: skip
    return ModelOrder(**known | changed)


def painted(folder: Path) -> bytes:
    """A cat, by the offline painter."""
    images, results = OfflineImages(folder / "painter"), folder / "painted"
    results.mkdir()
    (picture,) = images.fetch(images.submit(ImageOrder(reference="live", prompt="a small cat")).files, results)
    return picture.path.read_bytes()


def outcome(vendor: Vendor, provider: Any, order: Any) -> Report:
    """How a job ends; asked for every few seconds. Raises ProviderError."""
    report: Report = provider.submit(order)
    until = time.monotonic() + PATIENCE[vendor.kind]
    while report.state in (JobState.QUEUED, JobState.RUNNING):
        assert time.monotonic() < until, f"{vendor}: job {report.ref} does not end"
        time.sleep(PAUSE)
        report = provider.poll(report.ref)
    return report


class TestAccount:
    def test_the_key_is_good(self, vendor: Vendor) -> None:
        said = vendor.make().check()
        print(f"{vendor}: {said}")
        assert said

    def test_a_wrong_key_is_told_from_a_good_one(self, vendor: Vendor, settings: Any) -> None:
        setattr(settings, vendor.name.upper(), vendor.account | {"key": vendor.account["key"][::-1]})
        with pytest.raises(ProviderError) as caught:
            vendor.make().check()
        assert (caught.value.fault, caught.value.permanent) == (Fault.AUTHENTICATION, True)
        assert vendor.account["key"] not in f"{caught.value!r} {caught.value.evidence}"


class TestOrders:
    def test_one_that_is_wrong_costs_nothing(self, vendor: Vendor, tmp_path: Path) -> None:
        if vendor.kind == "llm":
            pytest.skip("there is no wrong question")
        order = order_for(vendor, tmp_path, **WRONG[vendor.kind])
        try:
            report = outcome(vendor, vendor.make(), order)
        except ProviderError as error:
            refused: ProviderError | None = error
        else:
            refused = report.error
        assert refused is not None
        print(f"{vendor}: {refused}")
        assert refused.fault in (Fault.INVALID_INPUT, Fault.JOB_FAILED)
        assert refused.billed == Billed.NO

    @pytest.mark.costs
    def test_one_that_is_right_brings_results(self, vendor: Vendor, tmp_path: Path) -> None:
        provider = vendor.make()
        if vendor.kind == "llm":
            answer = provider.complete(system=designs.rules(), prompt="一只小猫")
            print(f"{vendor}: {answer.tokens_in} tokens in, {answer.tokens_out} out")
            assert len(designs.read(answer.text)) == 4
            return
        order = order_for(vendor, tmp_path)
        if reason := provider.cannot(order):
            pytest.skip(f"{vendor}: {reason}; {IMAGE_URL} names a picture")
        report = outcome(vendor, provider, order)
        assert report.state == JobState.DONE, report.error
        print(f"{vendor}: job {report.ref or 'without an id'} used {report.units} units")
        check_results(vendor, provider, report, tmp_path / "results")


def check_results(vendor: Vendor, provider: Any, report: Report, folder: Path) -> None:
    """Pictures open, and among the files of a model is a mesh."""
    folder.mkdir()
    found = provider.fetch(report.files, folder)
    print(f"{vendor}: " + ", ".join(f"{one.role} {one.path.stat().st_size} bytes" for one in found))
    if vendor.kind == "model":
        assert MESHES & {one.role for one in found}
        return
    (picture,) = found
    with Image.open(picture.path) as opened:
        opened.load()
