"""The ground as a Django app: its commands."""

from django.apps import AppConfig


class LumiConfig(AppConfig):
    """`manage.py serve` and the like."""

    name = "lumi"
    verbose_name = "Lumi"
