"""Who may call at all. Who may see or change which object is decided by the querysets of the app that owns it."""

from typing import Any

from rest_framework.permissions import BasePermission
from rest_framework.request import Request


class IsSignedIn(BasePermission):
    """Anybody with a valid token (401 otherwise)."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """True for a known person."""
        return bool(request.user and request.user.is_authenticated)


class IsSignedInToWrite(IsSignedIn):
    """Anybody may read; changing needs a token."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """True for a reader, and for a known person."""
        return request.method in ("GET", "HEAD", "OPTIONS") or super().has_permission(request, view)
