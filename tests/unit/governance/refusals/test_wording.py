import doctest
from typing import Any

import pytest

from governance.kernel.roles import Role
from governance.refusals import wording
from governance.refusals.states import Stage


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
            "and must give a reason."
        )

    def test_gives_the_measure_with_its_limit(self) -> None:
        text = explained(stage="image", scorer="nudity", score=0.91234, threshold=0.5)
        assert "nudity measured 0.912; the limit is 0.5." in text

    def test_gives_a_measure_without_a_limit(self) -> None:
        assert "nudity measured 0.5." in explained(scorer="nudity", score=0.5)

    @pytest.mark.parametrize("stage", Stage.values)
    @pytest.mark.parametrize("role", list(Role))
    def test_has_words_for_every_stage_and_role(self, stage: str, role: Role) -> None:
        assert explained(stage=stage, overridable_by=role.value).endswith("must give a reason.")
