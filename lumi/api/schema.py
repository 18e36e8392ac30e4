"""How the OpenAPI document is made true: envelopes around every answer, the error envelopes on every operation."""

from typing import Any

from drf_spectacular.openapi import AutoSchema

from lumi.api.permissions import IsSignedInToWrite

FAIL = {
    "type": "object",
    "required": ["status", "data"],
    "properties": {
        "status": {"type": "string", "const": "fail"},
        "data": {
            "type": "object",
            "required": ["message", "code"],
            "properties": {
                "message": {"type": "string", "description": "A sentence for the person who sees it."},
                "code": {"type": "string", "enum": [
                    "VALIDATION_ERROR", "UNAUTHORIZED", "FORBIDDEN", "NOT_FOUND", "METHOD_NOT_ALLOWED", "CONFLICT",
                    "INVALID_STATE", "RATE_LIMITED",
                ]},
                "details": {"type": "object", "additionalProperties": True},
            },
        },
    },
}  # fmt: skip
ERROR = {
    "type": "object",
    "required": ["status", "message", "code"],
    "properties": {
        "status": {"type": "string", "const": "error"},
        "message": {"type": "string"},
        "code": {"type": "string", "enum": [
            "INTERNAL_SERVER_ERROR", "DATABASE_ERROR", "EXTERNAL_API_ERROR", "QUEUE_FULL", "SERVICE_UNAVAILABLE",
        ]},
    },
}  # fmt: skip


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

    def _get_response_for_code(self, serializer: Any, status_code: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        response = super()._get_response_for_code(serializer, status_code, *args, **kwargs)
        if str(status_code).startswith("2") and self._is_list_view(serializer) and self.method == "GET":
            response["headers"] = {"X-Total-Count": {
                "description": "How many rows there are in all.", "schema": {"type": "integer"},
            }}  # fmt: skip
        return response


def wrap_in_envelopes(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """drf-spectacular's post-processing hook."""
    result["components"].setdefault("schemas", {}).update(Fail=FAIL, Error=ERROR)
    for path in result["paths"].values():
        for operation in path.values():
            wrap(operation)
    return result


def wrap(operation: dict[str, Any]) -> None:
    """Put the envelope around each success and add the two ways to fail."""
    for code, response in operation["responses"].items():
        if code.startswith("2"):
            content = response.setdefault("content", {}).setdefault("application/json", {})
            content["schema"] = success(content.get("schema"))
        else:
            response.update(failure("Fail", response["description"]))
    operation["responses"]["4XX"] = failure("Fail", "The request was not accepted.")
    operation["responses"]["5XX"] = failure("Error", "Lumi could not do it.")


def success(schema: dict[str, Any] | None) -> dict[str, Any]:
    """The success envelope around `schema`; data is null where there is nothing to say."""
    return {
        "type": "object",
        "required": ["status", "data"],
        "properties": {"status": {"type": "string", "const": "success"}, "data": schema or {"type": "null"}},
    }


def failure(name: str, description: str) -> dict[str, Any]:
    """A reference to one of the two failure envelopes."""
    return {
        "description": description,
        "content": {"application/json": {"schema": {"$ref": f"#/components/schemas/{name}"}}},
    }
