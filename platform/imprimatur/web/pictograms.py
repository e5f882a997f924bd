"""The portal's drawings as SVG text: icons by name, a calm plate for what has no picture; pure."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

ICONS = {
    "alert": "M12 4 2.8 19.5h18.4L12 4zM12 10v4.5M12 17v.2",
    "arrow": "M4 12h15M13 6l6 6-6 6",
    "back": "M20 12H5M11 6l-6 6 6 6",
    "bell": "M6 16.5V11a6 6 0 0 1 12 0v5.5l1.5 2h-15zM10 18.5a2 2 0 0 0 4 0",
    "book": "M5 4.5h11a3 3 0 0 1 3 3v12H8a3 3 0 0 1-3-3v-12zM5 16.5a3 3 0 0 1 3-3h11M9 8h6",
    "chart": "M4 4v16h16M8 16v-4M12.5 16V7.5M17 16v-6",
    "check": "M4.5 12.5 10 18 19.5 7",
    "chevron": "M6 9.5l6 6 6-6",
    "clock": "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17zM12 7.5V12l3.2 2",
    "cross": "M6 6l12 12M18 6 6 18",
    "download": "M12 4v11M7 10.5l5 5 5-5M4.5 20h15",
    "expand": "M14 4h6v6M10 20H4v-6M20 4l-7 7M4 20l7-7",
    "flag": "M6 21V4M6 5h11.5l-2.2 3.8 2.2 3.8H6",
    "home": "M4 11.5 12 4.5l8 7M6 10v9.5h4.5V14h3v5.5H18V10",
    "image": "M4 5h16v14H4zM4 16l4.8-5 4 4 2.6-2.6L20 16.5M15.4 8.9v.2",
    "info": "M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17zM12 11v5.5M12 7.8V8",
    "key": "M8.5 11a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM11.4 12.2 20 4M16 7.5l3 3",
    "lock": "M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3",
    "orders": "M5 4h14v4.5H5zM5 11.5h14V16H5zM5 19.5h14",
    "pencil": "M4.5 19.5l1-4.2L16 4.8l3.2 3.2L8.7 18.5l-4.2 1zM13.8 7l3.2 3.2",
    "pause": "M8.5 6v12M15.5 6v12",
    "person": "M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM4.5 20.5c.6-4 3.5-6 7.5-6s6.9 2 7.5 6",
    "plus": "M12 5v14M5 12h14",
    "refresh": "M19.5 12a7.5 7.5 0 1 1-2.4-5.5M19.5 3.5v4h-4",
    "review": (
        "M2.8 12S6 5.8 12 5.8 21.2 12 21.2 12 18 18.2 12 18.2 2.8 12 2.8 12zM12 9.2a2.8 "
        "2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6z"
    ),
    "seal": (
        "M12 3.2l2.3 1.7 2.9-.1.9 2.7 2.4 1.6-.9 2.8.9 2.7-2.4 1.6-.9 2.7-2.9-.1L12 "
        "20.5l-2.3-1.7-2.9.1-.9-2.7-2.4-1.6.9-2.7-.9-2.8 2.4-1.6.9-2.7 2.9.1L12 3.2zM8.6 "
        "12l2.4 2.4 4.6-4.9"
    ),
    "send": "M20.5 3.5 3.5 10.4l6.6 3.5 3.5 6.6 6.9-17zM10.1 13.9l4.7-4.7",
    "signout": "M14 4.5H5.5v15H14M10 12h10.5M16.5 8l4 4-4 4",
    "spinner": "M12 3.5a8.5 8.5 0 1 1-8.5 8.5",
    "templates": "M4 4h7v9H4zM14 4h6v5h-6zM14 12h6v8h-6zM4 16h7v4H4z",
}  # fmt: skip

_HIDDEN = ' aria-hidden="true" focusable="false"'
# How many places an image offers to the pointer in each direction.
CELLS = 20

# Muted grounds with one strong thing on them; brands with a palette of their own replace these.
PALETTES = (
    ("#e8ddcf", "#c9b79f", "#b3321c", "#2b2430"),
    ("#d9e2e4", "#a9bcc2", "#1f4e5f", "#e0a030"),
    ("#efe1d6", "#d8b49c", "#6b2d3e", "#f3efe6"),
    ("#dfe3d4", "#b2bd98", "#3f5a36", "#d97b4f"),
    ("#e3dde8", "#b9aac9", "#463463", "#e7b84c"),
    ("#f0e6c8", "#dcc583", "#24405e", "#c4512d"),
)


def icon(name: str) -> str:
    """Return one icon as decoration: screen readers skip it, the word beside it speaks.

    >>> icon("check").startswith('<svg class="icon"')
    True
    """
    return (
        '<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">'
        f'<path d="{ICONS[name]}" fill="none" stroke="currentColor" stroke-width="1.75"'
        ' stroke-linecap="round" stroke-linejoin="round"/></svg>'
    )


def seal() -> str:
    """Return the mark: a seal's toothed rim around a printed I."""
    rim = "".join(
        f'<rect x="14.9" y="0.8" width="2.2" height="4" rx="1" transform="rotate({angle} 16 16)"/>'
        for angle in range(0, 360, 15)
    )
    return (
        '<svg viewBox="0 0 32 32" aria-hidden="true" focusable="false" fill="currentColor">'
        f'{rim}<path fill-rule="evenodd" d="M16 3.4a12.6 12.6 0 1 0 0 25.2 12.6 12.6 0 0 0 0-25.2z'
        'M11.6 9h8.8v1.5l-2.5.5v10l2.5.5V23h-8.8v-1.5l2.5-.5V11l-2.5-.5z"/></svg>'
    )


