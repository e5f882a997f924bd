"""Figures on scores: ranks, areas, counts; plain numpy, each with a doctest."""

from collections.abc import Sequence

import numpy as np


def area(high: Sequence[float], low: Sequence[float]) -> float:
    """Return the area under the ROC curve: how often a `high` value exceeds a `low` one.

    Ties count one half. Source: Fawcett, Pattern Recognition Letters 27 (2006), section 7.

    >>> area([2, 3], [1, 1]), area([1], [1]), area([1, 2], [1, 2])
    (1.0, 0.5, 0.5)
    """
    values = np.concatenate([high, low]).astype(float)
    ranks = rank(values)
    above = ranks[: len(high)].sum() - len(high) * (len(high) + 1) / 2
    return float(above / (len(high) * len(low)))


def rank(values: np.ndarray) -> np.ndarray:
    """Rank from 1, equal values by their mean rank.

    >>> rank(np.array([5.0, 1.0, 5.0])).tolist()
    [2.5, 1.0, 2.5]
    """
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return ((ends - counts + 1 + ends) / 2)[inverse]


def correlate_ranks(one: Sequence[float], other: Sequence[float]) -> float:
    """Return Spearman's rank correlation.

    >>> round(correlate_ranks([1, 2, 3], [10, 30, 20]), 2)
    0.5
    """
    return float(np.corrcoef(rank(np.asarray(one)), rank(np.asarray(other)))[0, 1])


def precision_and_recall(
    values: Sequence[float], truths: Sequence[bool], threshold: float
) -> tuple[float, float]:
    """Judge `value >= threshold`; the precision is NaN if nothing was found.

    >>> precision_and_recall([0.9, 0.8, 0.1], [True, False, True], 0.5)
    (0.5, 0.5)
    """
    found = np.asarray(values) >= threshold
    wanted = np.asarray(truths, dtype=bool)
    hits = int((found & wanted).sum())
    precision = hits / int(found.sum()) if found.any() else float("nan")
    return precision, hits / int(wanted.sum())


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a Markdown table.

    >>> print(table(["a", "b"], [["1", "2"]]))
    | a | b |
    |---|---|
    | 1 | 2 |
    """
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "|" + "|".join(cells) + "|" if cells[0] == "---" else f"| {' | '.join(cells)} |"
        for cells in lines
    )
