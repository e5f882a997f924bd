"""The REST API's addresses: version 1, its problems' pages, and a problem for all the rest."""

from django.urls import URLPattern, URLResolver, include, path

from imprimatur.api import problems
from imprimatur.api.unknown import Unknown

app_name = "api"
urlpatterns: list[URLPattern | URLResolver] = [
    path("v1/", include("imprimatur.api.v1.urls")),
    path("problems", problems.index, name="problems"),
    path("problems/<slug:code>", problems.page, name="problem"),
    path("", Unknown.as_view(), name="unknown-root"),
    path("<path:rest>", Unknown.as_view(), name="unknown"),
]
