"""Who may call at all. Who may see or change which object is decided by the querysets of the app that owns it.

The law of API tokens is here too. A view says in `scope` what a token needs in order to change something through it;
reading needs `read`. A view without a `scope` is for people who have signed in: it takes no token at all, so that one
that nobody thought about is closed. Authentication asks here, before the token means anything: a view cannot forget to.
"""

from collections.abc import Collection
from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from lumi.accounts.models import Scope
from lumi.errors import Forbidden


class TokenMayNot(Forbidden, PermissionDenied):
    """A `PermissionDenied`, or DRF would not forget the caller; a `Forbidden`, for the envelope."""

    message = _("An API token cannot do this. Please sign in.")


def scope_for(view: Any, method: str) -> str | None:
    """What a token must be allowed, to call this view so. None: no token may."""
    scope: str | None = getattr(view, "scope", None)
    return Scope.READ if scope and method in SAFE_METHODS else scope


def require_scope(*, scopes: Collection[str], view: Any, method: str) -> None:
    """Raises TokenMayNot, with the name of what is missing."""
    needed = scope_for(view, method)
    if needed is None:
        raise TokenMayNot
    if needed not in scopes:
        raise TokenMayNot(_("This API token lacks the scope “%(scope)s”, which this needs.") % {"scope": needed})


class IsSignedIn(BasePermission):
    """Anybody with a valid token (401 otherwise)."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """True for a known person."""
        return bool(request.user and request.user.is_authenticated)


class IsSignedInToWrite(IsSignedIn):
    """Anybody may read; changing needs a token."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """True for a reader, and for a known person."""
        return request.method in SAFE_METHODS or super().has_permission(request, view)
