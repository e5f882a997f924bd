"""How well numbers agree with what people decided, and whether they drift; pure statistics.

Values are turned so that higher is better: an approved image should have the higher one. Where
there is too little to count, the answer is None, never a number.
"""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

# Fewer decisions on either side, or fewer scores in a month, say nothing.
LEAST_OF_EACH = 10
LEAST_IN_MONTH = 30
BINS = 10
# The two-sided 95 % point of the normal distribution.
Z95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its 95 % confidence interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class AtThreshold:
    """What a threshold caught: of what it stops, how much people rejected, and the other way round.

    `precision` is None where it stops nothing, `recall` where people rejected nothing.
    """

    stopped: int
    rejected: int
    both: int

    @property
    def precision(self) -> float | None:
        """Return the share of what the threshold stops that people rejected."""
        return self.both / self.stopped if self.stopped else None

    @property
    def recall(self) -> float | None:
        """Return the share of what people rejected that the threshold stops."""
        return self.both / self.rejected if self.rejected else None


def auc(approved: Sequence[float], rejected: Sequence[float]) -> Interval | None:
    """Return the chance that an approved image has the better value; equal values count half.

    None with fewer than 10 of either. The interval is DeLong's, cut at 0 and 1.
    Source: DeLong, DeLong and Clarke-Pearson, Biometrics 44 (1988), 837-845, by midranks as in
    Sun and Xu, IEEE Signal Processing Letters 21 (2014), 1389-1393.

    >>> auc([0.5] * 10, [0.5] * 10)
    Interval(value=0.5, low=0.5, high=0.5)
    >>> auc([0.5], [0.4]) is None
    True
    """
    m, n = len(approved), len(rejected)
    if min(m, n) < LEAST_OF_EACH:
        return None
    together = _midranks([*approved, *rejected])
    alone_good, alone_bad = _midranks(approved), _midranks(rejected)
    value = (sum(together[:m]) - m * (m + 1) / 2) / (m * n)
    over_bad = [(both - own) / n for both, own in zip(together[:m], alone_good, strict=True)]
    under_good = [1 - (both - own) / m for both, own in zip(together[m:], alone_bad, strict=True)]
    spread = math.sqrt(max(0.0, _variance(over_bad) / m + _variance(under_good) / n))
    return Interval(value, max(0.0, value - Z95 * spread), min(1.0, value + Z95 * spread))


def stability_index(before: Sequence[float], after: Sequence[float]) -> float | None:
    """Return the population stability index of two months' values; 0 is no change.

    The bins are tenths of the earlier values; an empty one counts as half a value. None with fewer
    than 30 values in either.
    Source: Siddiqi, Credit Risk Scorecards (2006): below 0.1 stable, above 0.25 changed.

    >>> stability_index([x / 100 for x in range(100)], [x / 100 for x in range(100)])
    0.0
    """
    if min(len(before), len(after)) < LEAST_IN_MONTH:
        return None
    ordered = sorted(before)
    edges = sorted({ordered[len(ordered) * step // BINS] for step in range(1, BINS)})
    first, second = _shares(before, edges), _shares(after, edges)
    return sum((b - a) * math.log(b / a) for a, b in zip(first, second, strict=True))


def histogram(values: Sequence[float], low: float, high: float, bins: int) -> list[int]:
    """Count values in equal bins from `low` to `high`, both ends within.

    >>> histogram([0.0, 0.4, 1.0], 0.0, 1.0, 2)
    [2, 1]
    """
    counts = [0] * bins
    for value in values:
        place = int((value - low) / (high - low) * bins) if high > low else 0
        counts[min(max(place, 0), bins - 1)] += 1
    return counts


def _midranks(values: Sequence[float]) -> list[float]:
    """Return the rank of each value, 1 for the lowest; equal values share their middle."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end < len(order) and values[order[end]] == values[order[start]]:
            end += 1
        for place in order[start:end]:
            ranks[place] = (start + 1 + end) / 2
        start = end
    return ranks


def _variance(values: Sequence[float]) -> float:
    mean = math.fsum(values) / len(values)
    return math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1)


def _shares(values: Sequence[float], edges: Sequence[float]) -> list[float]:
    counts = [0.0] * (len(edges) + 1)
    for value in values:
        counts[bisect_right(edges, value)] += 1
    filled = [count or 0.5 for count in counts]
    return [count / math.fsum(filled) for count in filled]
