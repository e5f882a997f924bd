"""A chain of steps is whole before anything is rendered: bad ones are refused when drafted."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.kernel.errors import InvalidInput
from templates.prompts import compile as compiling
from templates.prompts import library, steps
from templates.prompts.steps import Crop
from tests.factories.templates import content

BOX = {"left": 0.1, "top": 0.0, "right": 0.9, "bottom": 1.0}
TWICE = {"name": "upscale.lanczos/1", "factor": 2}
STORY = {"name": "fit/1", "rendition": "story", "width": 1080, "height": 1920, "way": "cover"}
REFINE = {"name": "refine/1", "strength": 0.3, "steps": 8}
EVERY = [
    TWICE,
    REFINE,
    {"name": "inpaint/1", "strength": 0.5, "steps": 4, "box": BOX},
    {"name": "crop/1", "aspect": "4:5"},
    {"name": "crop/1", "box": BOX},
    STORY,
]
REFUSED: list[tuple[str, list[dict[str, Any]], str, str]] = [
    ("a kind that there is not", [{"name": "sharpen/1"}], "/steps/0/name", "enum"),
    ("a step without a name", [{"factor": 2}], "/steps/0/name", "required"),
    ("a factor out of range", [TWICE | {"factor": 5}], "/steps/0/factor", "maximum"),
    ("a field of another kind", [TWICE | {"strength": 1}], "/steps/0/strength", "unknown"),
    ("a crop that keeps nothing said", [{"name": "crop/1"}], "/steps/0/box", "exclusive"),
    (
        "a crop in two ways",
        [{"name": "crop/1", "box": BOX, "aspect": "4:5"}],
        "/steps/0/box",
        "exclusive",
    ),
    (
        "a box inside out",
        [{"name": "crop/1", "box": BOX | {"left": 0.95}}],
        "/steps/0/box",
        "range",
    ),
    ("a strip", [{"name": "crop/1", "aspect": "1:9"}], "/steps/0", "too_small"),
    ("an ocean", [TWICE | {"factor": 4}] * 3, "/steps/2", "area_too_large"),
    (
        "ground that is not stated",
        [STORY | {"way": "contain"}],
        "/steps/0/background",
        "required",
    ),
    (
        "ground that nobody sees",
        [STORY | {"background": "#ffffff"}],
        "/steps/0/background",
        "exclusive",
    ),
    (
        "painting on odd sides",
        [{"name": "crop/1", "aspect": "4:5"}, REFINE],
        "/steps/1",
        "multiple_of",
    ),
    ("painting on an ocean", [TWICE, TWICE, TWICE, TWICE, REFINE], "/steps/4", "area_too_large"),
    ("a chain without an end", [TWICE] * 7, "/steps", "maxItems"),
    ("an empty chain", [], "/steps", "minItems"),
]


class TestProblems:
    def test_finds_none_in_a_chain_of_every_kind(self) -> None:
        assert compiling.content_problems(content(steps=EVERY)) == []

    @pytest.mark.parametrize(
        ("what", "chain", "pointer", "rule"), REFUSED, ids=[each[0] for each in REFUSED]
    )
    def test_refuses(self, what: str, chain: list[dict[str, Any]], pointer: str, rule: str) -> None:
        found = compiling.content_problems(content(steps=chain))
        assert [(each.pointer, each.rule) for each in found][:1] == [(pointer, rule)], what
        assert found[0].detail.endswith((".", "}"))

    def test_are_found_for_every_size_of_the_template(self) -> None:
        sizes = [{"width": 256, "height": 256}, {"width": 256, "height": 64}]
        chain = [{"name": "crop/1", "aspect": "1:2"}]
        found = compiling.content_problems(content(steps=chain, sizes=sizes))
        assert [each.detail for each in found] == [
            "From 256 × 64: No side may come out below 64 pixels; here it is 32 × 64."
        ]


class TestFinalSize:
    def test_follows_the_chain(self) -> None:
        assert steps.final_size(steps.chain_of(content(steps=EVERY)), (256, 256)) == (1080, 1920)

    def test_is_the_orders_own_without_steps(self) -> None:
        assert steps.final_size(steps.chain_of(content()), (256, 128)) == (256, 128)

    def test_names_the_step_that_cannot_be_done(self) -> None:
        with pytest.raises(InvalidInput) as caught:
            steps.final_size(steps.chain_of(content(steps=[TWICE, REFINE])), (1536, 1536))
        assert caught.value.pointer == "/steps/1"


@given(
    size=st.tuples(st.integers(64, 4096), st.integers(64, 4096)),
    aspect=st.tuples(st.integers(1, 21), st.integers(1, 21)),
)
def test_an_aspect_is_cut_from_the_middle_and_as_large_as_it_can_be(
    size: tuple[int, int], aspect: tuple[int, int]
) -> None:
    crop = Crop(aspect=aspect)
    left, top, right, bottom = crop.kept(size)
    width, height = crop.size_after(size)
    assert 0 <= left < right <= size[0]
    assert 0 <= top < bottom <= size[1]
    assert abs(left - (size[0] - right)) <= 1
    assert abs(top - (size[1] - bottom)) <= 1
    assert width == size[0] or height == size[1]
    assert abs(width * aspect[1] - height * aspect[0]) <= max(aspect)


def test_a_library_file_keeps_the_chain() -> None:
    written = library.write_template(content(steps=EVERY))
    assert library.parse_yaml(written, name="x")["steps"] == EVERY
