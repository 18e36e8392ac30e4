"""The offline pictures: four different ones, on a plain background, the same every time."""

import io
import itertools
import os
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from providers.base import Fault, FileRole, ImageOrder, ImageProvider, JobState, ProviderError, RemoteFile, Report
from providers.offline.files import KEPT_SECONDS
from providers.offline.images import OfflineImages, draw_png
from providers.offline.llm import OfflineLanguageModel
from providers.offline.painting import hue_of

PROMPTS = ["a cat", "龙", "我们的家园真美丽啊"]  # the last matches no pictogram and becomes lettering


@pytest.fixture
def images(tmp_path: Path) -> OfflineImages:
    return OfflineImages(tmp_path / "pictures")


def order(prompt: str, variant: int = 0) -> ImageOrder:
    return ImageOrder(reference=f"{prompt}-{variant}", prompt=prompt, variant=variant)


def pixels(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"), np.int16)


def fetched(images: OfflineImages, report: Report, folder: Path) -> bytes:
    folder.mkdir()
    (result,) = images.fetch(report.files, folder)
    assert result.role is FileRole.IMAGE
    assert result.path.parent == folder
    return result.path.read_bytes()


def test_the_contract(images: OfflineImages, tmp_path: Path) -> None:
    provider: ImageProvider = images
    assert (provider.name, provider.resubmit_is_free) == ("offline", True)
    report = provider.submit(order("a cat"))
    assert report.state is JobState.DONE
    assert [file.role for file in report.files] == ["image"]
    assert provider.poll(report.ref) == report
    provider.cancel(report.ref)
    content = fetched(images, report, tmp_path / "out")
    picture = Image.open(io.BytesIO(content))
    assert (picture.format, picture.size, picture.mode) == ("PNG", (1024, 1024), "RGB")
    assert "no AI model" in picture.info["Software"]


@pytest.mark.parametrize("prompt", PROMPTS)
def test_four_visibly_different_pictures_on_a_plain_background(prompt: str) -> None:
    pictures = [pixels(draw_png(prompt, variant)) for variant in range(4)]
    for picture in pictures:
        border = np.concatenate(
            [picture[:8].reshape(-1, 3), picture[-8:].reshape(-1, 3), picture[:, :8].reshape(-1, 3)]
        )
        assert (border == border[0]).all()
        object_share = (np.abs(picture - border[0]).max(axis=2) > 20).mean()
        assert 0.12 < object_share < 0.80
    for first, second in itertools.combinations(pictures, 2):
        assert (np.abs(first - second).max(axis=2) > 40).mean() > 0.15


def test_subjects_differ_in_shape() -> None:
    cat, dog = (pixels(draw_png(f"blue {word}", 0)) for word in ("cat", "dog"))
    assert (np.abs(cat - dog).max(axis=2) > 40).mean() > 0.05


def test_the_design_of_the_offline_llm_draws_the_users_subject() -> None:
    design = OfflineLanguageModel().complete(system="", prompt="小猫").text.split('"')[3]
    assert design.startswith("小猫，")
    assert draw_png(design, 0) == draw_png("小猫", 0)


def test_unknown_words_are_lettered_and_show_in_the_picture() -> None:
    first, second = (pixels(draw_png(f"red {word}", 0)) for word in ("qwxzy", "blorp"))
    assert (np.abs(first - second).max(axis=2) > 40).mean() > 0.01


@pytest.mark.parametrize("prompt", ["qwxzy " * 83, "魑魅魍魉" * 125, "x" * 500, "?", "é à ü"])
def test_any_text_makes_a_picture(prompt: str) -> None:
    assert pixels(draw_png(prompt, 1)).std() > 5


def test_colour_words_decide_the_colour() -> None:
    red, blue = (pixels(draw_png(f"{word} heart", 0))[450, 512] for word in ("red", "blue"))
    assert red[0] > red[2]
    assert blue[2] > blue[0]
    assert hue_of("a sacred thing", 0) != hue_of("red", 0)
    assert hue_of("红色的猫", 3) == hue_of("a red cat", 1) == 0


def test_the_same_prompt_gives_the_same_picture(tmp_path: Path) -> None:
    first, second = (OfflineImages(tmp_path / name) for name in "ab")
    contents = [
        fetched(images, images.submit(order("a fox", 3)), tmp_path / f"out-{number}")
        for number, images in enumerate((first, second, second))
    ]
    assert contents[0] == contents[1] == contents[2]


def test_threads_may_draw_at_once() -> None:
    expected, found = draw_png("owl", 2), []
    threads = [threading.Thread(target=lambda: found.append(draw_png("owl", 2))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected] * 4


def test_pictures_are_kept_for_a_day(images: OfflineImages, tmp_path: Path) -> None:
    old = images.submit(order("a cat"))
    for path in images.folder.iterdir():
        os.utime(path, (0, time.time() - KEPT_SECONDS - 60))
    new = images.submit(order("a dog"))
    lost = images.poll(old.ref)
    assert lost.state is JobState.FAILED
    assert lost.error is not None
    assert lost.error.fault is Fault.JOB_LOST
    assert images.poll(new.ref).state is JobState.DONE
    with pytest.raises(ProviderError) as caught:
        images.fetch(old.files, tmp_path)
    assert caught.value.fault is Fault.RESULT_GONE


def test_only_own_files_are_fetched(images: OfflineImages, tmp_path: Path) -> None:
    images.folder.mkdir()
    (tmp_path / "secret").write_text("secret")
    urls = [(tmp_path / "secret").as_uri(), images.folder.as_uri() + "/../secret", "https://example.com/a.png"]
    for url in urls:
        with pytest.raises(ProviderError) as caught:
            images.fetch((RemoteFile(role="image", url=url),), tmp_path)
        assert caught.value.fault is Fault.BAD_ANSWER


def test_an_empty_prompt_is_refused(images: OfflineImages) -> None:
    with pytest.raises(ProviderError) as caught:
        images.submit(order("  "))
    assert caught.value.fault is Fault.INVALID_INPUT
