"""Lumi's settings, and the vendor that charges on arrival: for the processes that the chaos tests start."""

from lumi.settings import *  # noqa: F403  settings are made to be taken over whole

PROVIDERS = {
    "llm": {"chaos": "tests.chaos.provider.llm"},
    "image": {"chaos": "tests.chaos.provider.images", "chaos-lookup": "tests.chaos.provider.images_with_lookup"},
    "model": {"chaos": "tests.chaos.provider.models", "chaos-lookup": "tests.chaos.provider.models_with_lookup"},
}
INSTALLED_APPS = [*INSTALLED_APPS, "tests.chaos"]  # noqa: F405
