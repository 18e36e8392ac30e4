"""What makes things happen: cache, broker, workers, and whether anybody sweeps."""

import fcntl
import time
from collections.abc import Iterator
from uuid import uuid4

import redis
from django.conf import settings
from django.core.cache import cache

from lumi import clock
from lumi.celery import app
from lumi.doctor.findings import Finding, doubtful, fine, skipped, wrong
from lumi.models import DoomedFile

SOCKET_SECONDS = 3
PING_SECONDS = 3
OLDEST_REDIS = (6, 2)
SWEEPS = 3  # so many rounds are waited for
LOOK_EVERY = 0.5
KEEPS_ALL = "noeviction"


def sweep_seconds() -> float:
    """How long `sweep` waits."""
    return SWEEPS * float(settings.SWEEP_SECONDS) + 5


def caching() -> Finding:
    """What is put in comes out."""
    if not settings.REDIS_URL:
        if settings.EMBEDDED_WORKER:
            return fine("In memory, for one process.")
        return doubtful("Each process has its own: limits of calls hold for each alone.", "Set REDIS_URL.")
    key = f"doctor:{uuid4()}"
    cache.set(key, "ok", 60)
    try:
        found = cache.get(key)
    finally:
        cache.delete(key)
    return (
        fine("Redis keeps what it is given.") if found == "ok" else wrong("It forgets at once.", "Look at REDIS_URL.")
    )


def broker() -> Iterator[Finding]:
    """Whether it answers, what it is, and whether it may throw messages away."""
    url = settings.CELERY_BROKER_URL
    if settings.EMBEDDED_WORKER:
        yield skipped("None: `manage.py serve` is all in one process.")
    elif url.startswith(("redis://", "rediss://")):
        yield from redis_findings(url)
    else:
        with app.connection_for_read() as connection:
            connection.ensure_connection(max_retries=1, timeout=SOCKET_SECONDS)
        yield fine(f"{connection.transport.driver_type} answers.")


def redis_findings(url: str) -> Iterator[Finding]:
    """Of a Redis, or whatever speaks as one."""
    limits = {"socket_connect_timeout": SOCKET_SECONDS, "socket_timeout": SOCKET_SECONDS}
    with redis.Redis.from_url(url, **limits) as client:
        info = client.info()
    version = str(info["redis_version"])
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST_REDIS:
        yield wrong(f"Redis {version}", "Use Redis 6.2 or newer, or Valkey.")
    else:
        yield fine(f"Redis {version}")
    yield eviction(str(info.get("maxmemory_policy", KEEPS_ALL)), int(info.get("maxmemory", 0)))


def eviction(policy: str, most: int) -> Finding:
    """Whether it throws messages away when it is full."""
    if policy == KEEPS_ALL or not most:
        return fine("It throws nothing away.")
    return wrong(f"It throws messages away when it is full ({policy}).", f"Set maxmemory-policy {KEEPS_ALL}.")


def workers() -> Finding:
    """Who answers to a ping."""
    if settings.EMBEDDED_WORKER:
        return skipped("In the process of `manage.py serve`.")
    answered = app.control.inspect(timeout=PING_SECONDS).ping() or {}
    if not answered:
        return wrong("No worker answers.", "Start one: celery -A lumi worker --pool threads (docs/operations.md).")
    return fine(f"{len(answered)} answer: {', '.join(sorted(answered))}.")


def sweep() -> Finding:
    """Whether a note on a file that is not there is swept away: that takes beat, broker, worker, database and storage
    together."""
    if settings.EMBEDDED_WORKER and not is_served():
        return doubtful("Lumi does not run here.", "Start it: `manage.py serve`.")
    began = time.monotonic()
    note = DoomedFile.objects.create(key=f"health/{uuid4()}", after=clock.read())
    mine = DoomedFile.objects.filter(pk=note.pk)
    try:
        while time.monotonic() - began < sweep_seconds() - 2:
            time.sleep(LOOK_EVERY)
            if not mine.exists():
                return fine(f"The sweep came within {time.monotonic() - began:.0f} s: beat and worker are alive.")
    finally:
        mine.delete()
    return wrong(f"No sweep came within {sweep_seconds() - 2:.0f} s.", "Start a worker and `celery -A lumi beat`.")


def is_served() -> bool:
    """Whether `manage.py serve` holds its lock on the data folder."""
    try:
        with (settings.DATA_DIR / "serve.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False
