"""What templates draw with: icons, plates, chips, score bars, short digests; none queries."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django import template
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from imprimatur.web import overlays, pictograms, words
from imprimatur.web.pictograms import Mark

register = template.Library()


@register.simple_tag
def icon(name: str) -> SafeString:
    """Draw an icon by name."""
    return mark_safe(pictograms.icon(name))  # noqa: S308  # our own constant paths


@register.simple_tag
def seal() -> SafeString:
    """Draw the mark."""
    return mark_safe(pictograms.seal())  # noqa: S308  # constant


@register.simple_tag
def plate(seed: object, palette: Sequence[str] = ()) -> SafeString:
    """Draw the plate of something that has no picture yet."""
    return mark_safe(pictograms.plate(str(seed), palette or ()))  # noqa: S308  # hex colors only


@register.simple_tag
def ratio(size: object) -> SafeString:
    """Draw the proportions of a size written as WIDTHxHEIGHT."""
    width, _, height = str(size).partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        return SafeString("")
    return mark_safe(pictograms.ratio(int(width), int(height)))  # noqa: S308  # numbers only


@register.simple_tag
def origin_image(value: object) -> SafeString:
    """Draw the small image of a picture as forms write it, `picture:ID` or `asset:ID`."""
    kind, _, found = str(value).partition(":")
    routes = {"asset": "web:asset-image", "picture": "web:picture-image"}
    if kind not in routes:
        return SafeString("")
    address = reverse(routes[kind], args=[found])
    return format_html('<img src="{}?small" alt="" loading="lazy" decoding="async">', address)


@register.simple_tag
def marks(found: Iterable[Mark], width_px: int, height_px: int, link: str = "") -> SafeString:
    """Draw numbered pins and boxes over an image; with `link` they lead to what was said."""
    drawn = pictograms.marks(found, width_px, height_px, are_links=bool(link))
    return mark_safe(drawn)  # noqa: S308  # numbers only


@register.simple_tag
def places(width_px: int, height_px: int) -> SafeString:
    """Draw a net of links over an image, by which the pointer chooses a place."""
    return mark_safe(pictograms.places(width_px, height_px))  # noqa: S308  # numbers only


@register.simple_tag
def chip(state: str) -> SafeString:
    """Draw a state as icon and word."""
    word = words.state(str(state))
    return format_html(
        '<span class="chip {}{}">{}{}</span>',
        word.tone,
        " live" if word.is_live else "",
        mark_safe(pictograms.icon(word.icon)),  # noqa: S308  # our own constant paths
        word.label,
    )


@register.simple_tag
def scorebar(share: float | None, limit: float | None) -> SafeString:
    """Draw a share of 0..1 as a bar with a mark at its limit; the number stands beside it."""
    if share is None:
        return SafeString("")
    mark: str | SafeString = ""
    if limit is not None:
        at = round(min(100 * limit, 98.5), 2)
        mark = format_html('<rect class="limit" x="{}" width="1.5" height="12"/>', at)
    return format_html(
        '<svg class="scorebar" viewBox="0 0 100 12" preserveAspectRatio="none"'
        ' aria-hidden="true" focusable="false"><rect class="track" y="4" width="100" height="4"/>'
        '<rect class="fill" y="4" width="{}" height="4"/>{}</svg>',
        round(100 * share, 2),
        mark,
    )


@register.simple_tag
def overlay(finding: Mapping[str, Any], width_px: int, height_px: int) -> SafeString:
    """Draw what a scorer found over an image; hidden unless it is the first that failed."""
    drawn = overlays.overlay(finding, width_px, height_px, is_hidden=not finding["is_first_drawn"])
    return mark_safe(drawn)  # noqa: S308  # numbers only


@register.simple_tag
def swatch(found: str, nearest: str) -> SafeString:
    """Draw a color of the image beside the nearest one of the palette; the words stand beside."""
    return format_html(
        '<svg class="swatch" viewBox="0 0 48 24" aria-hidden="true" focusable="false">'
        '<rect width="24" height="24" fill="{}"/>'
        '<rect x="24" width="24" height="24" fill="{}"/></svg>',
        found if words.is_hex(found) else "none",
        nearest if words.is_hex(nearest) else "none",
    )


@register.filter
def digest(sha256: object) -> str:
    """Return the first twelve characters of a digest; the whole one belongs in a title.

    >>> digest("a" * 64)
    'aaaaaaaaaaaa…'
    """
    text = str(sha256)
    return f"{text[:12]}…" if len(text) > 12 else text  # noqa: PLR2004


@register.filter
def decimals(value: object) -> str:
    """Return a score with two decimals, or a dash where a scorer gave none.

    >>> decimals(0.5), decimals(None)
    ('0.50', '–')
    """
    if value is None or value == "":
        return "–"
    return f"{float(str(value)):.2f}"
