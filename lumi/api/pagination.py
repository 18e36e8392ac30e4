"""Lists: `limit` 1..100 = 20, `offset` from 0, a bare array, and the total in `X-Total-Count`."""

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

from lumi.errors import Invalid

MAX_LIMIT = 100
MAX_OFFSET = 1_000_000


def number_in(request: Request, name: str, default: int, low: int, high: int) -> int:
    """The query parameter `name` as a number in low..high. Raises Invalid."""
    text = request.query_params.get(name, str(default))
    if text.isascii() and text.isdecimal() and len(text) <= 9 and low <= int(text) <= high:
        return int(text)
    message = _("“%(name)s” must be a whole number from %(low)s to %(high)s.") % {
        "name": name,
        "low": low,
        "high": high,
    }
    raise Invalid(message, details={name: [message]})


class LimitOffset(BasePagination):
    """Two statements a page: the count and the rows."""

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        """The rows of the page that the query asks for. Raises Invalid."""
        limit = number_in(request, "limit", 20, 1, MAX_LIMIT)
        offset = number_in(request, "offset", 0, 0, MAX_OFFSET)
        self.total = queryset.count()
        return list(queryset[offset : offset + limit])

    def get_paginated_response(self, data: Any) -> Response:
        """The bare array; the total stands in a header."""
        return Response(data, headers={"X-Total-Count": str(self.total)})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The array itself is the schema."""
        return schema

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        """`limit` and `offset` for the OpenAPI document."""
        return [
            {"name": "limit", "in": "query", "required": False, "description": "How many rows.",
             "schema": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": 20}},
            {"name": "offset", "in": "query", "required": False, "description": "How many rows to pass over.",
             "schema": {"type": "integer", "minimum": 0, "maximum": MAX_OFFSET, "default": 0}},
        ]  # fmt: skip
