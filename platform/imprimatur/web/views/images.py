"""The bytes of an asset, exactly as they are reviewed."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.utils.http import parse_etags
from django.views.decorators.http import require_safe

from generation.assets import selectors as assets
from governance.kernel.actors import Actor
from imprimatur.web.views._screen import screen

CACHE_S = 600


@require_safe
@screen
def asset_image(request: HttpRequest, actor: Actor, asset_id: UUID) -> HttpResponse:
    """Serve an asset's image; its ETag is the sha256 that a decision names."""
    asset = assets.get_asset(actor, asset_id)
    etag = f'"{asset.sha256}"'
    if etag in parse_etags(request.headers.get("If-None-Match", "")):
        response: HttpResponse = HttpResponseNotModified()
    else:
        data, media_type = assets.read_bytes(actor, asset_id)
        response = HttpResponse(data, content_type=media_type)
        response["Content-Disposition"] = f'inline; filename="{asset.id}"'
        response["Content-Security-Policy"] = "default-src 'none'; sandbox"
        response["X-Content-Type-Options"] = "nosniff"
    response["ETag"] = etag
    response["Cache-Control"] = f"private, max-age={CACHE_S}"
    response["Vary"] = "Cookie"
    return response
