"""What an order may be made from comes in by name, and nothing else does."""

from typing import Any
from uuid import UUID

import pytest
from imprimatur.api.wishes import WishInput, take_wish
from imprimatur.workflow.wearing import NOTHING, Origin, Wish
from rest_framework.exceptions import ValidationError

from generation.jobs.records import Box

CUP = UUID("01a20160-2184-73ff-813f-47dbb0cb2232")
IMAGE = UUID("01a20160-21f1-7759-bd57-058e4e8d3755")


def taken(**body: Any) -> tuple[Wish, dict[str, Any]]:
    """Return the wish of a body, and what is left of the order."""
    parsed = WishInput(data=body)
    parsed.is_valid(raise_exception=True)
    rest = dict(parsed.validated_data)
    return take_wish(rest), rest


def test_of_nothing_is_no_wish() -> None:
    assert taken() == (NOTHING, {})


def test_names_a_source_with_its_strength_and_box() -> None:
    box = {"left": 0, "top": 0.25, "right": 0.5, "bottom": 1}
    wish, rest = taken(source_picture_id=str(CUP), source_strength=0.5, mask_box=box)
    assert wish == Wish(
        source_picture_id=CUP, source_strength=0.5, mask_box=Box(0.0, 0.25, 0.5, 1.0)
    )
    assert rest == {}


def test_names_references_in_their_order() -> None:
    wish, _rest = taken(references=[{"asset_id": str(IMAGE)}, {"picture_id": str(CUP)}])
    assert wish.references == (Origin(asset_id=IMAGE), Origin(picture_id=CUP))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"source_picture_id": "cup"}, "source_picture_id"),
        ({"source_strength": "much"}, "source_strength"),
        ({"source_strength": True}, "source_strength"),
        ({"mask_box": [0, 0, 1, 1]}, "mask_box"),
        ({"mask_box": {"left": 0, "top": 0, "right": 1}}, "mask_box"),
        ({"mask_box": {"left": 0, "top": 0, "right": 1.5, "bottom": 1}}, "mask_box"),
        ({"mask_box": {"left": 0, "top": 0, "right": 1, "bottom": 1, "more": 1}}, "mask_box"),
        ({"references": str(CUP)}, "references"),
        ({"references": [{"picture": str(CUP)}]}, "references"),
        ({"source": str(CUP)}, "source"),
    ],
    ids=str,
)
def test_refuses_anything_else_by_its_name(body: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as error:
        taken(**body)
    assert set(error.value.get_codes()) == {field}
