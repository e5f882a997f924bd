"""The life of an appeal as a whole table, and which refusals can be overridden at all."""

import itertools

import pytest

from governance.kernel.lifecycle import IllegalTransition
from governance.kernel.roles import Role
from governance.refusals.guards import GUARDS
from governance.refusals.states import APPEAL, OVERRIDABLE_BY, AppealState, Ruling, Stage

TABLE = {
    "uphold": {"open": "upheld"},
    "overturn": {"open": "overturned"},
    "withdraw": {"open": "withdrawn"},
}
STATES = ("open", "upheld", "overturned", "withdrawn")


class TestAppeal:
    @pytest.mark.parametrize(("act", "state"), list(itertools.product(TABLE, STATES)))
    def test_moves_as_the_table_says_and_not_otherwise(self, act: str, state: str) -> None:
        target = TABLE[act].get(state)
        if target is None:
            with pytest.raises(IllegalTransition):
                APPEAL.target(act, state)
        else:
            assert APPEAL.target(act, state).target == target

    def test_has_no_act_and_no_state_beyond_the_table(self) -> None:
        assert set(APPEAL.moves) == set(TABLE)
        assert set(AppealState.values) == set(STATES)
        assert set(Ruling.values) == set(TABLE) - {"withdraw"}

    def test_leaves_only_the_open_state_in_the_database_too(self) -> None:
        guard = next(g for g in GUARDS if g.name == "refusals_appeal_moves")
        text = guard.pieces("sqlite")[0].create
        assert [state for state in STATES if f"OLD.state = '{state}'" in text] == ["open"]


class TestOverridable:
    def test_are_judgements_alone_and_by_the_compliance_stage_alone(self) -> None:
        assert dict(OVERRIDABLE_BY) == {
            Stage.PROMPT: Role.COMPLIANCE_REVIEWER,
            Stage.IMAGE: Role.COMPLIANCE_REVIEWER,
        }
