"""How the OpenAPI document is made: what drf-spectacular cannot guess of an operation. Envelopes, failures and examples
are put around it afterwards (`lumi.api.envelopes`)."""

from typing import Any

from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import append_meta
from drf_spectacular.utils import Direction, OpenApiResponse

from lumi.api.permissions import IsSignedInToWrite

CONTROL = r"\u0000-\u0008\u000b\u000c\u000e-\u001f"
ANY_TEXT = f"^[^{CONTROL}]*$"
INVISIBLE = (
    r"\s\u007f-\u009f\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890-\u0891\u08e2\u1"
    r"80e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff\ufff9-\ufffb"
)
NO_TEXT = {"type": "string", "maxLength": 0}
SOME_TEXT = rf"^[^{CONTROL}]*[^{CONTROL}{INVISIBLE}][^{CONTROL}]*$"


def fails(*statuses: int) -> dict[int, OpenApiResponse]:
    """Ways to fail that follow from what an operation does; `lumi.api.envelopes` has the words for each."""
    return {status: OpenApiResponse(description="") for status in statuses}


class StrictTextExtension(OpenApiSerializerFieldExtension):
    """Which characters a text may have is part of the contract."""

    target_class = "lumi.api.fields.StrictTextField"
    match_subclasses = True

    def map_serializer_field(self, auto_schema: AutoSchema, direction: Direction) -> dict[str, Any]:
        """The field's schema, with a pattern where it has none. null is added by whoever asks, once more."""
        known = {**auto_schema._map_serializer_field(self.target, direction, bypass_extensions=True), "type": "string"}
        if direction == "request" and "pattern" not in known:
            return append_meta(known, {"pattern": ANY_TEXT if self.target.allow_blank else SOME_TEXT})
        return known


class LumiSchema(AutoSchema):
    """Lists are bare arrays whose total is in a header, which drf-spectacular cannot guess."""

    def get_summary(self) -> str | None:
        """The first sentence of the view's docstring, without its full stop."""
        first = (self.get_description() or "").strip().partition("\n")[0]
        return first.split(". ")[0].rstrip(".") or None

    def get_auth(self) -> list[dict[str, list[str]]]:
        """What anybody may read needs no token, but knows more with one."""
        schemes = list(super().get_auth())
        optional = self.method == "GET" and IsSignedInToWrite in getattr(self.view, "permission_classes", ())
        return [*schemes, {}] if optional and {} not in schemes else schemes

    def _get_request_body(self, direction: Direction = "request") -> dict[str, Any] | None:
        """Also of a DELETE, where the view says `delete_takes_body`: the library thinks that there is no such thing."""
        if not (self.method == "DELETE" and getattr(self.view, "delete_takes_body", False)):
            return super()._get_request_body(direction)
        self.method = "PUT"
        try:
            return super()._get_request_body(direction)
        finally:
            self.method = "DELETE"

    def _insert_field_validators(self, field: Any, schema: dict[str, Any]) -> None:
        super()._insert_field_validators(field, schema)
        if schema.get("oneOf", [None])[-1] == NO_TEXT:  # our pattern takes it already: it would be two of “oneOf”
            schema.update(schema.pop("oneOf")[0])

    def _get_response_for_code(self, serializer: Any, status_code: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        response = super()._get_response_for_code(serializer, status_code, *args, **kwargs)
        if str(status_code).startswith("2") and self._is_list_view(serializer) and self.method == "GET":
            response["headers"] = {"X-Total-Count": {
                "description": "How many rows there are in all.", "schema": {"type": "integer"},
            }}  # fmt: skip
        return response
