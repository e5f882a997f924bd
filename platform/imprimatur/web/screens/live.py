"""What moves on an order's sheet while its images are made, in words and shares."""

from collections.abc import Iterable
from typing import Any, Protocol

from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from generation.jobs.outlook import Place
from generation.jobs.progress import ItemProgress, OrderProgress
from governance.kernel.digests import canonical_json, sha256_hex
from imprimatur.web.screens.ordering import about
from imprimatur.workflow import following
from imprimatur.workflow.following import Tell


class Standing(Protocol):
    """An image as far as the sheet is drawn anew when it changes."""

    @property
    def state(self) -> str:
        """Return its state."""
        ...

    @property
    def attempts(self) -> int:
        """Return how often it was tried."""
        ...


def teller(language: str | None) -> Tell:
    """Return what tells a page of that language how far its order is."""

    def tell(now: OrderProgress) -> dict[str, Any]:
        with translation.override(language):
            return told(now)

    return tell


def told(now: OrderProgress) -> dict[str, Any]:
    """Return what a page shows without being drawn anew, and whether it must be."""
    return {
        "standing": standing_of(now.items),
        "percent": percent_of(now),
        "why": why(now),
        "items": [
            {
                "id": str(item.id),
                "percent": round(100 * item.share),
                "place": place_words(item.place) if item.place else "",
                "preview": preview_url(item),
            }
            for item in now.items
        ],
    }


def preview_url(item: ItemProgress) -> str:
    """Return where an image's latest preview is; empty if there is none."""
    if item.preview_step is None:
        return ""
    return f"{reverse('web:item-preview', args=[item.id])}?{item.attempts}-{item.preview_step}"


def standing_of(items: Iterable[Standing]) -> str:
    """Return a short digest of what a sheet is drawn from, progress left out."""
    facts = [f"{item.state} {item.attempts}" for item in items]
    return sha256_hex(canonical_json({"items": facts}))[:16]


def percent_of(now: OrderProgress) -> int:
    """Return how far the whole order is."""
    return round(100 * sum(item.share for item in now.items) / max(1, len(now.items)))


def why(now: OrderProgress) -> str:
    """Say why the order's next image waits where it does; empty if none waits."""
    place = next((item.place for item in now.items if item.place), None)
    return following.reason(place) if place else ""


def place_words(place: Place) -> str:
    """Say where an image stands in its queue, and when its turn may come."""
    count = {"n": place.images_before}
    if place.is_at_least:
        return _("At least %(n)s images go before it") % count
    if not place.images_before:
        return _("Its turn is next")
    before = ngettext("%(n)s image goes before it", "%(n)s images go before it", count["n"]) % count
    if place.wait_s is None:
        return before
    return _("%(before)s, for about %(time)s") % {"before": before, "time": about(place.wait_s)}
