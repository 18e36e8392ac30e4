"""Liveness and the detailed health of the parts. A probe is a callable named in settings that raises when its part is
down, and returns "ok", "degraded" (it works, and somebody should look), or "unused" where this installation does
without; or that word as `status` beside a `detail`."""

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as Overdue
from typing import Any
from uuid import uuid4

import redis
from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection
from django.utils.module_loading import import_string

logger = logging.getLogger(__name__)
PROBE_SECONDS = 5


def probe_database() -> str:
    """The database answers a statement."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    finally:
        connection.close()  # the probe's thread ends; so must its connection
    return "ok"


def probe_redis() -> str:
    """The broker answers; unused with the in-process worker."""
    if settings.EMBEDDED_WORKER:
        return "unused"
    with redis.Redis.from_url(settings.CELERY_BROKER_URL, socket_connect_timeout=2, socket_timeout=2) as client:
        client.ping()
    return "ok"


def probe_storage() -> str:
    """A small file can be written, read and deleted."""
    key = default_storage.save(f"health/{uuid4()}", ContentFile(b"ok"))
    try:
        with default_storage.open(key) as file:
            if file.read() != b"ok":
                raise OSError("the storage gave back something else")
    finally:
        default_storage.delete(key)
    return "ok"


def run(probe: str) -> dict[str, Any]:
    """One probe's outcome: `{"status": "ok"|"degraded"|"unused"|"down", "latencyMs", "detail"?}`."""
    began = time.monotonic()
    try:
        found = import_string(probe)()
    except Exception:
        logger.exception("health probe failed", extra={"probe": probe})
        found = "down"
    told = found if isinstance(found, dict) else {"status": found}
    return told | {"latencyMs": round((time.monotonic() - began) * 1000, 1)}


def summary(checks: dict[str, dict[str, Any]]) -> str:
    """The worst that was found: down, degraded, ok."""
    found = {check["status"] for check in checks.values()}
    return next((word for word in ("down", "degraded") if word in found), "ok")


def checks() -> dict[str, dict[str, Any]]:
    """All probes at once, each given at most five seconds."""
    executor = ThreadPoolExecutor(max_workers=len(settings.HEALTH_PROBES))
    running = {name: executor.submit(run, probe) for name, probe in settings.HEALTH_PROBES.items()}
    executor.shutdown(wait=False)
    deadline = time.monotonic() + PROBE_SECONDS
    return {name: outcome(future, deadline) for name, future in running.items()}


def outcome(future: Any, deadline: float) -> dict[str, Any]:
    """What a probe found, or that it took too long."""
    try:
        return future.result(timeout=max(0.0, deadline - time.monotonic()))
    except Overdue:
        return {"status": "down", "latencyMs": PROBE_SECONDS * 1000}
