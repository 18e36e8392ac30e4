"""Generation over REST: each view makes one call to the front door."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import GenericViewSet

from gallery.api.serializers import represent
from generation import idempotency, pipeline
from generation.api.serializers import (
    EventSerializer,
    RequestSerializer,
    SelectedSerializer,
    SelectSerializer,
    StartedSerializer,
    StartSerializer,
    UploadSerializer,
)
from generation.models import GenerationRequest, JobEvent, ModelGenerationJob
from lumi.accounts.models import User
from lumi.api.schema import fails
from lumi.errors import NotFound

KEY = OpenApiParameter(
    "Idempotency-Key",
    {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$"},
    OpenApiParameter.HEADER,
    description="1 to 255 printable ASCII characters, new for each thing that is asked for. The same request with the "
    "same key is done once, and gets the first answer again, for 24 hours. An error frees the key.",
)
REPLAYED = OpenApiParameter(
    "Idempotency-Replayed",
    str,
    OpenApiParameter.HEADER,
    response=[201],
    enum=["true"],
    description="This is the first answer to this Idempotency-Key, once more.",
)
KEY_ANSWERS = {
    409: OpenApiResponse(
        description="Not possible in the current state; or the first request with this Idempotency-Key is still being "
        "worked on (CONFLICT, with Retry-After)."
    ),
    422: OpenApiResponse(description="This Idempotency-Key was already used for a different request."),
}


def shown(requests: list[GenerationRequest], request: Request) -> list[dict[str, Any]]:
    """Requests as the wire has them; their models in two statements, however many there are."""
    jobs = list(ModelGenerationJob.objects.filter(request__in=requests).select_related("model__owner"))
    models = represent([job.model for job in jobs], user=request.user, request=request)
    by_request = {job.request_id: model for job, model in zip(jobs, models, strict=True)}
    context = {"request": request, "models": by_request}
    return list(RequestSerializer(requests, many=True, context=context).data)  # type: ignore[arg-type]


class GenerationView(GenericViewSet[GenerationRequest]):
    """What both views share."""

    request: Request
    queryset = GenerationRequest.objects.none()
    serializer_class = RequestSerializer
    lookup_url_kwarg = "request_id"

    @property
    def person(self) -> User:
        """The caller."""
        return self.request.user  # type: ignore[return-value]

    def valid(self, serializer_class: type[Any]) -> dict[str, Any]:
        """The validated input. Raises ValidationError."""
        serializer = serializer_class(data=self.request.data)
        serializer.is_valid(raise_exception=True)
        return serializer.validated_data

    def mine(self, request_id: str) -> GenerationRequest:
        """The caller's own request, with its images and their jobs. Raises NotFound."""
        found = GenerationRequest.objects.owned_by(self.person).with_images().filter(pk=request_id).first()
        if found is None:
            raise NotFound(_("We could not find this request. It may have been deleted."))
        return found

    def one(self, request_id: str) -> dict[str, Any]:
        """The caller's own request as the wire has it. Raises NotFound."""
        return shown([self.mine(request_id)], self.request)[0]

    def once(self, work: Callable[[], dict[str, Any]]) -> Response:
        """Answer 201 with what `work` makes; or with the first answer to this Idempotency-Key, if there is one."""
        key = self.request.headers.get("Idempotency-Key")
        if key is None:
            return Response(work(), status=201)
        asked = [self.request.method, self.request.path, self.request.data]
        answer = idempotency.once(user=self.person, key=key, asked=asked, work=work)
        return Response(answer.body, status=201, headers={"Idempotency-Replayed": "true"} if answer.replayed else None)


