"""Legal hold wins: while one stands, the database itself keeps the person's key.

Raw SQL as whoever the application is; without the guard, the very same statement destroys the key.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from governance.kernel.actors import Actor
from governance.kernel.ids import uuid7
from governance.kernel.roles import Role
from governance.ledger import services
from governance.sealing import keys
from governance.sealing import services as sealing
from governance.sealing.guards import HOLDS, TABLE
from governance.sealing.models import PersonHold, PersonKey
from tests.integration.ledger.log import NOW
from tests.promises import attacks
from tests.promises.attacks import Attack, change, constraint, copied, delete, insert

pytestmark = pytest.mark.django_db(transaction=True)


@dataclass(frozen=True)
class Held:
    """A person with a key under a hold, and a hold of another that was lifted."""

    key_id: UUID
    hold_id: UUID
    lifted_id: UUID
    steward_id: UUID


@pytest.fixture
def held(settings: Any, tmp_path: Path) -> Held:
    settings.SEALING_KEY_FILE = tmp_path / "kek"
    keys.make_sealing_key(settings.SEALING_KEY_FILE)
    brand_id, person_id, free_id = uuid7(), uuid7(), uuid7()
    steward, other = (
        Actor(id=uuid7(), roles={brand_id: frozenset({Role.DATA_STEWARD})}) for _ in range(2)
    )
    sealing.seal(person_id=person_id, text="Jane", purpose="test")
    made = [
        services.hold_person(
            actor=steward, person_id=person, brand_id=brand_id, reason="a case", now=NOW
        )
        for person in (person_id, free_id)
    ]
    services.lift_hold(actor=other, hold_id=made[1].id, reason="it is over", now=NOW)
    key = PersonKey.objects.get(person_id=person_id)
    return Held(key.id, made[0].id, made[1].id, steward.id)


def destroy(scene: Held) -> None:
    change(TABLE, scene.key_id, wrapped=None, destroyed_at=NOW, destroyed_by=scene.steward_id)


def lift(scene: Held, by: UUID) -> None:
    reason = bytes(PersonHold.objects.get(id=scene.hold_id).reason)
    change(HOLDS, scene.hold_id, lifted_at=NOW, lifted_by=by, lift_reason=reason)


def hold_again(scene: Held) -> None:
    insert(HOLDS, **{**copied(HOLDS, scene.hold_id), "id": uuid7()})


def is_destroyed(scene: Held) -> bool:
    return PersonKey.objects.get(id=scene.key_id).wrapped is None


ROWS = (
    Attack("destroy a held key", [f"{TABLE}_not_under_hold"], destroy, is_destroyed),
    Attack(
        "delete the hold",
        [f"{HOLDS}_never_deleted"],
        lambda scene: delete(HOLDS, scene.hold_id),
        lambda scene: not PersonHold.objects.filter(id=scene.hold_id).exists(),
    ),
    Attack(
        "lift one's own hold",
        [constraint(HOLDS, "hold_lifted_by_another_with_reason")],
        lambda scene: lift(scene, scene.steward_id),
        lambda scene: PersonHold.objects.get(id=scene.hold_id).lifted_by == scene.steward_id,
    ),
    Attack(
        "lift it without a reason",
        [constraint(HOLDS, "hold_lifted_by_another_with_reason")],
        lambda scene: change(HOLDS, scene.hold_id, lifted_at=NOW, lifted_by=uuid7()),
        lambda scene: PersonHold.objects.get(id=scene.hold_id).lifted_at is not None,
    ),
    Attack(
        "turn it to another person",
        [f"{HOLDS}_frozen"],
        lambda scene: change(HOLDS, scene.hold_id, person_id=uuid7()),
        lambda scene: (
            PersonHold.objects.get(id=scene.hold_id).person_id
            != PersonKey.objects.get(id=scene.key_id).person_id
        ),
    ),
    Attack(
        "rewrite who lifted one",
        [f"{HOLDS}_stays_lifted"],
        lambda scene: change(HOLDS, scene.lifted_id, lifted_by=UUID(int=1)),
        lambda scene: PersonHold.objects.get(id=scene.lifted_id).lifted_by == UUID(int=1),
    ),
    Attack(
        "a second hold in its place",
        [f"{HOLDS}_one_standing", constraint(HOLDS, "person_has_one_hold_in_a_brand")],
        hold_again,
        lambda _scene: PersonHold.objects.filter(lifted_at__isnull=True).count() == 2,
    ),
)


def test_every_attack_is_refused_and_has_its_control(held: Held, subtests: pytest.Subtests) -> None:
    attacks.play(ROWS, held, subtests)


def test_after_the_lifting_the_key_can_be_destroyed(held: Held) -> None:
    lift(held, uuid7())
    destroy(held)
    assert is_destroyed(held)
