"""The providers as a Django app: their system checks. No tables."""

from importlib import import_module

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ProvidersConfig(AppConfig):
    """The outside world."""

    name = "providers"
    verbose_name = _("Providers")

    def ready(self) -> None:
        """Register the system checks."""
        import_module("providers.checks")
