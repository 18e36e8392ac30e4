"""Likes and favourites as a Django app."""

from django.apps import AppConfig


class InteractionsConfig(AppConfig):
    """What people feel about models."""

    name = "interactions"
    verbose_name = "Interactions"
