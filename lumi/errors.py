"""The few shapes that an error can have. Concrete ones stand beside the code that raises them."""

from collections.abc import Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

Sentence = str | Promise


class LumiError(Exception):
    """An answer other than success: a code of the contract, an HTTP status, a sentence for the person who sees it.

    `details`: which member of the input is wrong, or None. `retry_after`: seconds, for 409, 429 and 503.
    """

    code = "INTERNAL_SERVER_ERROR"
    status = 500
    message: Sentence = _("Something went wrong on our side. Please try again later.")

    def __init__(
        self,
        message: Sentence | None = None,
        *,
        details: Mapping[str, Any] | None = None,
        retry_after: float | None = None,
    ) -> None:
        self.message = message or type(self).message
        self.details = details
        self.retry_after = retry_after
        super().__init__(str(type(self).code))


class Invalid(LumiError):
    """The input is wrong."""

    code, status = "VALIDATION_ERROR", 400
    message = _("Some of what you sent is not valid. Please correct it and try again.")


class Unauthorized(LumiError):
    """Nobody, or nobody any more."""

    code, status = "UNAUTHORIZED", 401
    message = _("Please sign in first.")


class Forbidden(LumiError):
    """Somebody, but not somebody who may."""

    code, status = "FORBIDDEN", 403
    message = _("You are not allowed to do this.")


class NotFound(LumiError):
    """Not there, or not to be seen by this person."""

    code, status = "NOT_FOUND", 404
    message = _("We could not find what you asked for. It may have been deleted.")


class MethodNotAllowed(LumiError):
    """The address is right, the verb is not."""

    code, status = "METHOD_NOT_ALLOWED", 405
    message = _("This address does not offer that operation.")


class Conflict(LumiError):
    """Somebody else was faster, or it exists already."""

    code, status = "CONFLICT", 409
    message = _("This was changed at the same moment. Please reload and try again.")


class InvalidState(LumiError):
    """Right, but not now."""

    code, status = "INVALID_STATE", 409
    message = _("This is not possible in the current state. Please reload and try again.")


class TooLarge(LumiError):
    """More bytes than Lumi takes."""

    code, status = "VALIDATION_ERROR", 413
    message = _("What you sent is too large.")


class UnsupportedMediaType(LumiError):
    """A body that is not what this address takes."""

    code, status = "VALIDATION_ERROR", 415
    message = _("This content type is not supported here.")


class RateLimited(LumiError):
    """Too fast."""

    code, status = "RATE_LIMITED", 429
    message = _("That was a little too fast. Please wait a moment and try again.")


class DatabaseDown(LumiError):
    """The database did not do what it was told: a mistake of ours."""

    code, status = "DATABASE_ERROR", 500
    message = _("We could not reach our data. Please try again in a moment.")


class QueueFull(LumiError):
    """More work is waiting than Lumi takes."""

    code, status = "QUEUE_FULL", 503
    message = _("Very many requests are waiting at the moment. Please try again a little later.")


class Unavailable(LumiError):
    """A part that Lumi needs is down."""

    code, status = "SERVICE_UNAVAILABLE", 503
    message = _("Lumi is not available at the moment. Please try again in a moment.")


class DatabaseAway(Unavailable):
    """The database did not answer, or others were in the way: the same again in a moment may well work."""

    def __init__(self) -> None:
        super().__init__(retry_after=5)
