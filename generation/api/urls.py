"""Routes of generation, mounted under /api/."""

from django.urls import path

from generation.api.views import ModelOrderViewSet, RequestUploadViewSet, RequestViewSet

urlpatterns = [
    path("requests", RequestViewSet.as_view({"get": "list", "post": "create"}), name="requests"),
    path("requests/upload", RequestUploadViewSet.as_view({"post": "create"}), name="request-upload"),
    path("requests/<str:request_id>", RequestViewSet.as_view({"get": "retrieve", "delete": "destroy"}), name="request"),
    path("requests/<str:request_id>/cancel", RequestViewSet.as_view({"post": "cancel"}), name="request-cancel"),
    path("requests/<str:request_id>/retry", RequestViewSet.as_view({"post": "retry"}), name="request-retry"),
    path("requests/<str:request_id>/history", RequestViewSet.as_view({"get": "history"}), name="request-history"),
    path("models", ModelOrderViewSet.as_view({"post": "create"}), name="model-order"),
]
