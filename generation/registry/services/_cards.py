"""Commands on scorers' cards: written where scorers run, so that web knows them without loading."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime

from django.db import transaction

from generation.registry.models import ScorerCardRow
from generation.registry.records import ScorerCard
from generation.registry.selectors import list_scorer_cards
from governance.kernel.actors import Actor
from governance.kernel.subjects import SubjectRef
from governance.ledger import services as ledger
from governance.ledger.events import Event
from governance.policy.permissions import Permission
from governance.policy.permits import require
from governance.policy.predicates import Context


def record_scorer_cards(*, actor: Actor, cards: Iterable[ScorerCard], now: datetime) -> int:
    """Record what the scorers say of themselves, where that is new; return how many were.

    `actor` is whoever runs them: the worker. Each new card has its ledger entry.
    """
    require(actor, Permission.GENERATION_ITEM_RUN, Context())
    known = {card.scorer: card for card in list_scorer_cards()}
    new = [card for card in cards if known.get(card.scorer) != card]
    with transaction.atomic():
        for card in new:
            facts = {**asdict(card), "weights_sha256": card.weights_sha256 or ""}
            row = ScorerCardRow.objects.create(
                **{**facts, "inputs": list(card.inputs)}, created_at=now
            )
            ledger.append(
                actor=actor,
                event=Event.REGISTRY_SCORER_SEEN,
                subject=SubjectRef("scorer_card", row.id),
                now=now,
                facts={
                    name: str(facts[name])
                    for name in ("scorer", "version", "weights_sha256", "licence", "package")
                },
            )
    return len(new)
