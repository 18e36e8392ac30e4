"""How often somebody may call: counted here for addresses (`lumi.api.middleware`) and for people.

The counting is the `limits` library's: a sliding window, in Redis where there is one, so that it holds over all
processes. While Redis is away nobody is held back: a limit protects the service, it must not end it.
"""

import logging
import time
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.conf import settings
from limits import RateLimitItem, parse
from limits.errors import StorageError
from limits.storage import storage_from_string
from limits.strategies import SlidingWindowCounterRateLimiter
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

logger = logging.getLogger(__name__)

SAFE = ("GET", "HEAD", "OPTIONS")
PAUSE = 5.0  # seconds without asking a Redis that did not answer


@dataclass(frozen=True)
class Window:
    """What is left of one limit: calls, and seconds until there are more."""

    limit: int
    remaining: int
    seconds: float
    passed: bool


class Counter:
    """The windows of all limits. `away_until`: by the monotonic clock, when the storage is asked again."""

    def __init__(self, address: str) -> None:
        options = {"socket_timeout": 0.5, "socket_connect_timeout": 0.5} if address.startswith("redis") else {}
        self.windows = SlidingWindowCounterRateLimiter(storage_from_string(address, wrap_exceptions=True, **options))
        self.away_until = 0.0

    def hit(self, name: str, who: str) -> Window | None:
        """Count a call; None where there is no such limit, or nobody to count it."""
        item = limit_named(name)
        if item is None or time.monotonic() < self.away_until:
            return None
        try:
            passed = self.windows.hit(item, name, who)
            reset, remaining = self.windows.get_window_stats(item, name, who)
        except StorageError:
            self.away_until = time.monotonic() + PAUSE
            logger.warning("limits are not counted: the storage does not answer")
            return None
        return Window(item.amount, remaining, max(0.0, reset - time.time()), passed)


@cache
def counter_at(address: str) -> Counter:
    """One a process and address."""
    return Counter(address)


def counter() -> Counter:
    """The one in use."""
    return counter_at(settings.REDIS_URL or "memory://")


@cache
def parsed(text: str) -> RateLimitItem:
    """ "600/minute"."""
    return parse(text)


def limit_named(name: str) -> RateLimitItem | None:
    """A limit of the settings."""
    text = settings.RATE_LIMITS.get(name)
    return parsed(text) if text else None


class PerPerson(BaseThrottle):
    """A person's budget for a class of routes: "read", "write", or what the view calls its own (`limits`). Who is not
    signed in has the address's budget only."""

    seconds: float | None = None

    def allow_request(self, request: Request, view: Any) -> bool:
        """Count; False when the budget is used up."""
        user = request.user
        if not (user and user.is_authenticated):
            return True
        window = counter().hit(class_of(request, view), str(user.pk))
        if window is None:
            return True
        getattr(request._request, "rate_windows", []).append(window)
        self.seconds = window.seconds
        return window.passed

    def wait(self) -> float | None:
        """Seconds until there is more."""
        return self.seconds


def class_of(request: Request, view: Any) -> str:
    """The class of a route: the view's own word for this action or method, else by what the method does."""
    own: dict[str, str] = getattr(view, "limits", {})
    act = getattr(view, "action", None) or request.method or ""
    return own.get(act) or ("read" if request.method in SAFE else "write")
