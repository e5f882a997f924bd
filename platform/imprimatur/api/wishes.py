"""What an order may wear and be made from, as input: alike for its preview and its placing."""

import dataclasses
from typing import Any

from drf_spectacular.utils import extend_schema_serializer

from generation.jobs.records import Box
from imprimatur.api.fields import Identity, Input, Number, Text
from imprimatur.workflow.wearing import Origin, Wish


@extend_schema_serializer(component_name="Box")
class BoxInput(Input):
    """A part of a picture, its edges in shares of the picture's width and height."""

    left = Number(min_value=0, max_value=1)
    top = Number(min_value=0, max_value=1)
    right = Number(min_value=0, max_value=1)
    bottom = Number(min_value=0, max_value=1)


@extend_schema_serializer(component_name="Reference")
class ReferenceInput(Input):
    """A picture to look at: an image of the brand, or an uploaded picture; one of the two."""

    asset_id = Identity(required=False)
    picture_id = Identity(required=False)


class WishInput(Input):
    """One of the template's looks, and the pictures that the images are made from."""

    adapter = Text(
        required=False, max_length=60, help_text="One of the template's looks; default: none."
    )
    adapter_strength = Number(
        required=False, help_text="How strong the look is, in the template's range."
    )
    control = Text(
        required=False,
        max_length=60,
        help_text="One of the template's ControlNets; needs a picture to follow.",
    )
    control_asset_id = Identity(
        required=False,
        help_text="The image of the brand whose outlines are followed; it is then their parent.",
    )
    control_picture_id = Identity(
        required=False, help_text="Or the uploaded picture whose outlines are followed."
    )
    control_strength = Number(
        required=False, help_text="How closely it is followed, in the template's range."
    )
    source_asset_id = Identity(
        required=False,
        help_text="The image of the brand to start from; it is then their parent. Starting from a "
        "picture, following one and having some to look at exclude each other.",
    )
    source_picture_id = Identity(required=False, help_text="Or the uploaded picture to start from.")
    source_strength = Number(
        required=False,
        help_text="How far the picture may be left, in the template's range; 1 leaves nothing.",
    )
    mask_picture_id = Identity(
        required=False,
        help_text="An uploaded picture as large as the source: white is painted anew.",
    )
    mask_box = BoxInput(required=False, help_text="Or the part that is painted anew.")
    references = ReferenceInput(
        many=True, required=False, help_text="Pictures that the model looks at, in this order."
    )


def take_wish(wanted: dict[str, Any]) -> Wish:
    """Take the wish out of an order's parsed input and return it."""
    names = {each.name for each in dataclasses.fields(Wish)} & wanted.keys()
    taken = {name: wanted.pop(name) for name in names}
    if "mask_box" in taken:
        taken["mask_box"] = Box(**taken["mask_box"])
    taken["references"] = tuple(Origin(**each) for each in taken.get("references", ()))
    return Wish(**taken)
