"""Every guard of people, roles and keys, attacked in SQL: each one refuses, and only it does."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import pytest
from imprimatur.accounts import guards, selectors, services

from governance.kernel.actors import Actor
from governance.kernel.ids import uuid7
from governance.kernel.roles import Role
from tests.factories import people
from tests.promises import attacks
from tests.promises.attacks import (
    Attack,
    bound,
    change,
    constraint,
    copied,
    count,
    delete,
    insert,
    replace,
)

pytestmark = pytest.mark.django_db(transaction=True)
LATER = people.NOW + timedelta(days=1)


@dataclass(frozen=True)
class Scene:
    """Ada and Marta with roles and keys, held and revoked, and a person whom nothing points to."""

    ada: UUID
    loner: UUID
    brand_id: UUID
    membership: UUID
    revoked_membership: UUID
    key: UUID
    revoked_key: UUID
    fresh: UUID


@pytest.fixture
def scene(ada: Actor, brand_id: UUID) -> Scene:
    user = people.add(ada, "marta", brand_id=brand_id, roles=[Role.MARKETER, Role.BRAND_REVIEWER])
    held, revoked = selectors.list_memberships(ada, user_id=user.id)
    services.revoke_role(actor=ada, membership_id=revoked.id, now=people.NOW)
    key, _ = people.key(people.acting("marta"), "brands:brand:read")
    revoked_key, _ = people.key(people.acting("marta"), "brands:brand:read")
    services.revoke_key(
        actor=people.acting("marta"), key_id=revoked_key.id, now=revoked_key.created_at
    )
    return Scene(
        ada=ada.id,
        loner=people.add(ada, "linus").id,
        brand_id=brand_id,
        membership=held.id,
        revoked_membership=revoked.id,
        key=key.id,
        revoked_key=revoked_key.id,
        fresh=uuid7(),
    )


def remade(table: str, row: UUID, **changes: object) -> None:
    """Put a changed copy of a row in its place."""
    replace(table, key="id", **{**copied(table, row), **changes})


def another(table: str, row: UUID, scene: Scene, **changes: object) -> None:
    """Insert a changed copy of a row beside it."""
    insert(table, **{**copied(table, row), "id": scene.fresh, **changes})


def rewritten(table: str, column: str, row: str, value: object) -> Attack[Scene]:
    """Change one column that is fixed when the row is made."""
    return Attack(
        f"{table}.{column} is rewritten",
        [f"{table}_frozen"],
        lambda s: change(table, getattr(s, row), **{column: value}),
        lambda s: count(table, id=getattr(s, row), **{column: value}) == 1,
    )


def gone(table: str, row: str) -> Attack[Scene]:
    """Delete a row."""
    return Attack(
        f"a row of {table} vanishes",
        [f"{table}_never_deleted"],
        lambda s: delete(table, getattr(s, row)),
        lambda s: count(table, id=getattr(s, row)) == 0,
    )


USER, MEMBERSHIP, KEY = "accounts_user", "accounts_membership", "accounts_apikey"
ATTACKS: list[Attack[Scene]] = [
    gone(USER, "loner"),
    gone(MEMBERSHIP, "membership"),
    gone(KEY, "key"),
    Attack(
        "a person is replaced by another of the same id",
        [f"{USER}_never_deleted"],
        lambda s: remade(USER, s.loner, username="mallory"),
        lambda s: count(USER, id=s.loner, username="mallory") == 1,
        vendor="sqlite",
    ),
    rewritten(USER, "created_at", "loner", LATER),
    rewritten(MEMBERSHIP, "role", "membership", "auditor"),
    Attack(
        "a grant moves to somebody else",
        [f"{MEMBERSHIP}_frozen"],
        lambda s: change(MEMBERSHIP, s.membership, user_id=s.loner),
        lambda s: count(MEMBERSHIP, id=s.membership, user_id=s.loner) == 1,
    ),
    Attack(
        "who granted it is rewritten",
        [f"{MEMBERSHIP}_frozen"],
        lambda s: change(MEMBERSHIP, s.membership, granted_by=s.fresh),
        lambda s: count(MEMBERSHIP, id=s.membership, granted_by=s.fresh) == 1,
    ),
    Attack(
        "a role in a brand that does not exist",
        [bound(MEMBERSHIP, "brand_id")],
        lambda s: another(MEMBERSHIP, s.membership, s, brand_id=s.fresh),
        lambda s: count(MEMBERSHIP, id=s.fresh) == 1,
    ),
    Attack(
        "a revoked grant revives",
        [f"{MEMBERSHIP}_stays_revoked"],
        lambda s: change(MEMBERSHIP, s.revoked_membership, revoked_at=None, revoked_by=None),
        lambda s: _is_live(MEMBERSHIP, s.revoked_membership),
    ),
    Attack(
        "a role that one grants to oneself",
        [constraint(MEMBERSHIP, "membership_granted_by_another")],
        lambda s: another(MEMBERSHIP, s.membership, s, user_id=s.ada, granted_by=s.ada),
        lambda s: count(MEMBERSHIP, id=s.fresh) == 1,
    ),
    rewritten(KEY, "secret_sha256", "key", "0" * 64),
    rewritten(KEY, "prefix", "key", "0" * 12),
    rewritten(KEY, "expires_at", "key", people.NOW + timedelta(days=3650)),
    Attack(
        "a key's scopes widen",
        [f"{KEY}_frozen"],
        lambda s: change(KEY, s.key, scopes='["quota:account:read"]'),
        lambda s: "quota" in str(copied(KEY, s.key)["scopes"]),
    ),
    Attack(
        "a key acts as somebody else",
        [f"{KEY}_frozen"],
        lambda s: change(KEY, s.key, user_id=s.ada),
        lambda s: count(KEY, id=s.key, user_id=s.ada) == 1,
    ),
    Attack(
        "a key for a brand that does not exist",
        [f"{KEY}_brand_exists"],
        lambda s: another(KEY, s.key, s, prefix="f" * 12, brand_id=s.fresh),
        lambda s: count(KEY, id=s.fresh) == 1,
    ),
    Attack(
        "a revoked key revives",
        [f"{KEY}_stays_revoked"],
        lambda s: change(KEY, s.revoked_key, revoked_at=None),
        lambda s: _is_live(KEY, s.revoked_key),
    ),
]


def _is_live(table: str, row: UUID) -> bool:
    return copied(table, row)["revoked_at"] is None


class TestGuards:
    def test_refuse_what_only_they_refuse(self, scene: Scene, subtests: pytest.Subtests) -> None:
        attacks.play(ATTACKS, scene, subtests)

    def test_are_all_attacked(self) -> None:
        attacked = {name for attack in ATTACKS for name in attack.refused_by}
        assert {guard.name for guard in guards.GUARDS} <= attacked
