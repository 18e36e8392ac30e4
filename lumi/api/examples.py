"""Examples for the OpenAPI document: put together from the schemas, with believable words for the names on the wire."""

from typing import Any

ID = "019a3f6c-1c5e-7d2a-9b1e-5f3c2a7d8e90"
MOMENT = "2026-01-31T08:15:30.123Z"
FILES = "https://lumi.example.com/files"
WORDS: dict[str, Any] = {
    "message": "We are working on your four pictures.",
    "email": "you@example.com",
    "code": "123456",
    "name": "A small cat",
    "description": "It sleeps on a flat base.",
    "prompt": "a small cat",
    "imagePrompt": "圆润的小猫，线条清晰，底座平稳，哑光实心材质",
    "token": "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIwMTlhIn0.c2lnbmF0dXJl",
    "refreshToken": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIwMTliIn0.c2lnbmF0dXJl",
    "imageUrl": f"{FILES}/images/3kT9/image-0.png",
    "avatarUrl": f"{FILES}/avatars/8Yw2/avatar.png",
    "modelUrl": f"{FILES}/models/3kT9/small-cat.obj",
    "mtlUrl": f"{FILES}/models/3kT9/small-cat.mtl",
    "textureUrl": f"{FILES}/models/3kT9/small-cat.png",
    "previewImageUrl": f"{FILES}/models/3kT9/small-cat-preview.png",
    "url": f"{FILES}/models/3kT9/small-cat.stl",
    "fileName": "small-cat.stl",
    "fileSize": 1_048_576,
    "format": "STL",
    "reason": "It looks like a weapon.",
    "text": "Please look at this again.",
    "canAppeal": False,
    "progress": 40,
    "index": 0,
    "imageIndex": 0,
    "selectedImageIndex": 0,
    "version": "0.1.0",
    "errorMessage": None,
    "completedAt": None,
    "failedAt": None,
}
BY_FORMAT = {
    "date-time": MOMENT, "uri": f"{FILES}/models/3kT9/small-cat.glb", "email": "you@example.com", "binary": "(bytes)",
    "uuid": ID,
}  # fmt: skip
BY_TYPE: dict[str, Any] = {"string": "text", "integer": 1, "number": 1.5, "boolean": True, "null": None}
DEEPEST = 8


def example_of(schema: dict[str, Any], schemas: dict[str, Any], name: str = "", depth: int = 0) -> Any:
    """A value that fits the schema. `schemas`: the document's components; `name`: of the property it is for."""
    if name in WORDS and fits(WORDS[name], schema):
        return WORDS[name]
    if own := [schema[word] for word in ("example", "const", "default") if word in schema]:
        return own[0]
    if "allOf" in schema:
        return merged([example_of(part, schemas, name, depth) for part in schema["allOf"]])
    if other := referred(schema, schemas):
        return example_of(other, schemas, name, depth)
    return schema["enum"][0] if "enum" in schema else of_type(schema, schemas, name, depth)


def referred(schema: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any] | None:
    """The schema that this one stands for: what it refers to, or the first of its alternatives."""
    if "$ref" in schema:
        found: dict[str, Any] = schemas[schema["$ref"].rpartition("/")[2]]
        return found
    return next((schema[word][0] for word in ("oneOf", "anyOf") if word in schema), None)


def of_type(schema: dict[str, Any], schemas: dict[str, Any], name: str, depth: int) -> Any:
    """A value of the schema's type, the first where it may have several."""
    kind = first_type(schema)
    if kind == "array":
        return [example_of(schema.get("items", {}), schemas, name, depth + 1)] if depth < DEEPEST else []
    if kind == "object":
        properties = schema.get("properties", {})
        return {key: example_of(value, schemas, key, depth + 1) for key, value in properties.items()}
    if kind == "string" and (name == "id" or name.endswith("Id")):
        return ID
    return BY_FORMAT.get(schema.get("format", "")) or BY_TYPE.get(kind)


def first_type(schema: dict[str, Any]) -> str:
    """The schema's type."""
    kind = schema.get("type", "object" if "properties" in schema else "string")
    return str(kind[0] if isinstance(kind, list) else kind)


def fits(word: Any, schema: dict[str, Any]) -> bool:
    """Whether a word is of a type that the schema takes; of several schemas any will do."""
    if any(alternative in schema for alternative in ("oneOf", "anyOf", "allOf")):
        parts = [part for word_ in ("oneOf", "anyOf", "allOf") for part in schema.get(word_, [])]
        return any("$ref" not in part and fits(word, part) for part in parts)
    kinds = schema.get("type", [])
    known = {str: "string", int: "integer", bool: "boolean", type(None): "null"}[type(word)]
    return known in (kinds if isinstance(kinds, list) else [kinds]) and "enum" not in schema


def merged(parts: list[Any]) -> Any:
    """Objects together; else the first."""
    if all(isinstance(part, dict) for part in parts):
        return {key: value for part in parts for key, value in part.items()}
    return parts[0] if parts else None
