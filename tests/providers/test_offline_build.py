"""The offline solids: whatever the picture, one closed printable body."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import manifold3d
import numpy as np
import pytest
import trimesh
from PIL import Image, ImageDraw

from providers.base import Fault, ProviderError
from providers.offline.build import STEPS, build
from providers.offline.cutout import cut_out
from providers.offline.images import draw_png
from providers.offline.models import FILES
from providers.offline.raster import depth, inflated, label, opened
from providers.offline.solid import LARGEST, THINNEST


def saved(picture: Image.Image, kind: str = "PNG", **options: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def photo() -> bytes:
    """A shaded ball on a background that darkens downwards, with a soft shadow, noise and JPEG blocks."""
    y, x = np.mgrid[:640, :640]
    distance = np.hypot(x - 320, y - 330)
    light = 0.35 + 0.6 * np.sqrt(np.clip(1 - (distance / 170) ** 2, 0, 1))
    shadow = 30 * np.exp(-(((x - 335) / 170) ** 2) - ((y - 505) / 25) ** 2)
    pixels = np.stack([215 - y / 40 - shadow, 212 - x / 40 - shadow, 205 - y / 50 - shadow], axis=-1)
    pixels[distance < 170] = (light[..., None] * (205, 80, 50))[distance < 170]
    pixels += np.random.default_rng(5).normal(0, 6, pixels.shape)
    return saved(Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)), "JPEG", quality=60)


def scene() -> bytes:
    """Colours everywhere: no background to tell from an object."""
    small = np.random.default_rng(3).integers(0, 255, (24, 32, 3), dtype=np.uint8)
    return saved(Image.fromarray(small).resize((640, 480), Image.Resampling.BICUBIC), "WEBP")


def blank() -> bytes:
    return saved(Image.new("RGB", (400, 400), "white"))


def scattered() -> bytes:
    """Separate parts, one of them a hair, on a transparent background."""
    picture = Image.new("RGBA", (600, 600))
    pen = ImageDraw.Draw(picture)
    pen.ellipse((60, 60, 260, 540), fill="red")
    pen.ellipse((380, 180, 540, 340), fill="blue")
    pen.line((60, 570, 540, 570), fill="black", width=5)
    return saved(picture)


CASES: dict[str, Callable[[], bytes]] = {
    "cat": lambda: draw_png("cat", 0),
    "dragon": lambda: draw_png("a red dragon", 3),
    "rocket": lambda: draw_png("rocket", 1),
    "vase": lambda: draw_png("vase", 2),
    "猫": lambda: draw_png("猫", 3),
    "lettering": lambda: draw_png("我们的家园真美丽啊", 0),
    "photo": photo,
    "scene": scene,
    "blank": blank,
    "scattered": scattered,
}
PLAQUES = {"scene": (60, 45), "blank": (60, 60)}


@dataclass
class Built:
    """One build's result files as bytes, and what lay in the folder after each step."""

    files: dict[str, bytes]
    steps: list[set[str]]

    def mesh(self, name: str) -> trimesh.Trimesh:
        kind = name.rsplit(".", maxsplit=1)[1]
        return trimesh.load_mesh(io.BytesIO(self.files[name]), file_type=kind)

    def solid(self) -> manifold3d.Manifold:
        mesh = self.mesh("model.stl")
        mesh.merge_vertices()
        faces = mesh.faces.astype(np.uint32)
        return manifold3d.Manifold(manifold3d.Mesh(mesh.vertices.astype(np.float32), faces))


