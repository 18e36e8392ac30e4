"""Likes and favourites. All of it needs a token: a feeling is somebody's."""

from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from gallery.api.serializers import ModelSerializer, represent
from interactions.actions import toggle
from interactions.api.serializers import FavoriteSerializer, InteractionStatusSerializer, LikeSerializer
from interactions.facts import kinds_between
from interactions.models import Kind, ModelInteraction
from lumi.api.calls import caller


class LikeView(APIView):
    """`POST /api/models/{id}/like`."""

    scope = "publish"

    @extend_schema(operation_id="toggleLike", request=None, responses=LikeSerializer, tags=["interactions"])
    def post(self, request: Request, model_id: str) -> Response:
        """Like it, or take that back."""
        liked, count = toggle(user=caller(request), model_id=model_id, kind=Kind.LIKE)
        return Response({"liked": liked, "likeCount": count})


class FavoriteView(APIView):
    """`POST /api/models/{id}/favorite`."""

    scope = "publish"

    @extend_schema(operation_id="toggleFavorite", request=None, responses=FavoriteSerializer, tags=["interactions"])
    def post(self, request: Request, model_id: str) -> Response:
        """Keep it as a favourite, or take that back."""
        favorited, count = toggle(user=caller(request), model_id=model_id, kind=Kind.FAVORITE)
        return Response({"favorited": favorited, "favoriteCount": count})


class InteractionStatusView(APIView):
    """`GET /api/models/{id}/interaction-status`."""

    scope = "read"

    @extend_schema(operation_id="getInteractionStatus", responses=InteractionStatusSerializer, tags=["interactions"])
    def get(self, request: Request, model_id: str) -> Response:
        """Whether the caller likes it and keeps it."""
        kinds = kinds_between(user=caller(request), model_id=model_id)
        return Response({"liked": Kind.LIKE in kinds, "favorited": Kind.FAVORITE in kinds})


class ShelfView(GenericAPIView[ModelInteraction]):
    """Pages of models that the caller likes or keeps."""

    kind: Kind
    scope = "read"

    def page(self, request: Request) -> Response:
        """The page that the query asks for."""
        rows = self.paginate_queryset(ModelInteraction.objects.shelf_of(caller(request), self.kind)) or []
        return self.get_paginated_response(represent([row.model for row in rows], user=request.user, request=request))


class LikedModelsView(ShelfView):
    """`GET /api/me/liked-models`."""

    kind = Kind.LIKE

    @extend_schema(operation_id="listLikedModels", responses=ModelSerializer(many=True), tags=["interactions"])
    def get(self, request: Request) -> Response:
        """What the caller likes and may still see, the most recently liked first."""
        return self.page(request)


class FavoritedModelsView(ShelfView):
    """`GET /api/me/favorited-models`."""

    kind = Kind.FAVORITE

    @extend_schema(operation_id="listFavoritedModels", responses=ModelSerializer(many=True), tags=["interactions"])
    def get(self, request: Request) -> Response:
        """What the caller keeps and may still see, the most recently kept first."""
        return self.page(request)
