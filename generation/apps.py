"""Generation as a Django app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class GenerationConfig(AppConfig):
    """How a prompt becomes images and a model."""

    name = "generation"
    verbose_name = _("Generation")
