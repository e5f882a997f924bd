"""Every address: the portal at the root, the REST API below /api/, two probes, the metrics."""

from django.urls import include, path

from imprimatur.config import health, metrics

urlpatterns = [
    path("livez", health.live, name="livez"),
    path("readyz", health.ready, name="readyz"),
    path("metrics", metrics.answer, name="metrics"),
    path("api/", include("imprimatur.api.urls")),
    path("i18n/", include("django.conf.urls.i18n")),
    path("", include("imprimatur.web.urls")),
]
handler403 = "imprimatur.web.views.errors.forbidden"
handler404 = "imprimatur.web.views.errors.not_found"
handler500 = "imprimatur.web.views.errors.failed"