@cache
def built(case: str, folder: Path) -> Built:
    results, steps = folder / case, []
    results.mkdir()
    build(CASES[case](), results, lambda: steps.append({path.name for path in results.iterdir()}))
    return Built(files={path.name: path.read_bytes() for path in results.iterdir()}, steps=steps)


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For all builds of this session: each case is built once."""
    return tmp_path_factory.mktemp("builds")


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def thin_area(section: manifold3d.CrossSection, width: float) -> float:
    """How much of the section a disc of that width does not reach, in mm2; rounded corners are forgiven 0.25 mm."""
    round_join = manifold3d.JoinType.Round
    reached = section.offset(-width / 2, round_join).offset(width / 2 + 0.25, round_join)
    return (section - reached).area()


def test_the_measure_of_thin_bars_sees_them() -> None:
    box = manifold3d.CrossSection.square((20, 20))
    for width, is_thin in ((1.5, True), (1.9, True), (2.1, False)):
        bar = manifold3d.CrossSection.square((20, width)).translate((15, 8))
        assert (thin_area(box + bar, THINNEST) > 5) is is_thin


def test_the_mesh_is_one_closed_body_on_the_bed(case: str, folder: Path) -> None:
    result = built(case, folder)
    mesh = result.mesh("model.stl")
    mesh.merge_vertices()
    assert mesh.is_watertight
    assert mesh.is_winding_consistent
    assert 100 < len(mesh.faces) < 60_000
    lower, upper = mesh.bounds
    assert lower[2] == 0
    assert max(upper - lower) == pytest.approx(LARGEST, abs=0.01)
    assert 3 < upper[2] < 14
    assert 0.15 < mesh.volume / np.prod(upper - lower) < 1
    solid = result.solid()
    assert solid.status() == manifold3d.Error.NoError
    assert len(solid.decompose()) == 1
    assert solid.genus() == 0  # no holes through it


def test_no_wall_is_thinner_than_two_millimetres(case: str, folder: Path) -> None:
    solid = built(case, folder).solid()
    foot = solid.slice(0.2)
    for z in (0.2, 1.0, 1.8):
        section = solid.slice(z)
        assert section.area() == pytest.approx(foot.area(), rel=0.01)  # the walls are upright
        assert thin_area(section, THINNEST) < 0.3
        assert len(section.offset(-THINNEST / 2, manifold3d.JoinType.Round).decompose()) == 1
    # Nowhere is the body thinner than 2 mm from the bed up: at that height it is still whole.
    assert solid.slice(THINNEST).area() == pytest.approx(foot.area(), rel=0.01)


def test_the_bottom_lies_flat(case: str, folder: Path) -> None:
    mesh = built(case, folder).mesh("model.stl")
    below = mesh.face_normals[:, 2] < -0.5
    on_bed = np.abs(mesh.triangles[..., 2]).max(axis=1) < 1e-6
    assert (below == on_bed).all()
    assert mesh.area_faces[on_bed].sum() > 300


def test_plain_backgrounds_are_cut_away_and_others_kept(case: str, folder: Path) -> None:
    extents = built(case, folder).mesh("model.stl").extents[:2]
    assert cut_out(CASES[case]()).plain is (case not in PLAQUES)
    if case in PLAQUES:
        assert extents == pytest.approx(PLAQUES[case], abs=1.5)


def test_a_photographs_ball_is_round(folder: Path) -> None:
    ball = cut_out(photo()).body[:470]  # above the shadow
    rows, columns = (np.flatnonzero(ball.any(axis=axis)) for axis in (1, 0))
    scale = 768 / 640
    assert columns[-1] - columns[0] == pytest.approx(340 * scale, abs=8)
    assert rows[0] == pytest.approx(160 * scale, abs=6)


def test_the_front_has_relief_and_rises_in_the_middle(folder: Path) -> None:
    heights = built("cat", folder).mesh("model.stl").vertices[:, 2]
    assert heights.max() > 7
    assert len(np.unique(heights.round(2))) > 200


def test_obj_names_its_files_and_keeps_its_colours(folder: Path) -> None:
    files = built("cat", folder).files
    obj, mtl = files["model.obj"].decode(), files["model.mtl"].decode()
    assert "mtllib model.mtl" in obj
    assert "map_Kd texture.png" in mtl
    material = obj.split("usemtl ")[1].split()[0]
    assert f"newmtl {material}\n" in mtl
    stl = built("cat", folder).mesh("model.stl")
    assert obj.count("\nf ") == len(stl.faces)
    assert obj.count("\nv ") == obj.count("\nvt ") > 1000


def test_the_texture_lies_right_side_up_on_the_obj(tmp_path: Path) -> None:
    """A red upper half and a blue lower half stay where they are, in millimetres and in the preview."""
    picture = Image.new("RGB", (300, 300), "white")
    pen = ImageDraw.Draw(picture)
    pen.rectangle((60, 60, 240, 150), fill=(200, 30, 30))
    pen.rectangle((60, 150, 240, 240), fill=(30, 30, 200))
    build(saved(picture), tmp_path, lambda: None)
    mesh = trimesh.load_mesh(tmp_path / "model.obj", process=False)
    colours = mesh.visual.material.image.convert("RGB")
    for (_, y, _), (u, v) in zip(mesh.vertices[::50], mesh.visual.uv[::50], strict=True):
        x_pixel, y_pixel = u * (colours.width - 1), (1 - v) * (colours.height - 1)
        red, _, blue = colours.getpixel((round(x_pixel), round(y_pixel)))
        if abs(y) > 2:
            assert (red > blue) == (y > 0)
    preview = np.asarray(Image.open(tmp_path / "preview.png").convert("RGB"), int)
    assert preview[170, 256, 0] > preview[170, 256, 2]
    assert preview[340, 256, 0] < preview[340, 256, 2]


def test_glb_is_in_metres_upright_and_textured(folder: Path) -> None:
    mesh = built("cat", folder).mesh("model.glb")
    assert max(mesh.extents) == pytest.approx(LARGEST / 1000, abs=1e-4)
    assert mesh.bounds[0][1] == pytest.approx(0, abs=1e-6)
    assert mesh.extents[2] < mesh.extents[1]
    assert mesh.visual.material.baseColorTexture.size[0] > 100
    assert len(mesh.visual.uv) == len(mesh.vertices)


def test_the_preview_shows_the_object_in_its_colours(case: str, folder: Path) -> None:
    picture = Image.open(io.BytesIO(built(case, folder).files["preview.png"]))
    assert (picture.format, picture.size) == ("PNG", (512, 512))
    pixels = np.asarray(picture.convert("RGB"), int)
    shown = np.abs(pixels - pixels[0, 0]).max(axis=2) > 12
    assert 0.1 < shown.mean() < 0.8
    assert not shown[[0, -1]].any()
    assert not shown[:, [0, -1]].any()


def test_progress_counts_the_steps_done(folder: Path) -> None:
    steps = built("cat", folder).steps
    assert len(steps) == STEPS
    assert steps[4] == set()
    assert steps[5] == {"texture.png"}
    assert steps[6] - steps[5] == {"model.obj", "model.mtl"}
    assert steps[7] - steps[6] == {"model.stl"}
    assert steps[8] - steps[7] == {"model.glb"}
    assert steps[9] == set(FILES.values())


@pytest.mark.parametrize(
    "content",
    [b"", b"not a picture", photo()[:3000], saved(Image.new("RGB", (4, 4))), saved(Image.new("RGB", (64, 64)), "GIF")],
    ids=["empty", "text", "cut off", "tiny", "other format"],
)
def test_unreadable_pictures_are_the_orders_fault(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(ProviderError) as caught:
        build(content, tmp_path, lambda: None)
    assert caught.value.fault is Fault.INVALID_INPUT
    assert caught.value.permanent


def test_raster_arithmetic() -> None:
    y, x = np.mgrid[:101, :101]
    disc = np.hypot(x - 50, y - 50) < 40
    assert depth(disc, 60)[50, 50] == pytest.approx(40, abs=1)
    assert inflated(disc)[50, 50] == pytest.approx(40, rel=0.15)
    two = disc & (abs(x - 50) > 3)
    assert label(two)[1] == 2
    bar = np.zeros((60, 60), bool)
    bar[28:33, 5:55] = True
    assert opened(bar, 2).sum() > 0.9 * bar.sum()
    assert not opened(bar, 4).any()
