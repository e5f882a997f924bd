"""A spec that no engine could run cannot be made, and the error names the field."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from generation.engines.spec import ControlRef, PictureRef, RunResult, SourceRef
from governance.kernel.digests import sha256_hex
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


PICTURE = b"some file"
DIGEST = sha256_hex(PICTURE)
START = SourceRef(PICTURE, DIGEST, 0.5)
SHOWN = PictureRef(PICTURE, DIGEST)
FOLLOWED = ControlRef(Path("x"), "0" * 64, PICTURE, DIGEST, 1.0)


class TestPictures:
    @pytest.mark.parametrize("strength", [0.0, -0.1, 1.1, float("nan"), 1, True])
    def test_to_start_from_are_left_by_a_share(self, strength: Any) -> None:
        with pytest.raises(InvalidInput) as refused:
            SourceRef(PICTURE, DIGEST, strength)
        assert refused.value.pointer == "/source/strength"

    @pytest.mark.parametrize(
        ("image", "digest", "rule"), [(b"", DIGEST, "required"), (PICTURE, "0" * 64, "sha256")]
    )
    def test_are_the_ones_that_are_named(self, image: bytes, digest: str, rule: str) -> None:
        for make in (PictureRef, partial(SourceRef, strength=0.5)):
            with pytest.raises(InvalidInput) as refused:
                make(image, digest)
            assert refused.value.facts["rule"] == rule

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"source": START, "control": FOLLOWED}, "source"),
            ({"source": START, "references": (SHOWN,)}, "source"),
            ({"control": FOLLOWED, "references": (SHOWN,)}, "control"),
        ],
    )
    def test_of_two_kinds_exclude_each_other(
        self, make_spec: MakeSpec, changes: dict[str, Any], field: str
    ) -> None:
        for name, value in changes.items():
            assert getattr(make_spec(**{name: value}), name) == value
        with pytest.raises(InvalidInput, match="one of these at a time") as refused:
            make_spec(**changes)
        assert refused.value.pointer == f"/{field}"

    def test_to_look_at_are_four_at_most(self, make_spec: MakeSpec) -> None:
        assert make_spec(references=(SHOWN,) * 4)
        with pytest.raises(InvalidInput) as refused:
            make_spec(references=(SHOWN,) * 5)
        assert refused.value.pointer == "/references"

    @pytest.mark.parametrize(
        ("steps", "strength", "taken"),
        [(28, 1.0, 28), (28, 0.5, 14), (3, 0.3, 1), (3, 0.6, 2), (3, 0.7, 3), (150, 0.001, 1)],
    )
    def test_to_start_from_spare_the_first_steps(
        self, make_spec: MakeSpec, steps: int, strength: float, taken: int
    ) -> None:
        source = SourceRef(PICTURE, DIGEST, strength)
        assert make_spec(steps=steps, source=source).steps_taken == taken
        assert make_spec(steps=steps).steps_taken == steps

    def test_to_start_from_leave_a_step_to_run(self, make_spec: MakeSpec) -> None:
        with pytest.raises(InvalidInput, match="too small") as refused:
            make_spec(source=SourceRef(PICTURE, DIGEST, 1e-20))
        assert refused.value.pointer == "/source/strength"


class TestRunResult:
    def test_digest_tells_one_changed_value(self) -> None:
        black = np.zeros((2, 2, 3), dtype=np.uint8)
        other = black.copy()
        other[1, 1, 2] = 1
        digests = {RunResult(pixels, 0.0, {}).pixels_sha256 for pixels in (black, other)}
        assert len(digests) == 2
