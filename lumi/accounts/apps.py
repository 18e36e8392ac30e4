"""People as a Django app; and the admin, whose site is theirs to enter."""

from importlib import import_module

from django.apps import AppConfig
from django.contrib.admin import apps as admin
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    """Users, sign-in codes, tokens."""

    name = "lumi.accounts"
    label = "accounts"
    verbose_name = _("Accounts")

    def ready(self) -> None:
        """Tell drf-spectacular about the ways to sign in."""
        import_module("lumi.accounts.api.schema")


class StaffAdminConfig(admin.AdminConfig):
    """Django's admin, with a door that may ask for a second factor."""

    default = False
    default_site = "lumi.accounts.staff.StaffSite"
