"""Reads recipes back: what an image was made with, exactly, or an error that says what is amiss.

Numbers stand in a recipe as text, so that none was rounded on the way.
"""

import json
from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from generation.jobs.errors import RecipeUnreadable
from generation.jobs.records import Making, Recipe, WornFiles
from governance.kernel.digests import sha256_hex

VERSION = 1


def read(data: bytes, sha256: str) -> Recipe:
    """Read a recipe whose digest is on record.

    Raises: RecipeUnreadable if the bytes are others, of another version, or lack a part.
    """
    if sha256_hex(data) != sha256:
        raise RecipeUnreadable(_("The recipe is not the one that was recorded with the image."))
    try:
        recipe = json.loads(data)
        if recipe["v"] != VERSION:
            raise RecipeUnreadable(
                _("The recipe has a version that this release cannot read."),
                version=str(recipe["v"]),
            )
        return Recipe(
            making=_making(recipe),
            prompt_sealed=bytes.fromhex(recipe["prompt_sealed"]),
            pixels_sha256=str(recipe["pixels_sha256"]),
            facts={**_texts(recipe["facts"]), **_texts(recipe.get("encoder", {}))},
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RecipeUnreadable(
            _("The recipe lacks what making the image again needs."), cause=type(error).__name__
        ) from error


def _making(recipe: Mapping[str, Any]) -> Making:
    return Making(
        folder=str(recipe["profile"]["folder"]),
        snapshot_sha256=str(recipe["snapshot_sha256"]),
        pipeline=str(recipe["pipeline"]),
        dtype=str(recipe["dtype"]),
        negative_prompt=str(recipe["negative_prompt"]),
        width_px=int(recipe["width"]),
        height_px=int(recipe["height"]),
        steps=int(recipe["steps"]),
        guidance=float(recipe["guidance"]),
        seed=int(recipe["seed"]),
        max_sequence_length=int(recipe["max_sequence_length"]),
        worn=tuple(_worn(each) for each in recipe.get("adapters", ())),
    )


def _worn(each: Mapping[str, Any]) -> WornFiles:
    follows = "source_asset_id" in each
    return WornFiles(
        folder=str(each["folder"]),
        snapshot_sha256=str(each["snapshot_sha256"]),
        strength=float(each["strength"]),
        source_sha256=str(each["source_sha256"]) if follows else "",
        preprocessor=str(each["preprocessor"]) if follows else "",
    )


def _texts(facts: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in facts.items()}
