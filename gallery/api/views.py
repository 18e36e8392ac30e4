"""The gallery's addresses: each asks one thing of the rooms below."""

from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from gallery import actions, downloads, reports, sharing
from gallery.api.serializers import (
    AppealedSerializer,
    AppealInputSerializer,
    DownloadSerializer,
    EditSerializer,
    FormatSerializer,
    ModelSerializer,
    ModelUploadSerializer,
    ReportedSerializer,
    ReportInputSerializer,
    represent,
)
from gallery.models import Model
from gallery.querysets import SORT_ORDERS, ModelQuerySet, in_order
from lumi.api.calls import caller, checked
from lumi.api.parsers import ModelUploadParser
from lumi.api.permissions import IsSignedInToWrite
from lumi.api.schema import fails
from lumi.errors import Invalid

SORT_BY = OpenApiParameter(
    "sortBy", OpenApiTypes.STR, enum=list(SORT_ORDERS), default="latest", description="The order."
)


def one(model: Model, request: Request, **kwargs: Any) -> Response:
    """The answer that is one model."""
    (shown,) = represent([model], user=request.user, request=request)
    return Response(shown, **kwargs)


class ModelListView(GenericAPIView[Model]):
    """Pages of models."""

    def page_of(self, models: ModelQuerySet) -> Response:
        """The page that the query asks for: its ids from an index alone, then the rows; so late pages are cheap."""
        ids = self.paginate_queryset(models.values_list("pk", flat=True)) or []
        rows = in_order(Model.objects.with_owner().filter(pk__in=ids), ids)
        return self.get_paginated_response(represent(rows, user=self.request.user, request=self.request))


class MyModelsView(ModelListView):
    """`GET /api/models/me`."""

    scope = "read"

    @extend_schema(operation_id="listMyModels", responses=ModelSerializer(many=True), tags=["models"])
    def get(self, request: Request) -> Response:
        """The caller's own models, newest first."""
        return self.page_of(Model.objects.owned_by(caller(request)).newest_first())


class PublicModelsView(ModelListView):
    """`GET /api/models/public`."""

    permission_classes = (AllowAny,)
    scope = "read"

    @extend_schema(
        operation_id="listPublicModels", parameters=[SORT_BY], responses=ModelSerializer(many=True), tags=["models"]
    )
    def get(self, request: Request) -> Response:
        """The gallery."""
        return self.page_of(Model.objects.in_gallery().sorted_by(order_in(request)))


def order_in(request: Request) -> str:
    """The order that the query asks for. Raises Invalid."""
    order = request.query_params.get("sortBy", "latest")
    if order in SORT_ORDERS:
        return order
    message = _("“sortBy” must be one of: %(orders)s.") % {"orders": ", ".join(SORT_ORDERS)}
    raise Invalid(message, details={"sortBy": [message]})


class ModelView(APIView):
    """`GET`, `PATCH` and `DELETE /api/models/{id}`."""

    permission_classes = (IsSignedInToWrite,)
    scope = "publish"

    @extend_schema(operation_id="getModel", responses=ModelSerializer, tags=["models"])
    def get(self, request: Request, model_id: str) -> Response:
        """A model. Counts a view, unless its owner looks."""
        look = actions.get_visible if request.method == "HEAD" else actions.view  # a HEAD looks at nothing
        return one(look(user=request.user, model_id=model_id), request)

    @extend_schema(operation_id="editModel", request=EditSerializer, responses=ModelSerializer, tags=["models"])
    def patch(self, request: Request, model_id: str) -> Response:
        """Change its name or description."""
        given = checked(EditSerializer, request)
        return one(actions.edit(user=caller(request), model_id=model_id, **given), request)

    @extend_schema(operation_id="deleteModel", responses={200: None}, tags=["models"])
    def delete(self, request: Request, model_id: str) -> Response:
        """Throw it away, with its files."""
        actions.remove(user=caller(request), model_id=model_id)
        return Response(None)


class PublishView(APIView):
    """`POST /api/models/{id}/publish`."""

    scope = "publish"

    @extend_schema(
        operation_id="publishModel", request=None, responses={200: ModelSerializer, **fails(409)}, tags=["models"]
    )
    def post(self, request: Request, model_id: str) -> Response:
        """Show it to everybody."""
        return one(sharing.publish(user=caller(request), model_id=model_id), request)


class UnpublishView(APIView):
    """`POST /api/models/{id}/unpublish`."""

    scope = "publish"

    @extend_schema(operation_id="unpublishModel", request=None, responses=ModelSerializer, tags=["models"])
    def post(self, request: Request, model_id: str) -> Response:
        """Show it to nobody else."""
        return one(sharing.unpublish(user=caller(request), model_id=model_id), request)


class DownloadView(APIView):
    """`POST /api/models/{id}/download`."""

    permission_classes = (AllowAny,)
    scope = "read"

    @extend_schema(
        operation_id="downloadModel",
        request=FormatSerializer,
        responses={200: DownloadSerializer, **fails(409)},
        tags=["models"],
    )
    def post(self, request: Request, model_id: str) -> Response:
        """The address of its file. Counts a download."""
        given = checked(FormatSerializer, request)
        file = downloads.download(user=request.user, model_id=model_id, **given)
        return Response(DownloadSerializer(file, context={"request": request}).data)


class ReportView(APIView):
    """`POST /api/models/{id}/report`."""

    scope = "publish"

    @extend_schema(
        operation_id="reportModel",
        request=ReportInputSerializer,
        responses={201: ReportedSerializer, **fails(409)},
        tags=["models"],
    )
    def post(self, request: Request, model_id: str) -> Response:
        """Say that this should not be shown. One open report a person and model."""
        given = checked(ReportInputSerializer, request)
        report = reports.report(user=caller(request), model_id=model_id, **given)
        message = _("Thank you. We will look at this model.")
        return Response(ReportedSerializer({"report": report, "message": message}).data, status=201)


class AppealView(APIView):
    """`POST /api/models/{id}/appeal`."""

    scope = "publish"

    @extend_schema(
        operation_id="appealModel",
        request=AppealInputSerializer,
        responses={201: AppealedSerializer, **fails(409)},
        tags=["models"],
    )
    def post(self, request: Request, model_id: str) -> Response:
        """Appeal against the decision that hides one's own model. Once a decision; somebody else looks at it."""
        given = checked(AppealInputSerializer, request)
        appeal = reports.appeal(user=caller(request), model_id=model_id, **given)
        message = _("Thank you. Somebody else will look at this decision.")
        return Response(AppealedSerializer({"appeal": appeal, "message": message}).data, status=201)


class UploadView(APIView):
    """`POST /api/models/upload`."""

    scope = "publish"
    parser_classes = (ModelUploadParser,)
    limits: ClassVar[dict[str, str]] = {"POST": "upload"}

    @extend_schema(
        operation_id="uploadModel",
        request={"multipart/form-data": ModelUploadSerializer},
        responses={201: ModelSerializer},
        tags=["models"],
    )
    def post(self, request: Request) -> Response:
        """Bring one's own model file."""
        given = checked(ModelUploadSerializer, request)
        return one(actions.upload(owner=caller(request), **given), request, status=201)
