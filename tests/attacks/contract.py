"""The published operations, as an attacker reads them: from the document, so that a new one is attacked unasked."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import translation
from drf_spectacular.generators import SchemaGenerator
from rest_framework.test import APIClient

JSON, FORM = "application/json", "multipart/form-data"


@dataclass(frozen=True)
class Operation:
    """One of them. `takes`: the media type of its body, or ""; `members`: of its body, by name."""

    name: str
    method: str
    path: str
    takes: str
    members: dict[str, Any]
    parameters: tuple[tuple[str, str], ...]
    example: Any

    def __str__(self) -> str:
        return self.name

    def names(self, place: str) -> list[str]:
        """Its parameters in the "path" or the "query"."""
        return [name for where, name in self.parameters if where == place]

    def call(self, client: APIClient, body: Any = None, **ids: str) -> Any:
        """The answer."""
        path = self.path.format(**ids)
        if self.takes == FORM:
            return client.generic(self.method, path, *multipart(client, body or {}))
        return client.generic(self.method, path, "" if body is None else json.dumps(body), JSON)


def multipart(client: APIClient, body: dict[str, Any]) -> tuple[Any, str]:
    """A form's bytes and their content type."""
    return client._encode_data(body, format="multipart")


@cache
def operations() -> tuple[Operation, ...]:
    """All that are published."""
    with translation.override("en"):
        document = SchemaGenerator().get_schema(request=None, public=True)
    return tuple(
        read(path, method, operation, document["components"]["schemas"])
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )


def read(path: str, method: str, operation: dict[str, Any], schemas: dict[str, Any]) -> Operation:
    """One of the document's operations."""
    content = operation.get("requestBody", {}).get("content", {})
    takes = next(iter(content), "")
    schema = content.get(takes, {}).get("schema", {})
    whole = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    return Operation(
        name=operation["operationId"],
        method=method.upper(),
        path=path,
        takes=takes,
        members=whole.get("properties", {}),
        parameters=tuple((each["in"], each["name"]) for each in operation.get("parameters", [])),
        example=content.get(takes, {}).get("example"),
    )


def those(chosen: Callable[[Operation], Any]) -> list[Operation]:
    """The operations of some kind; there are always some."""
    found = [operation for operation in operations() if chosen(operation)]
    assert found
    return found


def named(name: str) -> Operation:
    """The one of this name."""
    (found,) = those(lambda operation: operation.name == name)
    return found


def file(content: bytes, name: str = "file") -> SimpleUploadedFile:
    """A file to be sent."""
    return SimpleUploadedFile(name, content)
