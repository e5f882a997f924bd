"""Whether people suffice for a policy, against trying every way to seat them."""

from itertools import combinations
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from governance.review.satisfiability import Need, lacking, stranded

PEOPLE = [UUID(int=number) for number in range(1, 6)]
ANNA, BEN, CLEO, DAN, EVE = PEOPLE


def _need(stage: str, quorum: int, *people: UUID) -> Need:
    return Need(stage, quorum, frozenset(people))


def _can_be_met(needs: list[Need], free: frozenset[UUID]) -> bool:
    """Try every choice of people for the first stage, then for those that are left."""
    if not needs:
        return True
    return any(
        _can_be_met(needs[1:], free - set(chosen))
        for chosen in combinations(needs[0].people & free, needs[0].quorum)
    )


NEEDS = st.lists(
    st.builds(
        Need,
        st.sampled_from(["brand", "legal", "market"]),
        st.integers(1, 3),
        st.frozensets(st.sampled_from(PEOPLE)),
    ),
    max_size=4,
)


class TestLacking:
    @settings(max_examples=400)
    @given(NEEDS, st.sampled_from([None, *PEOPLE]))
    def test_agrees_with_trying_everything(self, needs: list[Need], without: UUID | None) -> None:
        free = frozenset(PEOPLE) - {without}
        assert (lacking(needs, without) == ()) is _can_be_met(needs, free)

    def test_moves_somebody_so_that_both_stages_are_met(self) -> None:
        assert lacking([_need("any", 1, ANNA, BEN), _need("anna", 1, ANNA)]) == ()

    def test_names_what_stays_open(self) -> None:
        both = [_need("brand", 1, ANNA), _need("legal", 1, ANNA)]
        assert lacking(both) == ("legal",)
        assert lacking([_need("brand", 2, ANNA)]) == ("brand",)
        assert lacking([_need("brand", 1)]) == ("brand",)

    def test_stays_quick_with_thousands(self) -> None:
        crowd = frozenset(UUID(int=number) for number in range(10_000))
        assert lacking([Need(str(place), 9, crowd) for place in range(9)]) == ()


class TestStranded:
    def test_names_those_who_are_needed_for_their_own_orders(self) -> None:
        needs = [_need("brand", 1, ANNA), _need("legal", 1, BEN, CLEO)]
        assert stranded(needs, [ANNA, BEN, DAN]) == {ANNA}

    def test_names_everybody_where_nobody_suffices(self) -> None:
        assert stranded([_need("brand", 2, ANNA)], [ANNA, BEN]) == {ANNA, BEN}

    @given(NEEDS, st.frozensets(st.sampled_from(PEOPLE)))
    def test_is_what_leaving_each_out_says(
        self, needs: list[Need], requesters: frozenset[UUID]
    ) -> None:
        assert stranded(needs, requesters) == {
            one for one in requesters if not _can_be_met(needs, frozenset(PEOPLE) - {one})
        }
