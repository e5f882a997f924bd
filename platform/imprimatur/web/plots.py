"""Plots as inline SVG: no script, no inline style; the table beside each says the same in numbers.

Colors and strokes come from the style sheet by class, so both themes and forced colors hold.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

WIDTH, HEIGHT = 320, 120
LEFT, RIGHT, TOP, BOTTOM = 28, 8, 8, 20
_PLOT_WIDTH = WIDTH - LEFT - RIGHT
_PLOT_HEIGHT = HEIGHT - TOP - BOTTOM


@dataclass(frozen=True, slots=True)
class Dot:
    """An estimate with its interval at one step of the axis; None where there is none."""

    label: str
    value: float | None
    low: float | None = None
    high: float | None = None


def back_to_back(
    above: Sequence[int],
    below: Sequence[int],
    *,
    ends: tuple[float, float],
    limit: float | None,
    title: str,
    description: str,
) -> SafeString:
    """Draw two histograms over the same bins, one up and one down, with a line at the limit.

    `ends` are the first bin's lower and the last bin's upper edge.
    """
    tallest = max([*above, *below, 1])
    middle, half = TOP + _PLOT_HEIGHT / 2, _PLOT_HEIGHT / 2 - 2
    step = _PLOT_WIDTH / max(len(above), 1)
    bars = [
        (name, LEFT + place * step, *span, step - 1)
        for name, counts, is_up in (("good", above, True), ("bad", below, False))
        for place, count in enumerate(counts)
        if count
        for span in (_bar(count / tallest * half, middle, is_up=is_up),)
    ]
    drawn = format_html_join(
        "",
        '<rect class="plot-{}" x="{}" y="{}" width="{}" height="{}"/>',
        [(name, _n(x), _n(y), _n(width), _n(height)) for name, x, y, height, width in bars],
    )
    low, high = ends
    mark: str | SafeString = ""
    if limit is not None and high > low:
        at = _n(LEFT + (limit - low) / (high - low) * _PLOT_WIDTH)
        mark = format_html(
            '<line class="plot-limit" x1="{}" x2="{}" y1="{}" y2="{}"/>',
            at,
            at,
            TOP,
            TOP + _PLOT_HEIGHT,
        )
    axis = format_html(
        '<line class="plot-axis" x1="{}" x2="{}" y1="{}" y2="{}"/>'
        '<text class="plot-text" x="{}" y="{}">{}</text>'
        '<text class="plot-text end" x="{}" y="{}">{}</text>',
        *(LEFT, WIDTH - RIGHT, _n(middle), _n(middle)),
        *(LEFT, HEIGHT - 6, f"{low:.2f}"),
        *(WIDTH - RIGHT, HEIGHT - 6, f"{high:.2f}"),
    )
    return _framed(format_html("{}{}{}", drawn, axis, mark), title, description)


def dots(points: Sequence[Dot], *, title: str, description: str, guide: float) -> SafeString:
    """Draw shares of 0..1 along an axis, each with its interval, and a guide at one value."""
    step = _PLOT_WIDTH / max(len(points), 1)
    drawn = []
    for place, point in enumerate(points):
        x = LEFT + (place + 0.5) * step
        drawn.append(
            format_html(
                '<text class="plot-text middle" x="{}" y="{}">{}</text>',
                *(_n(x), HEIGHT - 6, point.label),
            )
            if _is_labelled(place, len(points))
            else SafeString("")
        )
        if point.value is None:
            continue
        if point.low is not None and point.high is not None:
            drawn.append(
                format_html(
                    '<line class="plot-whisker" x1="{}" x2="{}" y1="{}" y2="{}"/>',
                    *(_n(x), _n(x), _n(_y(point.low)), _n(_y(point.high))),
                )
            )
        drawn.append(
            format_html(
                '<circle class="plot-dot" cx="{}" cy="{}" r="4"/>', _n(x), _n(_y(point.value))
            )
        )
    scale = format_html_join(
        "",
        '<text class="plot-text end" x="{}" y="{}">{}</text>'
        '<line class="plot-grid" x1="{}" x2="{}" y1="{}" y2="{}"/>',
        [
            (
                LEFT - 4,
                _n(_y(share) + 3),
                f"{share:g}",
                LEFT,
                WIDTH - RIGHT,
                _n(_y(share)),
                _n(_y(share)),
            )
            for share in (0.0, 0.5, 1.0)
        ],
    )
    line = format_html(
        '<line class="plot-limit" x1="{}" x2="{}" y1="{}" y2="{}"/>',
        *(LEFT, WIDTH - RIGHT, _n(_y(guide)), _n(_y(guide))),
    )
    inside = format_html("{}{}{}", scale, line, format_html_join("", "{}", ((d,) for d in drawn)))
    return _framed(inside, title, description)


def _framed(inside: SafeString, title: str, description: str) -> SafeString:
    return format_html(
        '<svg class="plot" viewBox="0 0 {} {}" role="img"><title>{}</title><desc>{}</desc>{}</svg>',
        *(WIDTH, HEIGHT, title, description, inside),
    )


def _bar(length: float, middle: float, *, is_up: bool) -> tuple[float, float]:
    """Return a bar's upper edge and height; what was counted at all is seen."""
    height = max(length, 1.5)
    return (middle - height, height) if is_up else (middle, height)


def _y(share: float) -> float:
    return TOP + (1 - share) * _PLOT_HEIGHT


def _is_labelled(place: int, count: int) -> bool:
    """Tell whether a step has room for its name: six of them at most.

    >>> [_is_labelled(place, 12) for place in range(4)]
    [True, False, True, False]
    """
    return place % max(1, -(-count // 6)) == 0


def _n(value: float) -> str:
    """Write a coordinate shortly, and the same in every language."""
    return f"{value:.1f}"
