"""Reads of scorers' cards: what is known of each scorer where none can be loaded."""

from generation.registry.models import ScorerCardRow
from generation.registry.records import ScorerCard


def list_scorer_cards() -> tuple[ScorerCard, ...]:
    """Return the newest card of each scorer, by its id."""
    newest: dict[str, ScorerCardRow] = {}
    for row in ScorerCardRow.objects.order_by("pk"):
        newest[row.scorer] = row
    return tuple(card_record(newest[scorer]) for scorer in sorted(newest))


def card_record(row: ScorerCardRow) -> ScorerCard:
    """Return the row as a frozen record."""
    return ScorerCard(
        scorer=row.scorer,
        version=row.version,
        title=row.title,
        higher_is=row.higher_is,
        low=row.low,
        high=row.high,
        inputs=tuple(row.inputs),
        cost_ms=row.cost_ms,
        licence=row.licence,
        weights_sha256=row.weights_sha256 or None,
        package=row.package,
    )
