"""The life of an item as a whole table: every act from every state, allowed or refused."""

import itertools

import pytest

from generation.jobs.guards import GUARDS
from generation.jobs.states import ITEM, OPEN_STATES, REPLAY, ItemState, ReplayState
from governance.kernel.lifecycle import IllegalTransition

# act: {state it is read in: state it goes to}; what is not here is refused.
TABLE = {
    "claim": {"queued": "leased", "leased": "leased"},
    "expire": {"leased": "queued"},
    "submit": {"leased": "in_review", "held": "in_review"},
    "refuse": {"leased": "refused", "held": "refused"},
    "hold": {"leased": "held"},
    "overturn": {"refused": "in_review"},
    "fail": {"queued": "failed", "leased": "failed"},
    "cancel": {"queued": "cancelled", "leased": "cancelled"},
}
STATES = ("queued", "leased", "in_review", "refused", "held", "failed", "cancelled")
# A refused item leaves only by an override, which `jobs_item_refused_until_overridden` asks for.
OVER = ("in_review", "failed", "cancelled")


class TestItem:
    @pytest.mark.parametrize(("act", "state"), list(itertools.product(TABLE, STATES)))
    def test_moves_as_the_table_says_and_not_otherwise(self, act: str, state: str) -> None:
        target = TABLE[act].get(state)
        if target is None:
            with pytest.raises(IllegalTransition):
                ITEM.target(act, state)
        else:
            assert ITEM.target(act, state).target == target

    def test_has_no_act_and_no_state_beyond_the_table(self) -> None:
        assert set(ITEM.moves) == set(TABLE)
        assert set(ItemState.values) == set(STATES)

    def test_stays_over_in_the_table_and_in_the_database(self) -> None:
        leavable = {state for moves in TABLE.values() for state in moves}
        assert leavable.isdisjoint(OVER)
        guard = next(g for g in GUARDS if g.name == "jobs_item_moves")
        text = guard.pieces("sqlite")[0].create
        assert {state for state in STATES if f"OLD.state = '{state}'" in text} == leavable

    def test_is_open_while_a_worker_may_still_come(self) -> None:
        assert set(OPEN_STATES) == {"queued", "leased"}


REPLAYS = {
    "claim": {"queued": "leased", "leased": "leased"},
    "expire": {"leased": "queued"},
    "finish": {"leased": "done"},
    "fail": {"queued": "failed", "leased": "failed"},
}
REPLAY_STATES = ("queued", "leased", "done", "failed")


class TestReplay:
    @pytest.mark.parametrize(("act", "state"), list(itertools.product(REPLAYS, REPLAY_STATES)))
    def test_moves_as_the_table_says_and_not_otherwise(self, act: str, state: str) -> None:
        target = REPLAYS[act].get(state)
        if target is None:
            with pytest.raises(IllegalTransition):
                REPLAY.target(act, state)
        else:
            assert REPLAY.target(act, state).target == target

    def test_has_no_act_and_no_state_beyond_the_table(self) -> None:
        assert set(REPLAY.moves) == set(REPLAYS)
        assert set(ReplayState.values) == set(REPLAY_STATES)
