"""What waits for a person: the riskiest first, then what is due first; found in one index.

Each seat carries a copy of what orders the queue, so that a page costs one short walk through the
index for each audience of the person, however many cases are open. The walks are one statement in
SQL: composing it anew for each question took longer than the database needs to answer it.
"""
# ruff: noqa: S608 - the SQL here is made of our own constants, and values are bound

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import connection

from governance.kernel.actors import Actor
from governance.review.models import Seat
from governance.review.outcomes import APPROVING
from governance.review.selectors._asked import audiences_of

# What a seat without a due time has there: it comes last, and no database orders it otherwise.
NEVER_DUE = datetime(9999, 1, 1, tzinfo=UTC)

_NOW = {
    "postgresql": "STATEMENT_TIMESTAMP()",
    "sqlite": "STRFTIME('%%Y-%%m-%%d %%H:%%M:%%f', 'NOW')",
}
_DECIDABLE = (
    "SELECT -p.risk AS calm, p.due_at, p.id, t.case_id FROM review_seat p "
    "JOIN review_turn t ON t.id = p.turn_id JOIN review_case k ON k.id = t.case_id "
    "WHERE p.brand_id = %s AND p.audience = %s AND p.closed_at IS NULL "
    "AND NOT EXISTS (SELECT 1 FROM review_contribution c "
    "WHERE c.subject_id = k.subject_id AND c.actor_id = %s) "
    "AND NOT EXISTS (SELECT 1 FROM review_decision d "
    "WHERE d.case_id = t.case_id AND d.reviewer_id = %s)"
)
_OF_MARKET = " AND k.market = %s"
# The turn lacks more decisions than others look at it.
_WITH_A_PLACE = (
    " AND (SELECT s.quorum FROM review_stage s WHERE s.id = t.stage_id) > "
    "(SELECT COUNT(*) FROM review_claim l WHERE l.turn_id = t.id AND l.until > {now} "
    "AND l.person_id <> %s) + (SELECT COUNT(*) FROM review_decision d WHERE d.case_id = t.case_id "
    f"AND d.stage_id = t.stage_id AND d.verdict IN ({', '.join(map(repr, APPROVING))}))"
)
# The person has no earlier seat in the same case, by another audience or in another stage.
_ONCE_FOR_A_CASE = (
    " AND NOT EXISTS (SELECT 1 FROM review_seat e JOIN review_turn o ON o.id = e.turn_id "
    "WHERE o.case_id = t.case_id AND e.closed_at IS NULL AND e.id < p.id "
    "AND e.brand_id = p.brand_id AND e.audience IN ({audiences}))"
)
_BEHIND = (
    " AND p.risk <= %s AND (p.risk < %s OR (p.risk = %s AND (p.due_at > %s "
    "OR (p.due_at = %s AND p.id > %s))))"
)
_IN_ORDER = " ORDER BY p.risk DESC, p.due_at, p.id LIMIT %s"


def waiting_for(
    actor: Actor,
    *,
    brand_id: UUID | None = None,
    market: str | None = None,
    after: UUID | None = None,
    unclaimed: bool = False,
    limit: int = 1,
) -> list[UUID]:
    """Return up to `limit` cases that the actor may decide now, in the queue's order.

    With `unclaimed`, only those that still have a place beside those who look at them already.
    `after` is the last case of the page before.
    """
    brands = {
        brand: asked
        for brand, asked in audiences_of(actor).items()
        if brand_id is None or brand == brand_id
    }
    last = None if after is None else _seat_in(brands, after)
    if not brands or (after is not None and last is None):
        return []
    walks: list[str] = []
    values: list[Any] = []
    for brand, asked in brands.items():
        narrowed, bound = _narrowed(actor, asked, last, market, unclaimed=unclaimed, limit=limit)
        for audience in asked:
            walks.append(f"SELECT * FROM ({_DECIDABLE}{narrowed}{_IN_ORDER}) AS w{len(walks)}")
            values += [_id(brand), audience, _id(actor.id), _id(actor.id), *bound, limit]
    with connection.cursor() as cursor:
        cursor.execute(f"{' UNION ALL '.join(walks)} ORDER BY calm, due_at, id", values)
        found = dict.fromkeys(UUID(str(case_id)) for *_place, case_id in cursor.fetchall())
    return list(found)[:limit]


def _narrowed(
    actor: Actor,
    asked: Collection[str],
    last: Seat | None,
    market: str | None,
    *,
    unclaimed: bool,
    limit: int,
) -> tuple[str, list[Any]]:
    """Return what narrows each walk in a brand, and the values bound in it."""
    sql = ""
    values: list[Any] = []
    if market is not None:
        sql += _OF_MARKET
        values.append(market)
    if unclaimed:
        sql += _WITH_A_PLACE.format(now=_NOW[connection.vendor])
        values.append(_id(actor.id))
    if limit > 1:
        sql += _ONCE_FOR_A_CASE.format(audiences=", ".join(["%s"] * len(asked)))
        values += asked
    if last is not None:
        due_at = connection.ops.adapt_datetimefield_value(last.due_at)
        sql += _BEHIND
        values += [last.risk, last.risk, last.risk, due_at, due_at, _id(last.id)]
    return sql, values


def _seat_in(brands: Mapping[UUID, Collection[str]], case_id: UUID) -> Seat | None:
    """Return the person's first seat in a case, also one that is closed; None if they had none."""
    seats = Seat.objects.filter(turn__case_id=case_id).order_by("id")
    return next((seat for seat in seats if seat.audience in brands.get(seat.brand_id, ())), None)


def _id(value: UUID) -> Any:
    """Return an id as this database keeps it."""
    return value if connection.features.has_native_uuid_field else value.hex
