"""The doors to a person's own data. API tokens only read here: the rest is for people who have signed in."""

from typing import ClassVar

from django.http import FileResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import SAFE_METHODS, AllowAny, BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from lumi.accounts import erasure, exports, notices, profile
from lumi.accounts.api.answers import code_sent, show, spoken
from lumi.accounts.api.serializers import (
    AvatarSerializer,
    CodeSentSerializer,
    EditMeSerializer,
    LeaveSerializer,
    LoginSerializer,
    MeSerializer,
    NewAddressSerializer,
    NoticeSerializer,
    UserSerializer,
)
from lumi.accounts.api.views import OwnRowsView
from lumi.accounts.models import Notice, Scope
from lumi.api.calls import caller, checked
from lumi.api.parsers import ImageUploadParser
from lumi.api.permissions import IsSignedIn
from lumi.api.schema import fails


class MeView(APIView):
    """`/api/auth/me`: anybody may ask who they are; changing it is for people who have signed in."""

    delete_takes_body = True  # a code in an address would be in logs

    @property
    def scope(self) -> str | None:
        """What an API token needs: none may change anything here."""
        return Scope.READ if self.reads else None

    @property
    def reads(self) -> bool:
        """Whether the call only looks."""
        return self.request.method in SAFE_METHODS

    def get_permissions(self) -> list[BasePermission]:
        """DRF's hook."""
        return [AllowAny() if self.reads else IsSignedIn()]

    def perform_authentication(self, request: Request) -> None:
        """To a reader a bad token is an answer ("unauthenticated"), not an error: DRF makes the caller anonymous."""
        try:
            super().perform_authentication(request)
        except AuthenticationFailed:
            if not self.reads:
                raise

    @extend_schema(operation_id="me", responses=MeSerializer, tags=["accounts"])
    def get(self, request: Request) -> Response:
        """Whether the caller is signed in, and as whom. Always 200."""
        user = request.user if request.user.is_authenticated else None
        status = "authenticated" if user else "unauthenticated"
        return Response(show(MeSerializer, request, {"status": status, "user": user}))

    @extend_schema(operation_id="editMe", request=EditMeSerializer, responses=UserSerializer, tags=["accounts"])
    def patch(self, request: Request) -> Response:
        """Change one's name, or the language of one's mails."""
        user = profile.edit(user=caller(request), **checked(EditMeSerializer, request))
        return Response(show(UserSerializer, request, user))

    @extend_schema(operation_id="deleteMe", request=LeaveSerializer, responses={200: None}, tags=["accounts"])
    def delete(self, request: Request) -> Response:
        """Delete one's account, for good, with a code from `delete-code`. All sessions and API tokens end at once.

        Requests, pictures, private models, likes and files go with it; models in the gallery as the caller chooses.
        """
        erasure.leave(user=caller(request), **checked(LeaveSerializer, request))
        return Response(None)


class DeleteCodeView(APIView):
    """`POST /api/auth/me/delete-code`."""

    @extend_schema(operation_id="sendDeleteCode", request=None, responses=CodeSentSerializer, tags=["accounts"])
    def post(self, request: Request) -> Response:
        """Mail the code that deletes the account, to the account's address."""
        erasure.ask(user=caller(request), language=spoken())
        return code_sent()


class AvatarView(APIView):
    """`/api/auth/me/avatar`."""

    parser_classes = (ImageUploadParser,)
    limits: ClassVar[dict[str, str]] = {"PUT": "upload"}

    @extend_schema(
        operation_id="setAvatar",
        request={"multipart/form-data": AvatarSerializer},
        responses=UserSerializer,
        tags=["accounts"],
    )
    def put(self, request: Request) -> Response:
        """Set one's picture. Its middle is kept, without metadata."""
        user = profile.set_avatar(user=caller(request), **checked(AvatarSerializer, request))
        return Response(show(UserSerializer, request, user))

    @extend_schema(operation_id="removeAvatar", responses={200: UserSerializer}, tags=["accounts"])
    def delete(self, request: Request) -> Response:
        """Have no picture."""
        return Response(show(UserSerializer, request, profile.remove_avatar(user=caller(request))))


class EmailView(APIView):
    """`POST /api/auth/me/email`."""

    @extend_schema(
        operation_id="changeEmail", request=NewAddressSerializer, responses=CodeSentSerializer, tags=["accounts"]
    )
    def post(self, request: Request) -> Response:
        """Mail a code to the address that the account shall have. Whether it is somebody's is not told."""
        profile.ask_for_new_address(user=caller(request), language=spoken(), **checked(NewAddressSerializer, request))
        return code_sent()


class ConfirmEmailView(APIView):
    """`POST /api/auth/me/email/confirm`."""

    @extend_schema(
        operation_id="confirmEmail",
        request=LoginSerializer,
        responses={200: UserSerializer, **fails(409)},
        tags=["accounts"],
    )
    def post(self, request: Request) -> Response:
        """Change the account's address, with the code that was mailed to the new one. The former one is told."""
        user = profile.change_address(user=caller(request), language=spoken(), **checked(LoginSerializer, request))
        return Response(show(UserSerializer, request, user))


class ExportView(APIView):
    """`GET /api/auth/me/export`."""

    limits: ClassVar[dict[str, str]] = {"GET": "export"}

    @extend_schema(
        operation_id="exportMe",
        responses={
            (200, "application/zip"): OpenApiResponse(OpenApiTypes.BINARY, description="README.txt says what is in it.")
        },
        tags=["accounts"],
    )
    def get(self, request: Request) -> FileResponse:
        """Everything that Lumi has of the caller, as a ZIP: JSON tables and all files."""
        archive = exports.archive_of(caller(request))
        answer = FileResponse(archive, as_attachment=True, filename="lumi.zip", content_type="application/zip")
        answer["Cache-Control"] = "no-store"
        return answer


class NoticesView(OwnRowsView):
    """`GET /api/me/notices`."""

    scope = Scope.READ

    @extend_schema(operation_id="listNotices", responses=NoticeSerializer(many=True), tags=["accounts"])
    def get(self, request: Request) -> Response:
        """What decisions of staff have told the caller, the newest first."""
        return self.page(NoticeSerializer, Notice.objects.order_by("-created_at", "-id"))


class ReadNoticesView(APIView):
    """`POST /api/me/notices/read`."""

    @extend_schema(operation_id="readNotices", request=None, responses={200: None}, tags=["accounts"])
    def post(self, request: Request) -> Response:
        """All of the caller's notices are read."""
        notices.mark_read(user=caller(request))
        return Response(None)
