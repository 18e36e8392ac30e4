"""The gallery as a Django app."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class GalleryConfig(AppConfig):
    """3D models, from wherever they came."""

    name = "gallery"
    verbose_name = _("Gallery")
