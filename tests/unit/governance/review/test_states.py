"""The review case's lifecycle, whole and literal."""

import pytest

from governance.kernel.lifecycle import IllegalTransition
from governance.review import guards
from governance.review.states import REVIEW_CASE, CaseState, Verdict

# DOMAIN: open → approved | rejected | changes_requested;  open, approved → voided
LITERAL = {
    ("approve", "open"): "approved",
    ("approve_with_changes", "open"): "approved",
    ("reject", "open"): "rejected",
    ("request_changes", "open"): "changes_requested",
    ("void", "open"): "voided",
    ("void", "approved"): "voided",
}


@pytest.mark.parametrize("state", CaseState.values)
@pytest.mark.parametrize("act", [*Verdict.values, "void", "open"])
def test_moves_as_the_table_says(act: str, state: str) -> None:
    target = LITERAL.get((act, state))
    if target is None:
        with pytest.raises(IllegalTransition):
            REVIEW_CASE.target(act, state)
    else:
        assert REVIEW_CASE.target(act, state).target == target


def test_every_verdict_is_an_act() -> None:
    assert set(Verdict.values) <= set(REVIEW_CASE.moves)


def test_the_database_allows_the_same_moves() -> None:
    (guard,) = [guard for guard in guards.GUARDS if guard.name == "review_case_moves"]
    (piece,) = guard.pieces("sqlite")
    for (_act, source), target in LITERAL.items():
        assert f"(OLD.state = '{source}' AND NEW.state = '{target}')" in piece.create
    arcs = {(state, target) for (_act, state), target in LITERAL.items()}
    assert piece.create.count("OLD.state = ") == len(arcs)
