"""How far an image's colors are from the brand's palette, as people see the difference."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image, Resampling

from generation.scoring.color import difference, read_hex, to_lab
from generation.scoring.pixels import LICENCE, require_rgb
from generation.scoring.protocol import Direction, Input, Measurement, Sample

# The longer side of what is looked at: enough to tell a subject from its edge.
_SIDE_PX = 96
_COLORS_MOST = 8
_ROUNDS = 10
# Clusters nearer than this (CIEDE2000) are one color with light and shade on it.
_SAME = 6.0
# Below this chroma a color is white, gray or black: it goes with every palette.
_NEUTRAL_CHROMA = 14.0
# What light and shade do to a color: lightness counts this much, and so many units are free.
_LIGHTNESS_SHARE = 0.35
_TOLERANCE = 6.0
# A pixel is background if it is, up to this many levels, what stands at an end of its row or
# column, in a light between deep shadow and highlight.
_BACKGROUND_LEVELS = 22.0
_SHADOW, _HIGHLIGHT = 0.25, 1.2
# A color that is less of the subject than this is where two others meet.
_SHARE_LEAST = 0.04


@dataclass(frozen=True)
class _Cluster:
    """One main color of the subject: in CIELAB, in levels, and its share of the image."""

    lab: NDArray[np.float64]
    rgb: tuple[int, int, int]
    share: float

    @property
    def is_neutral(self) -> bool:
        """Tell whether the color goes with every palette."""
        return float(np.hypot(self.lab[1], self.lab[2])) < _NEUTRAL_CHROMA


@dataclass(frozen=True)
class PaletteDistance:
    """The mean CIEDE2000 from the main colors of the subject to the brand's palette.

    The subject is what differs from the ends of its rows and columns; what it stands on, shadows
    included, may have any color, and so may white, gray and black. The first 6 units are free, and
    lightness counts about a third, since light and shade vary it. 0: the subject is in the brand's
    colors, or has none; a brand without a palette gets 0 too, and the evidence says so.

    Start with a threshold of 6. Source: clusters by k-means in CIELAB (Lloyd, IEEE Transactions on
    Information Theory 28(2), 1982) from starting points as far apart as can be, so that nothing is
    drawn by lot; differences as in `color.difference`.
    """

    id: ClassVar[str] = "palette"
    title: ClassVar[str] = "Distance to the brand's palette"
    inputs: ClassVar[frozenset[Input]] = frozenset({Input.IMAGE, Input.PALETTE})
    cost_ms: ClassVar[float] = 6.0
    version: ClassVar[str] = "1"
    weights_sha256: ClassVar[str | None] = None
    licence: ClassVar[str] = LICENCE
    higher_is: ClassVar[Direction] = "worse"
    range: ClassVar[tuple[float, float]] = (0.0, 150.0)

    def score(self, samples: Sequence[Sample]) -> list[Measurement]:
        """Measure each image against its brand's palette. Raises: ValueError for a bad color."""
        return [_measure(sample.image, sample.palette) for sample in samples]


def _measure(image: Image, palette: Sequence[str]) -> Measurement:
    """Compare the subject's colors; evidence lists all main colors, the largest first."""
    require_rgb(image, 1)
    entries = to_lab(np.array([read_hex(color) for color in palette]).reshape(-1, 3))
    clusters = sorted(_clusters(image), key=lambda cluster: (-cluster.share, cluster.rgb))
    facts = {"subject_share": round(sum(cluster.share for cluster in clusters), 4)}
    if not palette:
        colors = [_evidence(cluster, "", 0.0) for cluster in clusters]
        return Measurement(0.0, {**facts, "colors": colors, "palette": "none"})
    colors, off, covered = [], 0.0, 0.0
    for cluster in clusters:
        distances = _distances(cluster.lab, entries)
        nearest = int(distances.argmin())
        if cluster.is_neutral:
            continue
        colors.append(_evidence(cluster, palette[nearest].lower(), float(distances[nearest])))
        covered += cluster.share
        off += cluster.share * max(0.0, float(distances[nearest]) - _TOLERANCE)
    return Measurement(off / covered if covered else 0.0, {**facts, "colors": colors})


