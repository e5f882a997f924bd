"""The bytes of an asset, exactly as they are reviewed, and of what it was on its way."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.utils.http import parse_etags
from django.views.decorators.http import require_safe

from generation.assets import selectors as assets
from generation.assets.selectors import AssetRecord
from governance.kernel import clock
from governance.kernel.actors import Actor
from governance.review import services as review
from imprimatur.web.views._screen import screen

CACHE_S = 600


@require_safe
@screen
def asset_image(request: HttpRequest, actor: Actor, asset_id: UUID) -> HttpResponse:
    """Serve an asset's image; its ETag is the sha256 that a decision names.

    Where a person reviews it, the delivery is recorded, so a browser asks again each time it shows
    it. With `?small` it stands in a list, which nobody decides from.
    """
    asset = assets.get_asset(actor, asset_id)
    is_small = "small" in request.GET
    response = _answer(request, actor, asset)
    response["ETag"] = f'"{asset.sha256}"'
    response["Cache-Control"] = f"private, max-age={CACHE_S}" if is_small else "private, no-cache"
    response["Vary"] = "Cookie"
    if request.method == "GET" and not is_small:
        review.record_delivery(
            actor=actor, subject_id=asset.subject_id, sha256=asset.sha256, now=clock.now()
        )
    return response


@require_safe
@screen
def step_image(_request: HttpRequest, actor: Actor, asset_id: UUID, number: int) -> HttpResponse:
    """Serve one output on an asset's way; nobody decides about it, so no delivery is recorded."""
    data, media_type = assets.read_step(actor, asset_id, number)
    response = _with_bytes(data, media_type, f"{asset_id}-{number}")
    response["Cache-Control"] = f"private, max-age={CACHE_S}"
    response["Vary"] = "Cookie"
    return response


def _answer(request: HttpRequest, actor: Actor, asset: AssetRecord) -> HttpResponse:
    if f'"{asset.sha256}"' in parse_etags(request.headers.get("If-None-Match", "")):
        return HttpResponseNotModified()
    data, media_type = assets.read_bytes(actor, asset.id)
    return _with_bytes(data, media_type, str(asset.id))


def _with_bytes(data: bytes, media_type: str, name: str) -> HttpResponse:
    """Answer bytes that a browser shows and never runs."""
    response = HttpResponse(data, content_type=media_type)
    response["Content-Disposition"] = f'inline; filename="{name}"'
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["X-Content-Type-Options"] = "nosniff"
    return response
