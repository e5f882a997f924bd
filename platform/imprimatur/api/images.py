"""Answers exact bytes: their sha256 is the ETag, and a browser runs nothing of them."""

from collections.abc import Callable, Mapping
from uuid import UUID

from django.http import HttpResponse, HttpResponseNotModified
from django.http.response import HttpResponseBase
from django.utils.http import parse_etags, quote_etag
from rest_framework.request import Request

HEADERS: Mapping[str, str] = {
    "ETag": "The bytes' SHA-256, quoted.",
    "Content-Disposition": "A neutral name.",
}
_SUFFIXES = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "application/json": "json",
}


def answer(
    request: Request, *, name: UUID, sha256: str, media_type: str, read: Callable[[], bytes]
) -> HttpResponseBase:
    """Answer what `read` returns, or 304 without reading it if the asker holds those bytes.

    The caller has checked the access: an ETag tells whether somebody has the right bytes.
    """
    etag = quote_etag(sha256)
    held = parse_etags(request.headers.get("If-None-Match", ""))
    response: HttpResponseBase
    if etag in held or "*" in held:
        response = HttpResponseNotModified()
    else:
        response = HttpResponse(read(), content_type=media_type)
        suffix = _SUFFIXES.get(media_type, "bin")
        response.headers["Content-Disposition"] = f'inline; filename="{name}.{suffix}"'
    response.headers["ETag"] = etag
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
