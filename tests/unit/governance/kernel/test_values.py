"""The kernel's small values: actors, the clock, digests and identities."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.kernel import clock, digests, ids
from governance.kernel.actors import SYSTEM, Actor, ActorKind
from governance.kernel.errors import DomainError, InvalidInput, NotFound
from governance.kernel.roles import Role

BRAND, OTHER_BRAND, ME = UUID(int=1), UUID(int=2), UUID(int=3)


class TestActor:
    def test_holds_a_role_in_its_brand_only(self) -> None:
        actor = Actor(ME, roles={BRAND: frozenset({Role.MARKETER})})
        assert actor.holds(Role.MARKETER, BRAND)
        assert not actor.holds(Role.MARKETER, OTHER_BRAND)
        assert not actor.holds(Role.MARKETER, None)
        assert not actor.holds(Role.AUDITOR, BRAND)

    def test_is_admin_by_the_flag_and_never_by_a_brands_role(self) -> None:
        assert Actor(ME, is_platform_admin=True).holds(Role.PLATFORM_ADMIN, None)
        listed = Actor(ME, roles={BRAND: frozenset({Role.PLATFORM_ADMIN})})
        assert not listed.holds(Role.PLATFORM_ADMIN, BRAND)

    def test_names_the_brands_of_its_roles(self) -> None:
        actor = Actor(
            ME, roles={BRAND: frozenset({Role.MARKETER}), OTHER_BRAND: frozenset({Role.AUDITOR})}
        )
        assert actor.brands() == {BRAND, OTHER_BRAND}
        assert actor.brands(Role.AUDITOR, Role.BRAND_MANAGER) == {OTHER_BRAND}

    def test_the_system_is_nobody(self) -> None:
        assert (SYSTEM.kind, SYSTEM.brands(), SYSTEM.is_platform_admin) == (
            ActorKind.SYSTEM,
            frozenset(),
            False,
        )


class TestClock:
    def test_is_aware_and_in_utc(self) -> None:
        assert clock.now().utcoffset() == timedelta(0)

    def test_writes_every_zone_as_utc(self) -> None:
        berlin = timezone(timedelta(hours=1))
        assert clock.isoformat(datetime(2026, 1, 2, 1, tzinfo=berlin)) == (
            "2026-01-02T00:00:00.000000Z"
        )

    def test_refuses_a_time_without_a_zone(self) -> None:
        with pytest.raises(ValueError, match="zone"):
            clock.isoformat(datetime(2026, 1, 2, tzinfo=UTC).replace(tzinfo=None))


class TestDigests:
    @given(st.dictionaries(st.text(), st.integers(-(2**53) + 1, 2**53 - 1) | st.text()))
    def test_the_same_facts_give_the_same_bytes(self, facts: dict[str, object]) -> None:
        backwards = dict(reversed(facts.items()))
        assert digests.canonical_json(facts) == digests.canonical_json(backwards)

    @given(st.binary())
    def test_a_digest_is_a_digest(self, data: bytes) -> None:
        assert digests.is_sha256(digests.sha256_hex(data))

    @pytest.mark.parametrize("text", ["", "0" * 63, "0" * 65, "A" * 64, "g" * 64, " " * 64])
    def test_nothing_else_is(self, text: str) -> None:
        assert not digests.is_sha256(text)


class TestIds:
    def test_follow_each_other(self) -> None:
        made = [ids.uuid7() for _ in range(1000)]
        assert made == sorted(set(made))
        assert {one.version for one in made} == {7}


def test_errors_carry_a_code_a_status_and_facts() -> None:
    error = InvalidInput("Too long.", pointer="/name", rule="max_length")
    assert (error.code, error.status, error.pointer) == ("invalid_input", 400, "/name")
    assert (str(error), error.facts) == ("Too long.", {"rule": "max_length"})
    assert (NotFound.status, DomainError.status) == (404, 422)
