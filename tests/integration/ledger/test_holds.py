"""Legal holds: placed with a reason, lifted by another, and stronger than any erasure."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.errors import NotFound
from governance.kernel.ids import uuid7
from governance.kernel.roles import Role
from governance.ledger import selectors, services, verifier
from governance.ledger.errors import HoldReasonMissing
from governance.ledger.events import Event
from governance.policy.permits import NotPermitted
from governance.sealing import keys
from governance.sealing import services as sealing
from governance.sealing.errors import HoldLifted, HoldStands, PersonHeld
from governance.sealing.models import PersonHold
from tests.integration.ledger.log import NOW, Signing

pytestmark = pytest.mark.django_db(transaction=True)

REASON = "A court asked for everything about this person."


@pytest.fixture(autouse=True)
def sealing_key(settings: Any, tmp_path: Path) -> None:
    settings.SEALING_KEY_FILE = tmp_path / "sealing" / "kek"
    keys.make_sealing_key(settings.SEALING_KEY_FILE)


def holding(role: Role, *brands: UUID) -> Actor:
    return Actor(id=uuid7(), roles=dict.fromkeys(brands, frozenset({role})))


@pytest.fixture
def brand_id() -> UUID:
    return uuid7()


@pytest.fixture
def steward(brand_id: UUID) -> Actor:
    return holding(Role.DATA_STEWARD, brand_id)


@pytest.fixture
def other_steward(brand_id: UUID) -> Actor:
    return holding(Role.DATA_STEWARD, brand_id)


@pytest.fixture
def person_id() -> UUID:
    person_id = uuid7()
    sealing.seal(person_id=person_id, text="Jane", purpose="test")
    return person_id


def place(steward: Actor, person_id: UUID, brand_id: UUID, reason: str = REASON) -> UUID:
    held = services.hold_person(
        actor=steward, person_id=person_id, brand_id=brand_id, reason=reason, now=NOW
    )
    return held.id


def lift(actor: Actor, hold_id: UUID, reason: str = "The court is done.") -> None:
    services.lift_hold(actor=actor, hold_id=hold_id, reason=reason, now=NOW)


def erase(actor: Actor, person_id: UUID, brand_id: UUID) -> services.Erasure:
    return services.erase_person(actor=actor, person_id=person_id, brand_id=brand_id, now=NOW)


class TestHold:
    def test_refuses_an_erasure_until_it_is_lifted(
        self, steward: Actor, other_steward: Actor, person_id: UUID, brand_id: UUID
    ) -> None:
        hold_id = place(steward, person_id, brand_id)
        for actor in (steward, other_steward):
            with pytest.raises(PersonHeld):
                erase(actor, person_id, brand_id)
        lift(other_steward, hold_id)
        assert erase(steward, person_id, brand_id).key_id is not None

    def test_of_another_brand_holds_too(
        self, steward: Actor, person_id: UUID, brand_id: UUID
    ) -> None:
        foreign = uuid7()
        place(holding(Role.DATA_STEWARD, foreign), person_id, foreign)
        with pytest.raises(PersonHeld):
            erase(steward, person_id, brand_id)
        assert erase(steward, uuid7(), brand_id).key_id is None

    def test_is_recorded_with_its_reason_sealed(
        self, steward: Actor, other_steward: Actor, person_id: UUID, brand_id: UUID
    ) -> None:
        hold_id = place(steward, person_id, brand_id)
        lift(other_steward, hold_id)
        entries = selectors.list_entries(actor=SYSTEM, subject_id=person_id).entries
        assert [entry.event for entry in entries] == [
            Event.LEDGER_HOLD_LIFTED,
            Event.LEDGER_HOLD_PLACED,
        ]
        assert all(entry.content()["facts"] == {"hold": str(hold_id)} for entry in entries)
        assert all(b"court" not in entry.body for entry in entries)
        (held,) = selectors.list_holds(person_id, actor=steward)
        assert (held.reason, held.lift_reason) == (REASON, "The court is done.")
        assert (held.placed_by, held.lifted_by) == (steward.id, other_steward.id)

    def test_stands_once_in_a_brand(
        self, steward: Actor, other_steward: Actor, person_id: UUID, brand_id: UUID
    ) -> None:
        hold_id = place(steward, person_id, brand_id)
        with pytest.raises(HoldStands):
            place(other_steward, person_id, brand_id)
        lift(other_steward, hold_id)
        assert place(steward, person_id, brand_id) != hold_id

    def test_is_lifted_by_another_once(
        self, steward: Actor, other_steward: Actor, person_id: UUID, brand_id: UUID
    ) -> None:
        hold_id = place(steward, person_id, brand_id)
        with pytest.raises(NotPermitted):
            lift(steward, hold_id)
        lift(other_steward, hold_id)
        with pytest.raises(HoldLifted):
            lift(other_steward, hold_id)

    @pytest.mark.parametrize("reason", ["", " \n"])
    def test_needs_a_reason(
        self,
        steward: Actor,
        other_steward: Actor,
        person_id: UUID,
        brand_id: UUID,
        reason: str,
    ) -> None:
        with pytest.raises(HoldReasonMissing):
            place(steward, person_id, brand_id, reason)
        hold_id = place(steward, person_id, brand_id)
        with pytest.raises(HoldReasonMissing):
            lift(other_steward, hold_id, reason)
        assert PersonHold.objects.filter(lifted_at__isnull=True).count() == 1

    @pytest.mark.parametrize("role", sorted(set(Role) - {Role.DATA_STEWARD}))
    def test_is_for_data_stewards(
        self, steward: Actor, person_id: UUID, brand_id: UUID, role: Role
    ) -> None:
        other = holding(role, brand_id)
        with pytest.raises(NotPermitted):
            place(other, person_id, brand_id)
        hold_id = place(steward, person_id, brand_id)
        with pytest.raises(NotPermitted if role is Role.AUDITOR else NotFound):
            lift(other, hold_id)
        seen = selectors.list_holds(person_id, actor=other)
        assert len(seen) == (1 if role is Role.AUDITOR else 0)

    def test_of_another_brand_is_not_seen_and_not_lifted(
        self, steward: Actor, person_id: UUID, brand_id: UUID
    ) -> None:
        hold_id = place(steward, person_id, brand_id)
        foreign = holding(Role.DATA_STEWARD, uuid7())
        assert selectors.list_holds(person_id, actor=foreign) == ()
        for missing in (hold_id, uuid7()):
            with pytest.raises(NotFound):
                lift(foreign, missing)


class TestErasure:
    def test_leaves_a_log_that_verifies_like_before(
        self, steward: Actor, person_id: UUID, brand_id: UUID, signing: Signing, tmp_path: Path
    ) -> None:
        sealed = sealing.seal(person_id=person_id, text="too much skin", purpose="test")
        hold_id = place(steward, person_id, brand_id)
        kept = tmp_path / "kept"
        kept.write_text(signing.grow(3))
        services.export(folder=tmp_path / "log")
        before = selectors.size_and_root()
        lift(holding(Role.DATA_STEWARD, brand_id), hold_id)
        erase(steward, person_id, brand_id)
        assert selectors.size_and_root() == before
        signing.grow(1)
        services.export(folder=tmp_path / "log")
        given = ["export", str(tmp_path / "log"), "--key", str(signing.key)]
        assert verifier.main([*given, "--earlier", str(kept)]) == 0
        assert services.fsck(key=signing.key).is_sound
        assert sealing.reveal(sealed=sealed, purpose="test") is None
