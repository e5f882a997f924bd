"""A spec that no engine could run cannot be made, and the error names the field."""

from typing import Any

import numpy as np
import pytest

from generation.engines.spec import RunResult
from governance.kernel.errors import InvalidInput
from tests.unit.generation.conftest import MakeSpec


class TestRunSpec:
    @pytest.mark.parametrize(
        ("field", "value", "rule"),
        [
            ("width", 250, "multiple_of"),
            ("height", 129, "multiple_of"),
            ("width", 48, "range"),
            ("height", 2064, "range"),
            ("width", 256.0, "range"),
            ("steps", 0, "range"),
            ("steps", 151, "range"),
            ("steps", True, "range"),
            ("seed", -1, "range"),
            ("seed", 2**63, "range"),
            ("max_sequence_length", 0, "range"),
            ("max_sequence_length", 513, "range"),
            ("guidance", -0.1, "range"),
            ("guidance", 30.1, "range"),
            ("guidance", float("nan"), "range"),
            ("guidance", float("inf"), "range"),
            ("dtype", "float64", "choice"),
            ("snapshot_sha256", "main", "sha256"),
            ("prompt", " \n", "required"),
        ],
    )
    def test_refuses_naming_field_and_rule(
        self, make_spec: MakeSpec, field: str, value: Any, rule: str
    ) -> None:
        with pytest.raises(InvalidInput) as refused:
            make_spec(**{field: value})
        assert refused.value.pointer == f"/{field}"
        assert refused.value.facts["rule"] == rule

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("width", 64),
            ("height", 2048),
            ("steps", 150),
            ("seed", 0),
            ("seed", 2**63 - 1),
            ("guidance", 0.0),
            ("guidance", 30.0),
            ("max_sequence_length", 512),
            ("dtype", "bfloat16"),
            ("negative_prompt", ""),
        ],
    )
    def test_accepts_the_ends_of_each_range(
        self, make_spec: MakeSpec, field: str, value: Any
    ) -> None:
        assert getattr(make_spec(**{field: value}), field) == value

    def test_cannot_be_changed_afterwards(self, make_spec: MakeSpec) -> None:
        spec = make_spec()
        with pytest.raises(AttributeError):
            spec.seed = 12  # type: ignore[misc]


class TestRunResult:
    def test_digest_tells_one_changed_value(self) -> None:
        black = np.zeros((2, 2, 3), dtype=np.uint8)
        other = black.copy()
        other[1, 1, 2] = 1
        digests = {RunResult(pixels, 0.0, {}).pixels_sha256 for pixels in (black, other)}
        assert len(digests) == 2
