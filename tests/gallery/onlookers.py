"""What others see of a model: every endpoint, list, counter and file link."""

from typing import Any

from django.test import Client
from rest_framework.test import APIClient

from gallery import facts
from gallery.models import Model

LISTS = (
    "/api/models/public", "/api/models/public?sortBy=popular", "/api/models/public?sortBy=liked",
    "/api/me/liked-models", "/api/me/favorited-models",
)  # fmt: skip
LINKS = ("modelUrl", "mtlUrl", "textureUrl", "previewImageUrl")
MOVES = {*LINKS, "updatedAt"}  # of a model that was taken down and put back
WAYS: dict[str, dict[str, str]] = {
    "whole": {}, "range": {"range": "bytes=0-2"}, "again": {"if-none-match": '"x"'},
}  # fmt: skip


def enjoy(client: APIClient, model: Model) -> None:
    """Somebody looks at it, takes it home, likes it and keeps it."""
    for path in ("like", "favorite", "download"):
        assert client.post(f"/api/models/{model.pk}/{path}").status_code == 200


def seen_by(client: APIClient, model: Model) -> dict[str, Any]:
    """Where somebody who enjoys it meets it; what moves when it is put back is left out."""
    shown = client.head(f"/api/models/{model.pk}")
    lists = {path: client.get(path) for path in LISTS}
    return {
        "there": shown.status_code,
        "interactions": client.get(f"/api/models/{model.pk}/interaction-status").json()["data"],
        "public models of its owner": facts.count_public_models(model.owner),
        **{f"total {path}": answer["X-Total-Count"] for path, answer in lists.items()},
        **{path: [without_addresses(one) for one in answer.json()["data"]] for path, answer in lists.items()},
    }


def without_addresses(shown: dict[str, Any]) -> dict[str, Any]:
    """What stays the same."""
    return {name: value for name, value in shown.items() if name not in MOVES}


def links(client: APIClient, model: Model) -> list[str]:
    """The addresses that somebody is told, of all files and of the ZIP."""
    shown = client.get("/api/models/public").json()["data"]
    (mine,) = [one for one in shown if one["id"] == model.pk]
    all_in_one = client.post(f"/api/models/{model.pk}/download", {"format": "zip"}).json()["data"]["url"]
    return [address.removeprefix("http://testserver") for address in [*(mine[name] for name in LINKS), all_in_one]]


def opened(client: Client, addresses: list[str]) -> set[int]:
    """What the addresses answer, however they are asked."""
    found = {client.head(address).status_code for address in addresses}
    for headers in WAYS.values():
        for address in addresses:
            answer: Any = client.get(address, headers=headers)
            found.add(answer.status_code)
            b"".join(answer)
    return found
