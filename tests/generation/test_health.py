"""What `/health/detailed` says of breakers and stopped queues: degraded, not down."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from generation import breakers
from generation.models import Breaker, QueuePause
from lumi import clock

pytestmark = pytest.mark.django_db(transaction=True)


def checked(client: Client) -> dict[str, Any]:
    """The body of a 200."""
    response = client.get("/health/detailed")
    assert response.status_code == 200, response.content
    body: dict[str, Any] = response.json()["data"]
    return body


def test_nothing_to_tell(client: Client) -> None:
    breakers.failed("image", "scripted", "submit")
    body = checked(client)
    assert body["status"] == "ok"
    for name in ("providers", "queues"):
        assert (body["checks"][name]["status"], body["checks"][name]["detail"]) == ("ok", [])
    assert "detail" not in body["checks"]["database"]


def test_an_open_breaker(client: Client) -> None:
    for _ in range(5):
        breakers.failed("image", "scripted", "submit")
    body = checked(client)
    assert (body["status"], body["checks"]["providers"]["status"]) == ("degraded", "degraded")
    (found,) = body["checks"]["providers"]["detail"]
    until = found.pop("openUntil")
    assert found == {"kind": "image", "provider": "scripted", "operation": "submit"}
    assert until.endswith("Z")
    breakers.succeeded("image", "scripted", "submit")
    assert checked(client)["status"] == "ok"


def test_one_that_waits_for_its_probe_is_not_closed_yet(client: Client) -> None:
    Breaker.objects.create(
        kind="model", provider="scripted", operation="poll", open_until=clock.now() - timedelta(minutes=1)
    )
    assert checked(client)["status"] == "degraded"


def test_a_stopped_queue_and_nobodys_name(client: Client) -> None:
    QueuePause.objects.create(kind="model", paused_by="Olga (operator-7)")
    body = checked(client)
    assert (body["status"], body["checks"]["queues"]["status"]) == ("degraded", "degraded")
    (found,) = body["checks"]["queues"]["detail"]
    assert set(found) == {"kind", "pausedAt"}
    assert found["kind"] == "model"


def test_down_is_worse(client: Client, settings: Any) -> None:
    QueuePause.objects.create(kind="model", paused_by="Olga")
    settings.EMBEDDED_WORKER, settings.CELERY_BROKER_URL = False, "redis://127.0.0.1:1/0"
    response = client.get("/health/detailed")
    assert response.status_code == 503
    assert response.json()["data"]["status"] == "down"
