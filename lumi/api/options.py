"""What OPTIONS answers."""

from typing import Any

from rest_framework.metadata import BaseMetadata
from rest_framework.request import Request


class AllowOnly(BaseMetadata):
    """Nothing beside the Allow header: the rest is in the OpenAPI document. DRF's own answer would be the docstrings
    of views, and a 500 where a view has no serializer."""

    def determine_metadata(self, request: Request, view: Any) -> None:
        """DRF's hook: the data of the envelope."""
