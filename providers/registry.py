"""Which provider does what: names and factories from the settings, one instance a process and name."""

from functools import cache
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils.module_loading import import_string

from providers.offline.images import OfflineImages
from providers.offline.llm import OfflineLanguageModel
from providers.offline.models import OfflineModels

if TYPE_CHECKING:
    from providers.base import ImageProvider, LanguageModel, ModelProvider


@cache
def get(kind: str, name: str) -> Any:
    """The provider of this kind ("llm", "image", "model") and name. Raises KeyError for one not in the settings."""
    return import_string(settings.PROVIDERS[kind][name])()


def listed(kind: str) -> list[str]:
    """The names of the providers for new work, in the order of the settings."""
    names: dict[str, list[str]] = {
        "llm": settings.LLM_PROVIDERS,
        "image": settings.IMAGE_PROVIDERS,
        "model": settings.MODEL_PROVIDERS,
    }
    return list(dict.fromkeys(names[kind]))


def offline_llm() -> "LanguageModel":
    """Designs by rule."""
    return OfflineLanguageModel()


def offline_images() -> "ImageProvider":
    """Pictures drawn by an algorithm."""
    return OfflineImages(settings.OFFLINE_DIR)


def offline_models() -> "ModelProvider":
    """Meshes built by an algorithm."""
    return OfflineModels(settings.OFFLINE_DIR)
