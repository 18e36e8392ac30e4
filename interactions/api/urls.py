"""Routes."""

from django.urls import path

from interactions.api import views

urlpatterns = [
    path("models/<str:model_id>/like", views.LikeView.as_view(), name="like-model"),
    path("models/<str:model_id>/favorite", views.FavoriteView.as_view(), name="favorite-model"),
    path("models/<str:model_id>/interaction-status", views.InteractionStatusView.as_view(), name="interaction-status"),
    path("me/liked-models", views.LikedModelsView.as_view(), name="liked-models"),
    path("me/favorited-models", views.FavoritedModelsView.as_view(), name="favorited-models"),
]
