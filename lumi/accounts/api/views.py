"""The doors of accounts: sign in, stay signed in, sign out; sessions and API tokens."""

from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Now
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from lumi.accounts import codes, sessions, tokens
from lumi.accounts.api.answers import code_sent, show, spoken
from lumi.accounts.api.serializers import (
    ApiTokenSerializer,
    CodeSentSerializer,
    CreatedApiTokenSerializer,
    LoginSerializer,
    NewApiTokenSerializer,
    RefreshSerializer,
    RegisterSerializer,
    SendCodeSerializer,
    SessionSerializer,
    SignedInSerializer,
    TokenPairSerializer,
)
from lumi.accounts.models import ApiToken, Session
from lumi.api.calls import caller, checked
from lumi.api.schema import fails
from lumi.api.views import OpenView


def device_of(request: Request) -> str:
    """What the client calls itself."""
    return request.headers.get("User-Agent", "")


class SendCodeView(OpenView):
    """`POST /api/auth/send-code`."""

    @extend_schema(operation_id="sendCode", request=SendCodeSerializer, responses=CodeSentSerializer, tags=["accounts"])
    def post(self, request: Request) -> Response:
        """Mail a sign-in code. The answer is the same whether or not the address is known."""
        asked = checked(SendCodeSerializer, request)
        codes.send_code(email=asked["email"], purpose=asked["type"], language=spoken())
        return code_sent()


class RegisterView(OpenView):
    """`POST /api/auth/register`."""

    @extend_schema(
        operation_id="register",
        request=RegisterSerializer,
        responses={201: SignedInSerializer, **fails(409)},
        tags=["accounts"],
    )
    def post(self, request: Request) -> Response:
        """Create an account with a REGISTER code, and sign in."""
        signed_in = sessions.register(**checked(RegisterSerializer, request), device=device_of(request))
        return Response(show(SignedInSerializer, request, signed_in), status=201)


class LoginView(OpenView):
    """`POST /api/auth/login`."""

    @extend_schema(
        operation_id="login",
        request=LoginSerializer,
        responses={200: SignedInSerializer, **fails(403, 404)},
        tags=["accounts"],
    )
    def post(self, request: Request) -> Response:
        """Sign in with a LOGIN code. A wrong code is a 400; the right code of an unregistered address a 404."""
        signed_in = sessions.log_in(**checked(LoginSerializer, request), device=device_of(request))
        return Response(show(SignedInSerializer, request, signed_in))


class RefreshView(OpenView):
    """`POST /api/auth/refresh`."""

    @extend_schema(
        operation_id="refreshToken",
        request=RefreshSerializer,
        responses={200: TokenPairSerializer, **fails(401)},
        tags=["accounts"],
    )
    def post(self, request: Request) -> Response:
        """A new pair of tokens. A refresh token works once; an old one ends its session, for everybody who is in it.

        For some seconds the token that was just replaced gives the same successor again, for whoever lost the answer.
        """
        signed_in = sessions.refresh(**checked(RefreshSerializer, request))
        return Response(show(TokenPairSerializer, request, signed_in))


class LogoutView(OpenView):
    """`POST /api/auth/logout`."""

    @extend_schema(
        operation_id="logout",
        request=RefreshSerializer,
        responses={200: OpenApiResponse(description="The session is over.")},
        tags=["accounts"],
    )
    def post(self, request: Request) -> Response:
        """End the session of a refresh token. Its access tokens stop working at once; doing it twice is no error."""
        sessions.log_out(**checked(RefreshSerializer, request))
        return Response(None)


class OwnRowsView(GenericAPIView[Any]):
    """Pages of what is the caller's."""

    def page(self, kind: type[Serializer[Any]], rows: QuerySet[Any]) -> Response:
        """The page that the query asks for, the newest first unless the rows have an order."""
        own = rows.filter(user=caller(self.request))
        found = self.paginate_queryset(own if own.ordered else own.order_by("-pk")) or []
        return self.get_paginated_response([show(kind, self.request, row) for row in found])


class SessionsView(OwnRowsView):
    """`GET` and `DELETE /api/auth/sessions`."""

    @extend_schema(operation_id="listSessions", responses=SessionSerializer(many=True), tags=["accounts"])
    def get(self, request: Request) -> Response:
        """Where the caller is signed in, the latest sign-in first."""
        return self.page(SessionSerializer, Session.objects.live().filter(expires_at__gt=Now()))

    @extend_schema(operation_id="endOtherSessions", responses={200: None}, tags=["accounts"])
    def delete(self, request: Request) -> Response:
        """Sign out everywhere else."""
        here = request.auth if isinstance(request.auth, Session) else None  # a gateway has no session
        sessions.end_others(user=caller(request), but=here)
        return Response(None)


class SessionView(APIView):
    """`DELETE /api/auth/sessions/{id}`."""

    @extend_schema(operation_id="endSession", responses={200: None}, tags=["accounts"])
    def delete(self, request: Request, session_id: str) -> Response:
        """Sign out there. Its tokens stop working at once."""
        sessions.end_own(user=caller(request), session_id=session_id)
        return Response(None)


class TokensView(OwnRowsView):
    """`GET` and `POST /api/auth/tokens`."""

    @extend_schema(operation_id="listApiTokens", responses=ApiTokenSerializer(many=True), tags=["accounts"])
    def get(self, request: Request) -> Response:
        """The caller's API tokens, the newest first, also the expired ones."""
        return self.page(ApiTokenSerializer, ApiToken.objects.kept())

    @extend_schema(
        operation_id="createApiToken",
        request=NewApiTokenSerializer,
        responses={201: CreatedApiTokenSerializer, **fails(409)},
        tags=["accounts"],
    )
    def post(self, request: Request) -> Response:
        """Make a token for a script. Its text is in this answer and nowhere else."""
        token, text = tokens.create(user=caller(request), **checked(NewApiTokenSerializer, request))
        return Response(show(CreatedApiTokenSerializer, request, token, text=text), status=201)


class TokenView(APIView):
    """`DELETE /api/auth/tokens/{id}`."""

    @extend_schema(operation_id="revokeApiToken", responses={200: None}, tags=["accounts"])
    def delete(self, request: Request, token_id: str) -> Response:
        """Revoke it. It stops working at once."""
        tokens.revoke_own(user=caller(request), token_id=token_id)
        return Response(None)
