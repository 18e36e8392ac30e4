"""three.js for the 3D viewer: from the package that ships it, and without what the content policy forbids."""

from pathlib import Path

import pytest
from django.contrib.staticfiles import finders

from lumi.three import library, unpack


def test_is_found_as_a_static_file() -> None:
    found = finders.find("lumi/three.js")
    assert Path(str(found)).read_text(encoding="utf-8") == library()


@pytest.mark.parametrize("part", ["SPDX-License-Identifier: MIT", "THREE.GLTFLoader=", "WebGLRenderer", "sRGBEncoding"])
def test_has_what_the_viewer_needs(part: str) -> None:
    assert part in library()


@pytest.mark.parametrize("part", ["<script", "</script", "eval(", "new Function", "new Worker", "var camera,controls"])
def test_has_nothing_else(part: str) -> None:
    assert part not in library()


def test_is_written_whole_and_once(tmp_path: Path) -> None:
    path = tmp_path / "libraries" / "three.js"
    path.parent.mkdir()
    path.write_text("of another version")
    unpack(path)
    assert path.read_text(encoding="utf-8") == library()
    written = path.stat().st_ino
    unpack(path)
    assert path.stat().st_ino == written
    assert list(path.parent.iterdir()) == [path]
