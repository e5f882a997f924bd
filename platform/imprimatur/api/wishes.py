"""What an order may wear and follow, as input: alike for its preview and its placing."""

import dataclasses
from typing import Any

from imprimatur.api.fields import Identity, Input, Number, Text
from imprimatur.workflow.wearing import Wish


class WishInput(Input):
    """One of the template's looks, and an image whose outlines are followed."""

    adapter = Text(
        required=False, max_length=60, help_text="One of the template's looks; default: none."
    )
    adapter_strength = Number(
        required=False, help_text="How strong the look is, in the template's range."
    )
    control = Text(
        required=False,
        max_length=60,
        help_text="One of the template's ControlNets; needs an image to follow.",
    )
    control_asset_id = Identity(
        required=False,
        help_text="The image of the brand whose outlines are followed; it is then their parent.",
    )
    control_strength = Number(
        required=False, help_text="How closely it is followed, in the template's range."
    )


def take_wish(wanted: dict[str, Any]) -> Wish:
    """Take the wish out of an order's parsed input and return it."""
    return Wish(**{each.name: wanted.pop(each.name, None) for each in dataclasses.fields(Wish)})
