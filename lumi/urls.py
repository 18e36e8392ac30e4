"""Where things are: the ground's own pages, and each app by name."""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerView

from lumi.api.views import DetailedHealthView, FileView, HealthView, RootView

handler400 = "lumi.api.jsend.bad_request"
handler403 = "lumi.api.jsend.forbidden"
handler404 = "lumi.api.jsend.not_found"
handler500 = "lumi.api.jsend.server_error"

urlpatterns = [
    path("", RootView.as_view(), name="root"),
    path("health", HealthView.as_view(), name="health"),
    path("health/detailed", DetailedHealthView.as_view(), name="health-detailed"),
    path("docs", SpectacularSwaggerView.as_view(url_name="openapi"), name="docs"),
    path("api/openapi", SpectacularJSONAPIView.as_view(), name="openapi"),
    path("api/", include("lumi.accounts.api.urls")),
    path("api/", include("generation.api.urls")),
    path("api/", include("gallery.api.urls")),
    path("api/", include("interactions.api.urls")),
    path("files/<path:key>", FileView.as_view(), name="file"),
    path("admin/", admin.site.urls),
]
