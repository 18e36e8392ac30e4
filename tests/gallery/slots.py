"""What stands in the gallery's slots during these tests: the room above, small enough to see through."""

from collections.abc import Sequence
from typing import Any

from gallery.models import Model

known: dict[str, dict[str, Any]] = {}
asked: list[list[str]] = []
released: list[str] = []
changed: list[str] = []


def facts_of_models(model_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """One query, as the real one makes."""
    asked.append(list(model_ids))
    ids = Model.objects.filter(pk__in=model_ids).values_list("pk", flat=True)
    return {model_id: known[model_id] for model_id in ids if model_id in known}


def prompts_of_models(model_ids: Sequence[str]) -> dict[str, str]:
    """One query, as the real one makes."""
    ids = Model.objects.filter(pk__in=model_ids).values_list("pk", flat=True)
    return {model_id: known[model_id]["prompt"] for model_id in ids if "prompt" in known.get(model_id, {})}


def release_model(model_id: str) -> None:
    """Let go of it."""
    released.append(model_id)


def note_change(model_id: str) -> None:
    """Somebody wants to know."""
    changed.append(model_id)


def refuse_to_release(model_id: str) -> None:
    """Something goes wrong above."""
    raise RuntimeError(model_id)


def install(settings: Any) -> None:
    """Empty slots for one test."""
    for memory in (known, asked, released, changed):
        memory.clear()
    settings.GALLERY_MODEL_FACTS = f"{__name__}.facts_of_models"
    settings.GALLERY_MODEL_PROMPTS = f"{__name__}.prompts_of_models"
    settings.GALLERY_BEFORE_REMOVE = f"{__name__}.release_model"
    settings.GALLERY_AFTER_CHANGE = f"{__name__}.note_change"
