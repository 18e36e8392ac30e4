"""The chaos tests as a Django app: arms a crash point, and chooses a provider, where the environment says so."""

import os
from datetime import timedelta

from django.apps import AppConfig
from django.conf import settings


class ChaosConfig(AppConfig):
    """Installed in processes under test only."""

    name = "tests.chaos"
    label = "chaos"

    def ready(self) -> None:
        """Arm."""
        from tests.chaos import crashing  # noqa: PLC0415  needs the other apps

        choose_provider()
        crashing.arm()
        if window := os.environ.get("CHAOS_WINDOW"):
            from generation import queue  # noqa: PLC0415

            queue.WINDOW = float(window)
        if lock := os.environ.get("CHAOS_KEY_LOCK"):
            from generation import idempotency  # noqa: PLC0415

            idempotency.LOCK = timedelta(seconds=float(lock))


def choose_provider() -> None:
    """CHAOS_PROVIDER: the one of images and models that this process gives new work to."""
    if name := os.environ.get("CHAOS_PROVIDER"):
        settings.IMAGE_PROVIDERS = settings.MODEL_PROVIDERS = [name]
