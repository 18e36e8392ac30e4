"""Likes and favourites as a Django app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class InteractionsConfig(AppConfig):
    """What people feel about models."""

    name = "interactions"
    verbose_name = _("Interactions")
