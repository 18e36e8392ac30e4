"""The doors of accounts: sign in, stay signed in, sign out, who am I."""

from contextlib import suppress
from typing import Any

from django.conf import settings
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from lumi.accounts import codes, sessions
from lumi.accounts.api.serializers import (
    CodeSentSerializer,
    LoginSerializer,
    MeSerializer,
    RefreshSerializer,
    RegisterSerializer,
    SendCodeSerializer,
    SessionSerializer,
    TokenPairSerializer,
)
from lumi.api.calls import checked
from lumi.api.views import OpenView


def show(kind: type[Serializer[Any]], request: Request, value: object) -> Any:
    """The value on the wire."""
    return kind(value, context={"request": request}).data


class SendCodeView(OpenView):
    """`POST /api/auth/send-code`."""

    @extend_schema(operation_id="sendCode", request=SendCodeSerializer, responses=CodeSentSerializer, tags=["accounts"])
    def post(self, request: Request) -> Response:
        """Mail a sign-in code. The answer is the same whether or not the address is known."""
        asked = checked(SendCodeSerializer, request)
        language = get_language() or settings.LANGUAGE_CODE
        codes.send_code(email=asked["email"], purpose=asked["type"], language=language)
        return Response({
            "message": _("We have sent you a code. Please look into your mailbox."),
            "expiresIn": int(settings.CODE_LIFETIME.total_seconds()),
            "retryAfter": int(settings.CODE_INTERVAL.total_seconds()),
        })  # fmt: skip


class RegisterView(OpenView):
    """`POST /api/auth/register`."""

    @extend_schema(
        operation_id="register", request=RegisterSerializer, responses={201: SessionSerializer}, tags=["accounts"]
    )
    def post(self, request: Request) -> Response:
        """Create an account with a REGISTER code, and sign in."""
        session = sessions.register(**checked(RegisterSerializer, request))
        return Response(show(SessionSerializer, request, session), status=201)


class LoginView(OpenView):
    """`POST /api/auth/login`."""

    @extend_schema(operation_id="login", request=LoginSerializer, responses=SessionSerializer, tags=["accounts"])
    def post(self, request: Request) -> Response:
        """Sign in with a LOGIN code. A wrong code is a 400; the right code of an unregistered address a 404."""
        session = sessions.log_in(**checked(LoginSerializer, request))
        return Response(show(SessionSerializer, request, session))


class RefreshView(OpenView):
    """`POST /api/auth/refresh`."""

    @extend_schema(
        operation_id="refreshToken", request=RefreshSerializer, responses=TokenPairSerializer, tags=["accounts"]
    )
    def post(self, request: Request) -> Response:
        """A new pair of tokens. A refresh token works once."""
        session = sessions.refresh(**checked(RefreshSerializer, request))
        return Response(show(TokenPairSerializer, request, session))


class LogoutView(OpenView):
    """`POST /api/auth/logout`."""

    @extend_schema(
        operation_id="logout",
        request=RefreshSerializer,
        responses={200: OpenApiResponse(description="The session is over.")},
        tags=["accounts"],
    )
    def post(self, request: Request) -> Response:
        """End the session of a refresh token, once or twice: the answer is the same."""
        sessions.log_out(**checked(RefreshSerializer, request))
        return Response(None)


class MeView(APIView):
    """`GET /api/auth/me`."""

    permission_classes = (AllowAny,)

    def perform_authentication(self, request: Request) -> None:
        """Here a bad token is an answer ("unauthenticated"), not an error: DRF makes the caller anonymous."""
        with suppress(AuthenticationFailed):
            super().perform_authentication(request)

    @extend_schema(operation_id="me", responses=MeSerializer, tags=["accounts"])
    def get(self, request: Request) -> Response:
        """Whether the caller is signed in, and as whom. Always 200."""
        user = request.user if request.user.is_authenticated else None
        status = "authenticated" if user else "unauthenticated"
        return Response(show(MeSerializer, request, {"status": status, "user": user}))
