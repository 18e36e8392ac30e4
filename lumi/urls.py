"""Where things are: the ground's own pages, and each app by name."""

from django.contrib import admin
from django.urls import include, path

from lumi.api.views import DetailedHealthView, DocsView, FileView, HealthView, OpenApiView, RootView

admin.site.site_header = admin.site.site_title = "Lumi"

handler400 = "lumi.api.jsend.bad_request"
handler403 = "lumi.api.jsend.forbidden"
handler404 = "lumi.api.jsend.not_found"
handler500 = "lumi.api.jsend.server_error"

urlpatterns = [
    path("", RootView.as_view(), name="root"),
    path("health", HealthView.as_view(), name="health"),  # answered by the middleware Liveness
    path("health/detailed", DetailedHealthView.as_view(), name="health-detailed"),
    path("docs", DocsView.as_view(url_name="openapi"), name="docs"),
    path("api/openapi", OpenApiView.as_view(), name="openapi"),
    path("api/", include("lumi.accounts.api.urls")),
    path("api/", include("generation.api.urls")),
    path("api/", include("gallery.api.urls")),
    path("api/", include("interactions.api.urls")),
    path("files/<path:key>", FileView.as_view(), name="file"),
    path("admin/", admin.site.urls),
]
