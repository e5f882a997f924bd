"""Lifecycles: a move exists or it does not, and the diagram shows each of them once."""

import pytest

from governance.kernel.lifecycle import IllegalTransition, Lifecycle, Transition

DOOR = Lifecycle(
    "door", {"close": {"open": "closed"}, "lock": {"closed": "locked"}, "open": {"closed": "open"}}
)
STATES = ("open", "closed", "locked")


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("act", ["close", "lock", "open", "burn"])
def test_only_the_moves_of_the_table_exist(act: str, state: str) -> None:
    target = DOOR.moves.get(act, {}).get(state)
    if target is None:
        with pytest.raises(IllegalTransition) as refusal:
            DOOR.target(act, state)
        assert refusal.value.facts == {"act": act, "state": state}
        assert refusal.value.status == 409
    else:
        assert DOOR.target(act, state) == Transition(act, state, target)


def test_the_diagram_draws_every_move_once() -> None:
    assert DOOR.diagram().splitlines() == [
        "stateDiagram-v2",
        "    open --> closed: close",
        "    closed --> locked: lock",
        "    closed --> open: open",
    ]
