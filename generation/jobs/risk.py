"""How risky an image is for its review, from its scores: the riskiest is looked at first; pure.

An image without a flag has no risk. The first flag counts 40 and each further one 20; a score that
no scorer could give counts as much as two flags, because nobody knows what it would have said.
"""

from collections.abc import Sequence

from generation.assets.selectors import ScoreRecord

_MOST = 100
_BASE = 20
_COUNTS = {"pass": 0, "flag": 1, "refuse": 2, "hold": 2}


def risk_of(scores: Sequence[ScoreRecord]) -> int:
    """Return the risk of an image with these scores, 0..100."""
    return risk_from([score.verdict for score in scores])


def risk_from(verdicts: Sequence[str]) -> int:
    """Return the risk of an image with these verdicts of scorers, 0..100.

    >>> [risk_from(verdicts) for verdicts in (["pass"], ["flag"], ["flag", "flag"], ["hold"])]
    [0, 40, 60, 60]
    """
    weight = sum(_COUNTS[verdict] for verdict in verdicts)
    return min(_MOST, _BASE * (1 + weight)) if weight else 0
