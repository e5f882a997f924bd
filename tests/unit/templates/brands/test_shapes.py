"""A document that does not fit its schema is told where, by which rule, and in plain words."""

from typing import Any

import pytest

from governance.kernel.errors import InvalidInput
from templates.brands import shapes

SCHEMA = {
    "type": "object",
    "required": ["a", "b"],
    "additionalProperties": False,
    "properties": {"a": {"type": "integer", "maximum": 3}, "b": {"enum": ["x", "y"]}},
}


class TestProblems:
    @pytest.mark.parametrize(
        ("document", "expected"),
        [
            ({"a": 1, "b": "x"}, []),
            ({"b": "x"}, [("/a", "required")]),
            ({}, [("/a", "required"), ("/b", "required")]),
            ({"a": 4, "b": "x"}, [("/a", "maximum")]),
            ({"a": True, "b": "x"}, [("/a", "type")]),
            ({"a": 1, "b": "z", "c/d": 1}, [("/b", "enum"), ("/c~1d", "unknown")]),
            ([], [("", "type")]),
        ],
    )
    def test_names_place_and_rule(self, document: Any, expected: Any) -> None:
        assert [(p.pointer, p.rule) for p in shapes.problems(SCHEMA, document)] == expected

    def test_says_it_in_a_sentence(self) -> None:
        (problem,) = shapes.problems(SCHEMA, {"a": 9, "b": "x"})
        assert problem.detail == "“a” may be at most 3."

    def test_shows_no_control_characters_and_no_endless_names(self) -> None:
        (problem,) = shapes.problems(SCHEMA, {"a": 1, "b": "x", "\x1b[2J" * 90: 1})
        assert "\x1b" not in problem.detail
        assert len(problem.pointer) < 100


class TestRequire:
    def test_raises_the_first_with_all_of_them(self) -> None:
        with pytest.raises(InvalidInput) as refused:
            shapes.require(shapes.problems(SCHEMA, {}))
        assert refused.value.pointer == "/a"
        assert [each["pointer"] for each in refused.value.facts["errors"]] == ["/a", "/b"]
