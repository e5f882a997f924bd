import doctest
from typing import Any

import pytest

from governance.kernel.roles import Role
from governance.refusals import wording
from governance.refusals.states import OVERRIDABLE_BY, Stage


def explained(**changes: Any) -> str:
    facts = {
        "stage": "prompt",
        "reason": "The brand does not show alcohol",
        "scorer": "",
        "score": None,
        "threshold": None,
        "overridable_by": "compliance_reviewer",
    }
    return wording.explain(**(facts | changes))


class TestExplain:
    def test_keeps_the_promises_of_its_docstrings(self) -> None:
        assert doctest.testmod(wording).failed == 0

    def test_says_where_why_and_who_may_override(self) -> None:
        assert explained() == (
            "This was refused before any image was made. The brand does not show alcohol. "
            "Only a compliance reviewer who had no part in it may override this, "
            "and must give a reason. If you believe it is wrong, appeal."
        )

    def test_gives_the_measure_with_its_limit(self) -> None:
        text = explained(stage="image", scorer="nudity", score=0.91234, threshold=0.5)
        assert "nudity measured 0.912; the limit is 0.5." in text

    def test_gives_a_measure_without_a_limit(self) -> None:
        assert "nudity measured 0.5." in explained(scorer="nudity", score=0.5)

    @pytest.mark.parametrize("stage", list(OVERRIDABLE_BY))
    @pytest.mark.parametrize("role", list(Role))
    def test_names_whoever_may_override_a_judgement(self, stage: str, role: Role) -> None:
        text = explained(stage=stage, overridable_by=role.value)
        assert text.endswith("If you believe it is wrong, appeal.")

    @pytest.mark.parametrize(
        ("stage", "remedy"),
        [
            ("gate", "Nobody overrides the gate."),
            ("quota", "ask for more"),
            ("licence", "Choose another model"),
            ("rights", "Choose another one"),
        ],
    )
    @pytest.mark.parametrize("named", ["", "compliance_reviewer", "platform_admin"])
    def test_says_what_helps_where_nobody_may_override(
        self, stage: str, remedy: str, named: str
    ) -> None:
        text = explained(stage=stage, overridable_by=named)
        assert remedy in text
        assert "Nobody overrides" in text
        assert "appeal" not in text

    def test_has_words_for_every_stage(self) -> None:
        for stage in Stage.values:
            named = OVERRIDABLE_BY.get(stage, "")
            assert explained(stage=stage, overridable_by=named).endswith(".")