def ratio(width: int, height: int) -> str:
    """Return a small outline with the proportions of a size.

    >>> 'width="20.0"' in ratio(512, 256) and 'height="10.0"' in ratio(512, 256)
    True
    """
    scale = 20 / max(width, height, 1)
    w, h = round(width * scale, 1), round(height * scale, 1)
    return (
        '<svg viewBox="0 0 24 24" width="24" height="24" aria-hidden="true" focusable="false">'
        f'<rect x="{round(12 - w / 2, 1)}" y="{round(12 - h / 2, 1)}" width="{w}" height="{h}"'
        ' rx="2" fill="none" stroke="currentColor" stroke-width="1.75"/></svg>'
    )


class Mark(NamedTuple):
    """A place in an image in shares of its sides: a box, or a pin where it has no size."""

    x: float
    y: float
    width: float | None
    height: float | None
    number: int
    is_settled: bool = False


def marks(found: Iterable[Mark], width_px: int, height_px: int, *, are_links: bool) -> str:
    """Return numbered pins and boxes to lay over an image of that size; links lead to #remark-N.

    The view box keeps the image's proportions, so both fit one another at any size on the screen.

    >>> 'cx="50.0" cy="20.0"' in marks([Mark(0.5, 0.2, None, None, 1)], 100, 100, are_links=False)
    True
    """
    radius = round(0.035 * max(width_px, height_px), 2)
    drawn = [_mark(mark, width_px, height_px, radius, is_link=are_links) for mark in found]
    return (
        f'<svg class="marks" viewBox="0 0 {width_px} {height_px}"'
        f"{'' if are_links else _HIDDEN}>{''.join(drawn)}</svg>"
    )


def _mark(mark: Mark, width_px: int, height_px: int, radius: float, *, is_link: bool) -> str:
    x, y = round(mark.x * width_px, 2), round(mark.y * height_px, 2)
    box = ""
    if mark.width is not None and mark.height is not None:
        size = f'width="{mark.width * width_px:.2f}" height="{mark.height * height_px:.2f}"'
        box = "".join(f'<rect class="{each}" x="{x}" y="{y}" {size}/>' for each in ("edge", "line"))
    label = mark.number or "+"
    drawn = (
        f'{box}<circle cx="{x}" cy="{y}" r="{radius}"/>'
        f'<text x="{x}" y="{y}" font-size="{1.15 * radius:.2f}" aria-hidden="true">{label}</text>'
    )
    kind = "mark settled" if mark.is_settled else "mark"
    if is_link:
        name = f"#remark-{mark.number}"
        return f'<a class="{kind}" href="{name}" aria-labelledby="{name[1:]}-title">{drawn}</a>'
    return f'<g class="{kind}">{drawn}</g>'


def places(width_px: int, height_px: int) -> str:
    """Return a net of links over an image: each puts its middle, in percent, into the address.

    They are for the pointer alone; whoever uses the keyboard types the numbers.

    >>> 'href="?x=2.5&amp;y=2.5"' in places(100, 100)
    True
    """
    step = 100 / CELLS
    width, height = round(width_px / CELLS, 3), round(height_px / CELLS, 3)
    cells = "".join(
        f'<a href="?x={(column + 0.5) * step}&amp;y={(row + 0.5) * step}" tabindex="-1">'
        f'<rect x="{column * width:.2f}" y="{row * height:.2f}" width="{width}" height="{height}"/>'
        "</a>"
        for row in range(CELLS)
        for column in range(CELLS)
    )
    return f'<svg class="places" viewBox="0 0 {width_px} {height_px}"{_HIDDEN}>{cells}</svg>'


