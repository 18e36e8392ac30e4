"""The root and the health of the service."""

from typing import Any

from django.conf import settings
from django.http import FileResponse
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from lumi import files, health
from lumi.api.fields import TimestampField, timestamp
from lumi.api.jsend import envelope
from lumi.errors import Unavailable

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

    status = serializers.ChoiceField(["ok", "unused", "down"])
    latencyMs = serializers.FloatField()


class DetailedHealthSerializer(HealthSerializer):
    """Alive, and the state of each part."""

    checks = serializers.DictField(child=CheckSerializer())


class OpenView(APIView):
    """For everybody, and independent of database and token."""

    authentication_classes = ()
    permission_classes = (AllowAny,)


class FileView(OpenView):
    """`GET /files/…`: the disk storage over HTTP."""

    @extend_schema(exclude=True)
    def get(self, request: Request, key: str) -> FileResponse:
        """Whoever has the address may read."""
        return files.serve(key)


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


class DetailedHealthView(OpenView):
    """`GET /health/detailed`."""

    @extend_schema(operation_id="healthDetailed", responses=DetailedHealthSerializer, tags=["service"])
    def get(self, request: Request) -> Response:
        """The state of each part; 503 when one is down."""
        checks = health.checks()
        down = any(check["status"] == "down" for check in checks.values())
        body = {"status": "down" if down else "ok", "checks": checks, "timestamp": timestamp(timezone.now())}
        return Response(envelope(Unavailable()) | {"data": body}, status=503) if down else Response(body)
