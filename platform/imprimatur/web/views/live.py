"""What moves on an order's sheet, told to its page as it happens, and previews of its images."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils.translation import get_language
from django.views.decorators.http import require_GET

from generation.jobs import progress
from governance.kernel.actors import Actor
from imprimatur.web.screens import live as screens
from imprimatur.web.views._screen import screen
from imprimatur.workflow import following


@require_GET
@screen
def job_events(request: HttpRequest, actor: Actor, job_id: UUID) -> HttpResponse:
    """Tell how far an order is, as server-sent events; 204 once that is known for good."""
    beginning = following.begin(
        actor,
        job_id,
        tell=screens.teller(get_language()),
        told=request.headers.get("Last-Event-ID", ""),
    )
    if beginning.watch is not None:
        following.attach(getattr(request, "scope", {}), beginning.watch)
    if not beginning.body:
        return HttpResponse(status=204)
    return HttpResponse(
        beginning.body,
        content_type=following.MEDIA_TYPE,
        headers={"Cache-Control": "private, no-store", "X-Accel-Buffering": "no"},
    )


@require_GET
@screen
def item_preview(_request: HttpRequest, actor: Actor, item_id: UUID) -> HttpResponse:
    """Serve how an image in work looks so far: not reviewed, not kept."""
    return HttpResponse(
        progress.get_preview(actor, item_id),
        content_type="image/jpeg",
        headers={
            "Cache-Control": "private, no-store",
            "Content-Security-Policy": "default-src 'none'; sandbox",
        },
    )
