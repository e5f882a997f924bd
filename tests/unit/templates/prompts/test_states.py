"""The life of a template version, as a literal table: every act from every state."""

import pytest

from governance.kernel.lifecycle import IllegalTransition
from templates.prompts.states import TEMPLATE_VERSION, VersionState

TABLE = {
    ("submit", "draft"): "in_review",
    ("submit", "in_review"): None,
    ("submit", "released"): None,
    ("submit", "retired"): None,
    ("release", "draft"): None,
    ("release", "in_review"): "released",
    ("release", "released"): None,
    ("release", "retired"): None,
    ("retire", "draft"): "retired",
    ("retire", "in_review"): "retired",
    ("retire", "released"): "retired",
    ("retire", "retired"): None,
}


class TestTemplateVersion:
    @pytest.mark.parametrize(("act", "source"), sorted(TABLE))
    def test_moves_as_the_table_says_and_nowhere_else(self, act: str, source: str) -> None:
        target = TABLE[act, source]
        if target is None:
            with pytest.raises(IllegalTransition):
                TEMPLATE_VERSION.target(act, source)
        else:
            assert TEMPLATE_VERSION.target(act, source).target == target

    def test_has_no_act_and_no_state_beside_the_table(self) -> None:
        assert {act for act, _ in TABLE} == set(TEMPLATE_VERSION.moves)
        assert {source for _, source in TABLE} == set(VersionState.values)
