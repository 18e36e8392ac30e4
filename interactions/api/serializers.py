"""Likes and favourites on the wire."""

from typing import Any

from rest_framework import serializers


class LikeSerializer(serializers.Serializer[Any]):
    """After a toggle."""

    liked = serializers.BooleanField()
    likeCount = serializers.IntegerField()


class FavoriteSerializer(serializers.Serializer[Any]):
    """After a toggle."""

    favorited = serializers.BooleanField()
    favoriteCount = serializers.IntegerField()


class InteractionStatusSerializer(serializers.Serializer[Any]):
    """What the caller feels about a model."""

    liked = serializers.BooleanField()
    favorited = serializers.BooleanField()