class RequestViewSet(GenerationView):
    """`/api/requests`."""

    scope = "generate"
    limits: ClassVar[dict[str, str]] = {"retrieve": "poll", "create": "generate", "retry": "generate"}

    @extend_schema(operation_id="listRequests", responses=RequestSerializer(many=True), tags=["requests"])
    def list(self, request: Request) -> Response:
        """The caller's own requests, newest first."""
        page = self.paginate_queryset(GenerationRequest.objects.owned_by(self.person).newest_first().with_images())
        return self.get_paginated_response(shown(list(page or []), request))

    @extend_schema(
        operation_id="createRequest",
        parameters=[KEY, REPLAYED],
        request=StartSerializer,
        responses={201: StartedSerializer, **KEY_ANSWERS},
        tags=["requests"],
    )
    def create(self, request: Request) -> Response:
        """Start four pictures from a sentence. Answers at once; the work is done by workers."""
        return self.once(self.start)

    def start(self) -> dict[str, Any]:
        """A new request and a sentence."""
        started = pipeline.start(owner=self.person, **self.valid(StartSerializer))
        return {"request": self.one(started.id), "message": str(_("We are working on your four pictures."))}

    @extend_schema(operation_id="getRequest", responses=RequestSerializer, tags=["requests"])
    def retrieve(self, request: Request, request_id: str) -> Response:
        """One of the caller's own requests, with its images and model."""
        return Response(self.one(request_id))

    @extend_schema(
        operation_id="deleteRequest", responses={200: OpenApiResponse(description="Deleted.")}, tags=["requests"]
    )
    def destroy(self, request: Request, request_id: str) -> Response:
        """Stop what runs and delete rows and files; a public model stays."""
        pipeline.discard(owner=self.person, request_id=request_id)
        return Response(None)

    @extend_schema(
        operation_id="cancelRequest", request=None, responses={200: RequestSerializer, **fails(409)}, tags=["requests"]
    )
    def cancel(self, request: Request, request_id: str) -> Response:
        """Stop an unfinished request."""
        pipeline.cancel(owner=self.person, request_id=request_id)
        return Response(self.one(request_id))

    @extend_schema(
        operation_id="retryRequest", request=None, responses={200: RequestSerializer, **fails(409)}, tags=["requests"]
    )
    def retry(self, request: Request, request_id: str) -> Response:
        """Try again what failed."""
        pipeline.retry(owner=self.person, request_id=request_id)
        return Response(self.one(request_id))

    @extend_schema(operation_id="listRequestHistory", responses=EventSerializer(many=True), tags=["requests"])
    def history(self, request: Request, request_id: str) -> Response:
        """What has happened to the jobs of one of the caller's own requests, oldest first."""
        mine = self.mine(request_id)
        indexes = {image.job.pk: image.index for image in mine.images.all() if hasattr(image, "job")}
        models = ModelGenerationJob.objects.of_request(request_id).values_list("pk", flat=True)
        events: Any = JobEvent.objects.filter(job_id__in=[*indexes, *models]).order_by("pk")
        page: Any = self.paginate_queryset(events)
        return self.get_paginated_response(EventSerializer(page, many=True, context={"indexes": indexes}).data)


class RequestUploadViewSet(GenerationView):
    """`/api/requests/upload`."""

    scope = "generate"
    limits: ClassVar[dict[str, str]] = {"create": "upload"}
    parser_classes = (MultiPartParser,)

    @extend_schema(
        operation_id="uploadRequest",
        request={"multipart/form-data": UploadSerializer},
        responses={201: StartedSerializer},
        tags=["requests"],
    )
    def create(self, request: Request) -> Response:
        """Start with a picture of one's own."""
        started = pipeline.start_from_image(owner=self.person, **self.valid(UploadSerializer))
        message = _("Your picture is ready to be made into a model.")
        return Response({"request": self.one(started.id), "message": str(message)}, status=201)


class ModelOrderViewSet(GenerationView):
    """`POST /api/models`: choosing belongs to generation, the model then to the gallery."""

    scope = "generate"
    limits: ClassVar[dict[str, str]] = {"create": "generate"}

    @extend_schema(
        operation_id="createModel",
        parameters=[KEY, REPLAYED],
        request=SelectSerializer,
        responses={201: SelectedSerializer, **KEY_ANSWERS, **fails(404)},
        tags=["models"],
    )
    def create(self, request: Request) -> Response:
        """Choose one of a request's pictures and have it built."""
        return self.once(self.choose)

    def choose(self) -> dict[str, Any]:
        """The new model and a sentence."""
        chosen = self.valid(SelectSerializer)
        pipeline.select_image(owner=self.person, **chosen)
        return {"model": self.one(chosen["request_id"])["model"], "message": str(_("We are building your model."))}
