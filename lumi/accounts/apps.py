"""People as a Django app."""

from importlib import import_module

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    """Users, sign-in codes, tokens."""

    name = "lumi.accounts"
    label = "accounts"
    verbose_name = _("Accounts")

    def ready(self) -> None:
        """Tell drf-spectacular about the ways to sign in."""
        import_module("lumi.accounts.api.schema")
