"""The ground of Lumi: what every app stands on. Imports nothing above it."""

from lumi.celery import app as celery_app

__all__ = ["celery_app"]
