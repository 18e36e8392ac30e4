"""The OpenAPI document's last touch: every success in its envelope, every failure that an operation can give, examples.

The envelopes and the failures are components, written once; an operation refers to them.
"""

from typing import Any

from lumi import errors
from lumi.api.examples import example_of
from lumi.errors import LumiError

SUCCESS = {"type": "object", "required": ["status"], "properties": {"status": {"type": "string", "const": "success"}}}
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
                "code": {"$ref": "#/components/schemas/FailCode"},
                "details": {"type": "object", "additionalProperties": True},
            },
        },
    },
}
FAIL_CODES = [
    "VALIDATION_ERROR", "UNAUTHORIZED", "FORBIDDEN", "NOT_FOUND", "METHOD_NOT_ALLOWED", "CONFLICT", "INVALID_STATE",
    "RATE_LIMITED",
]  # fmt: skip
ERROR = {
    "type": "object",
    "required": ["status", "message", "code"],
    "properties": {
        "status": {"type": "string", "const": "error"},
        "message": {"type": "string", "description": "A sentence for the person who sees it."},
        "code": {"$ref": "#/components/schemas/ErrorCode"},
    },
}
ERROR_CODES = [
    "INTERNAL_SERVER_ERROR", "DATABASE_ERROR", "EXTERNAL_API_ERROR", "QUEUE_FULL", "SERVICE_UNAVAILABLE",
]  # fmt: skip
RETRY_AFTER = {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}
RATE_HEADERS = {
    "RateLimit-Limit": {"description": "Calls that the nearest limit allows.", "schema": {"type": "integer"}},
    "RateLimit-Remaining": {"description": "Calls that are left of it.", "schema": {"type": "integer"}},
    "RateLimit-Reset": {"description": "Seconds until there are more.", "schema": {"type": "integer"}},
}
# By status: the component's name, an error that bears it, and what it says of itself.
FAILURES: dict[str, tuple[str, type[LumiError], str]] = {
    "400": ("BadRequest", errors.Invalid, "Something that was sent is not as it must be; `details` says what."),
    "401": ("Unauthorized", errors.Unauthorized, "No token, or one that is not valid (any more)."),
    "403": ("Forbidden", errors.Forbidden, "Known, and not allowed: not the owner, or a token without the scope."),
    "404": ("NotFound", errors.NotFound, "There is no such thing, or it is not the caller's to see."),
    "409": ("Conflict", errors.InvalidState, "Not possible in the current state."),
    "413": ("TooLarge", errors.TooLarge, "More was sent than is taken."),
    "415": ("UnsupportedMediaType", errors.UnsupportedMediaType, "The body is of another media type."),
    "422": ("Unprocessable", errors.Invalid, "This Idempotency-Key was already used for a different request."),
    "429": ("TooManyRequests", errors.RateLimited, "Too fast; Retry-After says when to come again."),
    "500": ("InternalServerError", LumiError, "A mistake of Lumi's."),
    "503": ("ServiceUnavailable", errors.Unavailable, "A part of Lumi is away, or its queue is full: again later."),
}  # fmt: skip
# What can be done with a thing that an operation has made: where its id stands in the answer, and who takes it as what.
OF_REQUEST = (
    "request_id", ("getRequest", "listRequestHistory", "cancelRequest", "retryRequest", "deleteRequest"),
)  # fmt: skip
OF_MODEL = (
    "model_id",
    ("getModel", "editModel", "publishModel", "unpublishModel", "downloadModel", "toggleLike", "toggleFavorite",
     "getInteractionStatus", "deleteModel"),
)  # fmt: skip
OF_TOKEN = ("token_id", ("revokeApiToken",))
LINKS: dict[str, tuple[str, tuple[str, tuple[str, ...]]]] = {
    "createRequest": ("/data/request/id", OF_REQUEST),
    "uploadRequest": ("/data/request/id", OF_REQUEST),
    "createModel": ("/data/model/id", OF_MODEL),
    "uploadModel": ("/data/id", OF_MODEL),
    "createApiToken": ("/data/id", OF_TOKEN),
}
WITH_RETRY_AFTER = ("429", "503")
FREE_OF_LIMITS = ("health",)  # operations that touch nothing


