"""Generation as a Django app."""

from django.apps import AppConfig


class GenerationConfig(AppConfig):
    """How a prompt becomes images and a model."""

    name = "generation"
    verbose_name = "Generation"
