"""Strangers' model files: read in a sandbox, answered in sentences."""

import json
import logging
from pathlib import Path

from django.utils.translation import gettext_lazy as _

from lumi import sandbox
from lumi.errors import Invalid

logger = logging.getLogger(__name__)

SECONDS = 60  # of the processor's time; twice that on the clock


class NotAModel(Invalid):
    """The file is none of the formats that Lumi takes, or is broken."""

    message = _(
        "This file could not be read as a 3D model. Please upload a GLB, STL, 3MF or OBJ file, or a ZIP of an OBJ."
    )


class TooDetailed(Invalid):
    """It would take more memory or time than one upload may have."""

    message = _("This model is too detailed. Please simplify it and try again.")


REFUSALS: dict[str, type[Invalid]] = {"broken": NotAModel, "detailed": TooDetailed}


def inspect(path: Path, folder: Path) -> dict[str, Path]:
    """What the model at `path` consists of, by role; see `gallery.meshes.parts_of`. Raises NotAModel, TooDetailed."""
    try:
        answer = json.loads(sandbox.run("gallery.meshes", str(path), str(folder), seconds=SECONDS))
    except sandbox.Failed as failure:
        logger.warning("an uploaded model could not be read: %s", failure, extra={"output": failure.output})
        raise TooDetailed from failure
    if "refused" in answer:
        raise REFUSALS[answer["refused"]]
    return {role: Path(part) for role, part in answer["parts"].items()}
