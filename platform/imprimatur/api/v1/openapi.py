"""The description of the API: one OpenAPI 3.1 document, and a page that shows it."""

from functools import cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.views.decorators.http import require_safe

# Swagger UI writes inline styles, hence the one exception; scripts stay our own files.
DOCS_POLICY = (
    "default-src 'none'; base-uri 'none'; connect-src 'self'; form-action 'none'; "
    "frame-ancestors 'none'; img-src 'self' data:; script-src 'self'; "
    "style-src 'self' 'unsafe-inline'"
)


@require_safe
def document(_request: HttpRequest) -> HttpResponse:
    """Answer the OpenAPI document."""
    return HttpResponse(_document(), content_type="application/vnd.oai.openapi+json")


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """Show the document with Swagger UI, from our own static files."""
    page = render(request, "api/docs.html")
    page.headers["Content-Security-Policy"] = DOCS_POLICY
    return page


@cache
def _document() -> bytes:
    from drf_spectacular.generators import SchemaGenerator
    from drf_spectacular.renderers import OpenApiJsonRenderer

    with translation.override("en"):
        generator: Any = SchemaGenerator
        schema = generator().get_schema(request=None, public=True)
        return bytes(OpenApiJsonRenderer().render(schema))