def plate(seed: str, palette: Sequence[str] = ()) -> str:
    """Return a still life drawn from `seed`: the same seed, the same plate; never a photo.

    `palette`: hex colors of a brand (four are used: ground, table, thing, accent).

    >>> plate("hero") == plate("hero") != plate("banner")
    True
    """
    digest = hashlib.sha256(seed.encode()).digest()
    colors = _colors(digest[0], palette)
    ground, table, thing, accent = colors
    name = digest.hex()[:10]
    horizon = 250 + digest[1] % 60
    sun_x, sun_y, sun_r = 80 + digest[2] % 240, 70 + digest[3] % 90, 46 + digest[4] % 60
    x = 150 + digest[5] % 100
    shape = _SHAPES[digest[6] % len(_SHAPES)].format(x=x, y=horizon + 44)
    small = 60 + digest[7] % 280
    return (
        '<svg class="plate" viewBox="0 0 400 400" preserveAspectRatio="xMidYMid slice"'
        ' aria-hidden="true" focusable="false">'
        f'<defs><linearGradient id="g{name}" x1="0" y1="0" x2="1" y2="1">'
        '<stop offset="0" stop-color="#fff" stop-opacity=".42"/>'
        '<stop offset=".55" stop-color="#fff" stop-opacity="0"/>'
        '<stop offset="1" stop-color="#000" stop-opacity=".26"/></linearGradient></defs>'
        f'<rect width="400" height="400" fill="{ground}"/>'
        f'<circle cx="{sun_x}" cy="{sun_y}" r="{sun_r}" fill="{accent}" opacity=".85"/>'
        f'<path d="M0 {horizon}h400v{400 - horizon}H0z" fill="{table}"/>'
        f'<ellipse cx="{x + 34}" cy="{horizon + 50}" rx="104" ry="13" fill="#000" opacity=".16"/>'
        f'<path d="{shape}" fill="{thing}"/><path d="{shape}" fill="url(#g{name})"/>'
        f'<circle cx="{small}" cy="{horizon + 62}" r="17" fill="{accent}"/>'
        f'<circle cx="{small}" cy="{horizon + 62}" r="17" fill="url(#g{name})"/></svg>'
    )


# With fewer colors a brand's still life would have nothing to stand out.
BRAND_COLORS_LEAST = 4

# Outlines of plain things (bottle, vase, cup, box, sphere, tin), standing at (x, y).
_SHAPES = (
    "M{x} {y}m-40 0v-120q0-28 22-42v-44q0-6 6-6h24q6 0 6 6v44q22 14 22 42v120q0 6-6 6h-68q-6 0-6-6z",  # noqa: E501
    "M{x} {y}m-30 6q-44-60-20-120q14-34 8-70h84q-6 36 8 70q24 60-20 120z",
    "M{x} {y}m-52 6l-14-128h132l-14 128q-2 6-8 6h-88q-6 0-8-6z",
    "M{x} {y}m-62 4v-130q0-8 8-8h108q8 0 8 8v130q0 6-6 6h-112q-6 0-6-6z",
    "M{x} {y}m0 4a76 76 0 1 1 1 0z",
    "M{x} {y}m-48 2v-176q0-14 48-14t48 14v176q0 14-48 14t-48-14z",
)


def _colors(pick: int, palette: Sequence[str]) -> tuple[str, str, str, str]:
    """Choose ground, table, thing and accent: a brand's lightest color is always the ground."""
    base = PALETTES[pick % len(PALETTES)]
    own = sorted((c for c in palette if _is_hex(c)), key=_light, reverse=True)
    if len(own) < BRAND_COLORS_LEAST:
        return base
    ground, rest = own[0], own[1:]
    turn = pick % len(rest)
    table, thing, accent, *_more = [*rest[turn:], *rest[:turn]]
    return ground, table, thing, accent


def _is_hex(color: str) -> bool:
    return re.fullmatch("#[0-9a-fA-F]{6}", color) is not None


def _light(color: str) -> int:
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return 2 * red + 5 * green + blue
