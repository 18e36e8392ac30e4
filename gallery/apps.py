"""The gallery as a Django app."""

from django.apps import AppConfig


class GalleryConfig(AppConfig):
    """3D models, from wherever they came."""

    name = "gallery"
    verbose_name = "Gallery"
