"""Routes. `POST models` (choose an image) belongs to generation."""

from django.urls import path

from gallery.api import views

urlpatterns = [
    path("models/me", views.MyModelsView.as_view(), name="my-models"),
    path("models/public", views.PublicModelsView.as_view(), name="public-models"),
    path("models/upload", views.UploadView.as_view(), name="upload-model"),
    path("models/<str:model_id>", views.ModelView.as_view(), name="model"),
    path("models/<str:model_id>/publish", views.PublishView.as_view(), name="publish-model"),
    path("models/<str:model_id>/unpublish", views.UnpublishView.as_view(), name="unpublish-model"),
    path("models/<str:model_id>/download", views.DownloadView.as_view(), name="download-model"),
    path("models/<str:model_id>/report", views.ReportView.as_view(), name="report-model"),
    path("models/<str:model_id>/appeal", views.AppealView.as_view(), name="appeal-model"),
]
