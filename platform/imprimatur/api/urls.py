"""The REST API's addresses, all below a version: /api/v1/…"""

from django.urls import URLPattern, URLResolver

app_name = "api"
urlpatterns: list[URLPattern | URLResolver] = []
