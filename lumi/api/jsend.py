"""JSend: every answer of Lumi is one of three envelopes, also the errors that Django itself makes.

success `{"status","data"}` · fail (4xx) `{"status","data":{"message","code","details"?}}` · error (5xx)
`{"status","message","code"}`. Keys are camelCase because the serializers name their fields so.
"""

import logging
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from django.core.exceptions import BadRequest, PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import DatabaseError, IntegrityError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponseBase, JsonResponse
from django.views import defaults
from rest_framework import exceptions
from rest_framework.negotiation import BaseContentNegotiation, DefaultContentNegotiation
from rest_framework.parsers import BaseParser, JSONParser
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import set_rollback

from lumi import errors
from lumi.errors import LumiError

logger = logging.getLogger(__name__)

TRANSLATION: dict[type[Exception], type[LumiError]] = {  # the first that fits
    Http404: errors.NotFound,
    exceptions.NotFound: errors.NotFound,
    exceptions.NotAuthenticated: errors.Unauthorized,
    exceptions.AuthenticationFailed: errors.Unauthorized,
    exceptions.PermissionDenied: errors.Forbidden,
    PermissionDenied: errors.Forbidden,
    exceptions.MethodNotAllowed: errors.MethodNotAllowed,
    exceptions.UnsupportedMediaType: errors.UnsupportedMediaType,
    exceptions.NotAcceptable: errors.Invalid,
    exceptions.ParseError: errors.Invalid,
    RequestDataTooBig: errors.TooLarge,
    SuspiciousOperation: errors.Invalid,
    BadRequest: errors.Invalid,
    OperationalError: errors.DatabaseAway,  # gone, restarting, full, a deadlock, a lock held for too long
    InterfaceError: errors.DatabaseAway,
    IntegrityError: errors.Conflict,  # what it refers to has gone, or what it makes was made, at this moment
    DatabaseError: errors.DatabaseDown,
}


class AlwaysJson(BaseContentNegotiation):
    """Lumi speaks JSON whatever the client would rather have: a 406 would help nobody."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        """The parser for the body's media type; None makes a 415."""
        return DefaultContentNegotiation().select_parser(request, parsers)

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """The first renderer of the view."""
        renderer = next(iter(renderers))
        return renderer, renderer.media_type


class StrictJSONParser(JSONParser):
    """JSON of a depth that Python can read: deeper is the client's mistake, not ours."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        """The body. Raises ParseError."""
        try:
            return super().parse(stream, media_type, parser_context)
        except RecursionError as error:
            raise exceptions.ParseError from error


class JSendRenderer(JSONRenderer):
    """Puts what a view returns into the success envelope; failures come in theirs already."""

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """The envelope as JSON bytes."""
        response = (renderer_context or {}).get("response")
        if response is None or response.status_code < 400:
            data = {"status": "success", "data": data}
        return super().render(data, accepted_media_type, renderer_context)


def envelope(error: LumiError) -> dict[str, Any]:
    """The fail or error envelope of an error, in the language of the request."""
    if error.status >= 500:
        return {"status": "error", "message": str(error.message), "code": error.code}
    data: dict[str, Any] = {"message": str(error.message), "code": error.code}
    if error.details:
        data["details"] = error.details
    return {"status": "fail", "data": data}


def headers(error: LumiError) -> dict[str, str]:
    """What goes beside the envelope: when to come again, how to sign in."""
    found = {}
    if error.retry_after is not None:
        found["Retry-After"] = str(max(1, round(error.retry_after)))
    if error.status == 401:
        found["WWW-Authenticate"] = 'Bearer realm="lumi"'
    return found


def as_lumi_error(exc: Exception) -> LumiError | None:
    """The error in Lumi's words; None for one that nobody foresaw."""
    if isinstance(exc, LumiError):
        return exc
    if isinstance(exc, exceptions.ValidationError):
        return errors.Invalid(first_sentence(exc.detail), details=exc.detail if isinstance(exc.detail, dict) else None)
    if isinstance(exc, exceptions.Throttled):
        return errors.RateLimited(retry_after=getattr(exc, "wait", None))
    return next((made() for kind, made in TRANSLATION.items() if isinstance(exc, kind)), None)


def first_sentence(detail: Any) -> str | None:
    """The first sentence inside DRF's nested details: what a person can be shown."""
    while isinstance(detail, list | dict):
        if not detail:
            return None
        detail = next(iter(detail.values())) if isinstance(detail, dict) else detail[0]
    return str(detail)


def exception_handler(exc: Exception, context: Mapping[str, Any]) -> Response:
    """DRF's hook: no exception leaves a view as anything but an envelope, and none keeps a half-done transaction."""
    error = as_lumi_error(exc)
    if isinstance(error, errors.DatabaseAway):
        logger.warning("the database did not answer: %s", exc)
    elif error is None or isinstance(error, errors.DatabaseDown):
        error = error or LumiError()
        logger.exception("unhandled error in %s", type(context.get("view")).__name__, exc_info=exc)
    set_rollback()
    return Response(envelope(error), status=error.status, headers=headers(error))


def answer(error: LumiError) -> JsonResponse:
    """The same envelope outside DRF."""
    return JsonResponse(
        envelope(error),
        status=error.status,
        headers=headers(error),
        json_dumps_params={"ensure_ascii": False},
    )


def is_page(request: HttpRequest) -> bool:
    """The admin is for browsers: its errors are pages."""
    return request.path.startswith("/admin/")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """handler400."""
    return defaults.bad_request(request, exception) if is_page(request) else answer(errors.Invalid())


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """handler403."""
    return defaults.permission_denied(request, exception) if is_page(request) else answer(errors.Forbidden())


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """handler404."""
    return defaults.page_not_found(request, exception) if is_page(request) else answer(errors.NotFound())


def server_error(request: HttpRequest) -> HttpResponseBase:
    """handler500: what nobody caught, and a database that is away where middleware or a page needs it."""
    cause = sys.exc_info()[1]
    found = as_lumi_error(cause) if isinstance(cause, DatabaseError | InterfaceError) else None
    error = found or LumiError()
    return server_error_page(request, error) if is_page(request) else answer(error)


def server_error_page(request: HttpRequest, error: LumiError) -> HttpResponseBase:
    """Django's page, with the status and the headers of the error."""
    page = defaults.server_error(request)
    page.status_code = error.status
    for name, value in headers(error).items():
        page[name] = value
    return page


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponseBase:
    """CSRF_FAILURE_VIEW."""
    return (
        defaults.permission_denied(request, PermissionDenied(reason))
        if is_page(request)
        else answer(errors.Forbidden())
    )
