"""The build itself, in a process of its own: `python -m providers.offline.build FOLDER`.

Needs no Django and no environment. Its inherited lock (see jobs.py) ends with the process.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import trimesh

from providers.base import Fault, JobState, ProviderError
from providers.offline import export, preview, solid
from providers.offline.cutout import cut_out
from providers.offline.jobs import PICTURE, RESULTS, JobFolder, Progress

Advance = Callable[[], None]
STEPS = 10  # calls of advance() in build()


def build(picture: bytes, results: Path, advance: Advance) -> None:
    """Write all result files of the picture into `results`; calls `advance` after each of STEPS steps.

    Raises ProviderError: INVALID_INPUT for an unreadable picture, JOB_FAILED when no sound solid comes of it.
    """
    cutout = cut_out(picture)
    advance()
    layout = solid.lay_out(cutout)
    advance()
    body = solid.make_sound(layout.body)
    height = solid.heights(layout, body)
    advance()
    fine = solid.build_mesh(body, height)
    advance()
    result = solid.finish(solid.simplify(fine), body.shape)
    _check(result)
    advance()
    texture = export.as_texture(layout.pixels)
    export.write_png(texture, results / export.TEXTURE)
    advance()
    export.write_obj(result, results)
    advance()
    export.write_stl(result, results / "model.stl")
    advance()
    export.write_glb(result, texture, results / "model.glb")
    advance()
    # The surface before simplifying differs by a hundredth of a millimetre, and its small even faces render faster.
    picture_of_it = preview.render(solid.finish(fine, body.shape), layout.pixels)
    export.write_png(picture_of_it, results / "preview.png")
    advance()


def _check(result: solid.Solid) -> None:
    """Raises JOB_FAILED unless an independent library agrees that the solid is closed."""
    mesh = trimesh.Trimesh(result.vertices, result.faces, process=False)
    if not (mesh.is_watertight and mesh.is_winding_consistent and mesh.volume > 0):
        raise ProviderError(Fault.JOB_FAILED, permanent=True, evidence="the mesh is not closed")


def run(job: JobFolder) -> None:
    """Build the order in the folder and keep its progress; every failure ends as a FAILED progress."""
    done = 0

    def advance() -> None:
        nonlocal done
        done += 1
        job.write_progress(Progress(percent=min(99, 100 * done // STEPS)))

    try:
        build((job.path / PICTURE).read_bytes(), job.path / RESULTS, advance)
        job.write_progress(Progress(state=JobState.DONE, percent=100))
    except ProviderError as error:
        _fail(job, error.fault, error.permanent, error.evidence)
    except Exception:  # noqa: BLE001 - the border of the process: whatever it was, the poller must learn of it
        _fail(job, Fault.JOB_FAILED, False, traceback.format_exc(limit=-4))


def _fail(job: JobFolder, fault: Fault, permanent: bool, evidence: str) -> None:
    if job.exists():  # a cancelled job has no folder, and nobody who asks
        job.write_progress(Progress(state=JobState.FAILED, fault=fault, permanent=permanent, evidence=evidence))


if __name__ == "__main__":
    os.nice(5)  # people's requests come first
    run(JobFolder(Path(sys.argv[1])))