def complete(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """drf-spectacular's post-processing hook."""
    components = result["components"]
    schemas = components.setdefault("schemas", {})
    codes = {"FailCode": FAIL_CODES, "ErrorCode": ERROR_CODES}
    schemas.update({name: {"type": "string", "enum": words} for name, words in codes.items()})
    schemas.update(Success=SUCCESS, Fail=FAIL, Error=ERROR)
    components["responses"] = {name: failure(status) for status, (name, _error, _words) in FAILURES.items()}
    components["headers"] = {**RATE_HEADERS, "Retry-After": RETRY_AFTER}
    for path in result["paths"].values():
        for operation in path.values():
            finish(operation, schemas)
    return result


def finish(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    """One operation."""
    for status, response in operation["responses"].items():
        if status.startswith("2"):
            wrap(operation["operationId"], response, schemas)
    for status in sorted(failures_of(operation)):
        said = operation["responses"].get(status)
        operation["responses"][status] = said_of(status, said) if said else reference(status)
    for content in operation.get("requestBody", {}).get("content", {}).values():
        content.setdefault("example", example_of(content["schema"], schemas))


def wrap(operation_id: str, response: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Put a success into its envelope: a component of its own, so that generated clients have a name for it. What is no
    JSON has none."""
    contents = response.setdefault("content", {"application/json": {}})
    if (content := contents.get("application/json")) is not None:
        envelop(operation_id, content, schemas)
    for content in contents.values():
        content.setdefault("example", example_of(content["schema"], schemas))
    if operation_id in LINKS:
        response["links"] = links_of(*LINKS[operation_id])
    if operation_id not in FREE_OF_LIMITS:
        headers = response.setdefault("headers", {})
        headers.update({name: {"$ref": f"#/components/headers/{name}"} for name in RATE_HEADERS})


def envelop(operation_id: str, content: dict[str, Any], schemas: dict[str, Any]) -> None:
    """The envelope of this operation's data."""
    data = content.get("schema") or {"type": "null"}
    name = f"{operation_id[0].upper()}{operation_id[1:]}Answer"
    own = {"type": "object", "required": ["data"], "properties": {"data": data}}
    schemas[name] = {"allOf": [{"$ref": "#/components/schemas/Success"}, own]}
    content["schema"] = {"$ref": f"#/components/schemas/{name}"}


def links_of(place: str, takers: tuple[str, tuple[str, ...]]) -> dict[str, Any]:
    """Where a thing that was made can be handed on to."""
    parameter, operations = takers
    return {name: {"operationId": name, "parameters": {parameter: f"$response.body#{place}"}} for name in operations}


def failures_of(operation: dict[str, Any]) -> set[str]:
    """The statuses of all the failures that an operation can give: what its view says, and what follows from what it
    takes, whom it lets in, and that it does anything at all."""
    if operation["operationId"] in FREE_OF_LIMITS:
        return set()
    found = {status for status in operation["responses"] if not status.startswith("2")} | {"400", "429", "500", "503"}
    places = {parameter["in"] for parameter in operation.get("parameters", [])}
    if any(operation.get("security", [])):
        found |= {"401", "403"}
    if "path" in places:
        found |= {"404"}
    if "requestBody" in operation:
        found |= {"413", "415"}
    return found


def reference(status: str) -> dict[str, Any]:
    """To the component."""
    return {"$ref": f"#/components/responses/{FAILURES[status][0]}"}


def said_of(status: str, response: dict[str, Any]) -> dict[str, Any]:
    """A failure that the view describes in words of its own."""
    return failure(status) | ({"description": response["description"]} if response.get("description") else {})


def failure(status: str) -> dict[str, Any]:
    """A failure, whole."""
    _name, kind, words = FAILURES[status]
    error = kind()
    envelope = "Error" if status.startswith("5") else "Fail"
    said = {"message": str(error.message), "code": error.code}
    example = {"status": "error", **said} if envelope == "Error" else {"status": "fail", "data": said}
    content = {"schema": {"$ref": f"#/components/schemas/{envelope}"}, "example": example}
    answer: dict[str, Any] = {"description": words, "content": {"application/json": content}}
    if status in WITH_RETRY_AFTER:
        answer["headers"] = {"Retry-After": {"$ref": "#/components/headers/Retry-After"}}
    return answer