def _distances(lab: NDArray[np.float64], entries: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return CIEDE2000 to each entry, after bringing the lightness most of the way to it."""
    moved = np.broadcast_to(lab, entries.shape).copy()
    moved[:, 0] = entries[:, 0] + (lab[0] - entries[:, 0]) * _LIGHTNESS_SHARE
    return difference(moved, entries)


def _evidence(cluster: _Cluster, nearest: str, delta_e: float) -> dict[str, object]:
    red, green, blue = cluster.rgb
    return {
        "hex": f"#{red:02x}{green:02x}{blue:02x}",
        "share": round(cluster.share, 4),
        "nearest": nearest,
        "delta_e": round(delta_e, 2),
    }


def _clusters(image: Image) -> list[_Cluster]:
    """Find the main colors of the subject."""
    scale = min(1.0, _SIDE_PX / max(image.size))
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    small = np.asarray(image.resize(size, Resampling.BOX), dtype=np.float64)
    levels = small[_subject(small)]
    if not len(levels):
        return []
    points = to_lab(levels)
    label = _merge(points, _group(points))
    found = []
    for each in np.unique(label):
        mine = label == each
        if mine.mean() >= _SHARE_LEAST:
            red, green, blue = (int(level) for level in np.rint(levels[mine].mean(axis=0)))
            share = float(mine.sum()) / (size[0] * size[1])
            found.append(_Cluster(points[mine].mean(axis=0), (red, green, blue), share))
    return found


def _subject(levels: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Mark what differs from the background, without its edge, where both colors mix.

    levels: (height, width, 3). An image without anything before a background is all subject.
    """
    ends = (levels[:, :1], levels[:, -1:], levels[:1], levels[-1:])
    is_background = np.zeros(levels.shape[:2], dtype=bool)
    for end in ends:
        light = (levels * end).sum(axis=2) / np.maximum((end * end).sum(axis=2), 1)
        rest = np.sqrt(((levels - light[..., None] * end) ** 2).sum(axis=2))
        is_lit = (light >= _SHADOW) & (light <= _HIGHLIGHT)
        is_background |= is_lit & (rest <= _BACKGROUND_LEVELS)
    subject = ~is_background
    inner = subject.copy()
    inner[1:] &= subject[:-1]
    inner[:-1] &= subject[1:]
    inner[:, 1:] &= subject[:, :-1]
    inner[:, :-1] &= subject[:, 1:]
    if inner.any():
        return inner
    return subject if subject.any() else np.ones_like(subject)


def _group(points: NDArray[np.float64]) -> NDArray[np.intp]:
    """Label (N, 3) points by k-means, from the mean and then the farthest points."""
    centers = [points.mean(axis=0)]
    nearest = np.full(len(points), np.inf)
    for _ in range(_COLORS_MOST - 1):
        nearest = np.minimum(nearest, ((points - centers[-1]) ** 2).sum(axis=1))
        centers.append(points[int(nearest.argmax())])
    middle = np.array(centers)
    label = np.zeros(len(points), dtype=np.intp)
    for _ in range(_ROUNDS):
        # The square of a point's own length is the same for every center.
        apart = (middle**2).sum(axis=1) - 2 * points @ middle.T
        label = apart.argmin(axis=1)
        counts = np.bincount(label, minlength=_COLORS_MOST)
        sums = [np.bincount(label, points[:, axis], _COLORS_MOST) for axis in range(3)]
        is_used = counts > 0
        middle[is_used] = (np.stack(sums, axis=1) / np.maximum(counts, 1)[:, None])[is_used]
    return label


def _merge(points: NDArray[np.float64], label: NDArray[np.intp]) -> NDArray[np.intp]:
    """Join clusters that a person would call one color, the nearest pair first."""
    label = label.copy()
    while True:
        names, counts = np.unique(label, return_counts=True)
        middle = np.array([points[label == name].mean(axis=0) for name in names])
        apart = difference(middle[:, None], middle[None])
        np.fill_diagonal(apart, np.inf)
        if len(names) == 1 or apart.min() >= _SAME:
            return label
        one, other = np.unravel_index(int(apart.argmin()), apart.shape)
        keep, drop = (one, other) if counts[one] >= counts[other] else (other, one)
        label[label == names[drop]] = names[keep]
