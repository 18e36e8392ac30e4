"""The offline painter, which refuses orders as long as the file `moody` lies in the data folder."""

from django.conf import settings

from providers.base import Billed, Fault, ImageOrder, ProviderError, Report
from providers.offline.images import OfflineImages
from providers.registry import offline_images


class Moody:
    """A painter with moods; everything else is the offline one's."""

    name = "moody"

    def __init__(self) -> None:
        self.painter: OfflineImages = offline_images()

    def __getattr__(self, name: str) -> object:
        return getattr(self.painter, name)

    def submit(self, order: ImageOrder) -> Report:
        """Paint, or refuse for good."""
        if (settings.DATA_DIR / "moody").exists():
            raise ProviderError(Fault.INVALID_INPUT, permanent=True, billed=Billed.NO, evidence="not in the mood")
        return self.painter.submit(order)


images = Moody
