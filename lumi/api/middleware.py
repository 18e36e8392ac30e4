"""What stands around all answers: how often an address may call, over everything it sends, whoever it says it is; and
that nobody keeps them."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from lumi.api.clients import address_of, network_of
from lumi.api.jsend import answer
from lumi.api.limits import Window, counter
from lumi.errors import RateLimited

UNCOUNTED = ("/health", "/static/")


class PerAddress:
    """Middleware: an address's budget for the kind of thing that it asks for, before any work is done for it; and the
    headers that say what is left, of whichever limit is nearest to its end."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Count, refuse or go on."""
        windows = request.rate_windows = []  # type: ignore[attr-defined]
        name = budget_of(request)
        window = counter().hit(name, network_of(address_of(request))) if name else None
        if window:
            windows.append(window)
        refused = window is not None and not window.passed
        response = answer(RateLimited(retry_after=window.seconds)) if window and refused else self.get_response(request)
        return with_headers(response, windows)


def budget_of(request: HttpRequest) -> str:
    """Which of an address's budgets a call is taken from; "" for none."""
    if request.path.startswith(UNCOUNTED):
        return ""
    if request.path.startswith(settings.MEDIA_URL):
        return "address:media"
    if request.method == "POST" and request.path.startswith(("/api/auth/", "/admin/login")):
        return "address:signin"
    return "address"


def with_headers(response: HttpResponseBase, windows: list[Window]) -> HttpResponseBase:
    """RateLimit-Limit, -Remaining and -Reset (seconds)."""
    if windows:
        nearest = min(windows, key=lambda window: window.remaining / window.limit)
        response["RateLimit-Limit"] = str(nearest.limit)
        response["RateLimit-Remaining"] = str(nearest.remaining)
        response["RateLimit-Reset"] = str(round(nearest.seconds))
    return response


class NotKept:
    """Middleware: what is said in JSON is said to one person, in one language, at one moment. A cache that kept it
    would say it to somebody else, or still when it is over."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Unless the answer says otherwise itself."""
        response = self.get_response(request)
        if response.get("Content-Type") == "application/json":
            response.headers.setdefault("Cache-Control", "no-store")
        return response
