"""The decision table: what each verdict needs, whether it counts, and what it does to the case.

The most severe verdict wins: where stages are decided side by side, one rejection or one request
for changes ends the case, whatever others said before or would have said.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Outcome:
    """One row of the table, in the words that the documentation prints."""

    counts: bool
    needs_reason: bool
    needs_every_answer: bool
    effect: str


OUTCOMES: Mapping[str, Outcome] = MappingProxyType(
    {
        "approve": Outcome(
            counts=True,
            needs_reason=False,
            needs_every_answer=True,
            effect="when the stage has its quorum: the next position opens, or the case is "
            "approved",
        ),
        "approve_with_changes": Outcome(
            counts=True,
            needs_reason=True,
            needs_every_answer=True,
            effect="as approve; the changes concern what goes with the image, never its bytes, "
            "and nothing is published until somebody other than the requester confirmed them",
        ),
        "request_changes": Outcome(
            counts=False,
            needs_reason=True,
            needs_every_answer=False,
            effect="the case ends at once with changes requested; a new image, whose subject "
            "names this one as its parent, opens a new case",
        ),
        "reject": Outcome(
            counts=False,
            needs_reason=True,
            needs_every_answer=False,
            effect="the case ends at once, rejected, whatever others said",
        ),
    }
)
# The verdicts that count toward a stage's quorum.
APPROVING = tuple(verdict for verdict, outcome in OUTCOMES.items() if outcome.counts)


def counts(verdict: str) -> bool:
    """Tell whether a verdict counts toward the quorum.

    >>> [verdict for verdict in OUTCOMES if counts(verdict)]
    ['approve', 'approve_with_changes']
    """
    return verdict in APPROVING


def decision_table() -> str:
    """Print the table in Markdown, for the documentation."""
    rows = [
        "| verdict | counts toward the quorum | needs a reason | checklist | what it does |",
        "|---|---|---|---|---|",
    ]
    rows += [
        f"| {verdict} | {_yes(row.counts)} | {_yes(row.needs_reason)} | "
        f"{'every item, none “no”' if row.needs_every_answer else 'may be partial'} | "
        f"{row.effect} |"
        for verdict, row in OUTCOMES.items()
    ]
    return "\n".join(rows)


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"
