"""The ground as a Django app: its commands, its checks, its one table."""

from importlib import import_module

from django.apps import AppConfig


class LumiConfig(AppConfig):
    """`manage.py serve` and the like."""

    name = "lumi"
    verbose_name = "Lumi"

    def ready(self) -> None:
        """Register the system checks."""
        import_module("lumi.checks")
