"""The root and the health of the service."""

from collections.abc import Callable
from typing import Any, TypeVar

from django.conf import settings
from django.core.files.storage import default_storage
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerSplitView
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from lumi import disk, health
from lumi.api.fields import TimestampField, timestamp
from lumi.api.jsend import answer, as_lumi_error, envelope
from lumi.errors import LumiError, NotFound, Unavailable

V = TypeVar("V", bound=APIView)
ENDPOINTS = {
    "requests": "/api/requests",
    "models": "/api/models/public",
    "signIn": "/api/auth/send-code",
    "openapi": "/api/openapi",
    "docs": "/docs",
    "health": "/health",
}


class RootSerializer(serializers.Serializer[Any]):
    """What Lumi is and where things are."""

    name = serializers.CharField()
    version = serializers.CharField()
    description = serializers.CharField()
    endpoints = serializers.DictField(child=serializers.CharField())


class HealthSerializer(serializers.Serializer[Any]):
    """Alive."""

    status = serializers.CharField()
    timestamp = TimestampField()


class CheckSerializer(serializers.Serializer[Any]):
    """One part."""

    status = serializers.ChoiceField(["ok", "degraded", "unused", "down"])
    latencyMs = serializers.FloatField()
    detail = serializers.ListField(child=serializers.DictField(), required=False)


class DetailedHealthSerializer(HealthSerializer):
    """Alive, and the state of each part."""

    checks = serializers.DictField(child=CheckSerializer())


class OpenView(APIView):
    """For everybody, and independent of database and token."""

    authentication_classes = ()
    permission_classes = (AllowAny,)


def in_an_envelope(view: type[V]) -> type[V]:
    """A view that renders something else than JSON, and reads only: its errors are envelopes all the same."""
    view.http_method_names = ["get", "head"]
    view.handle_exception = enveloped  # type: ignore[assignment,method-assign]
    return view


def enveloped(view: APIView, exc: Exception) -> HttpResponseBase:
    """DRF's hook `handle_exception`."""
    return answer(as_lumi_error(exc) or LumiError())


@in_an_envelope
class DocsView(SpectacularSwaggerSplitView):
    """`GET /docs`: its script is an address of its own, as the Content-Security-Policy wants it."""


@in_an_envelope
class OpenApiView(SpectacularJSONAPIView):
    """`GET /api/openapi`."""


class FileView(OpenView):
    """`GET /files/…`: the disk storage over HTTP."""

    @extend_schema(exclude=True)
    def get(self, request: Request, key: str) -> HttpResponseBase:
        """Public files for everybody, others for whoever has an address that has not ended; all of it or a part."""
        if settings.S3_BUCKET:  # files lie elsewhere
            raise NotFound
        return disk.serve(default_storage, key, request._request)


class RootView(OpenView):
    """`GET /`."""

    @extend_schema(operation_id="root", responses=RootSerializer, tags=["service"])
    def get(self, request: Request) -> Response:
        """Name, version and the map of endpoints."""
        about = settings.SPECTACULAR_SETTINGS
        return Response({
            "name": about["TITLE"],
            "version": about["VERSION"],
            "description": about["DESCRIPTION"],
            "endpoints": {name: request.build_absolute_uri(path) for name, path in ENDPOINTS.items()},
        })  # fmt: skip


class HealthView(OpenView):
    """`GET /health`."""

    @extend_schema(operation_id="health", responses=HealthSerializer, tags=["service"])
    def get(self, request: Request) -> Response:
        """Liveness: touches nothing."""
        return Response({"status": "ok", "timestamp": timestamp(timezone.now())})


class Liveness:
    """Middleware: `/health` answers before anything can stand in its way, also to probes that come by IP address."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self.health = HealthView.as_view()

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Everything else goes on."""
        if request.path != "/health":
            return self.get_response(request)
        response = self.health(request)
        return response.render() if isinstance(response, Response) else response


class DetailedHealthView(OpenView):
    """`GET /health/detailed`."""

    @extend_schema(operation_id="healthDetailed", responses=DetailedHealthSerializer, tags=["service"])
    def get(self, request: Request) -> Response:
        """The state of each part; 503 when one is down. Degraded: all parts run, and something holds jobs back."""
        checks = health.checks()
        status = health.summary(checks)
        body = {"status": status, "checks": checks, "timestamp": timestamp(timezone.now())}
        down = status == "down"
        return Response(envelope(Unavailable()) | {"data": body}, status=503) if down else Response(body)
