"""Reads recipes back: what an image was made with, exactly, or an error that says what is amiss.

Numbers stand in a recipe as text, so that none was rounded on the way.
"""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from generation.jobs.errors import NotReplayable, RecipeUnreadable
from generation.jobs.records import Box, Making, PictureRole, Recipe, Used, WornFiles
from generation.registry.records import endpoint_in
from governance.kernel.digests import canonical_json, sha256_hex

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
            pixels=_pixels(recipe),
            facts={**_texts(recipe["facts"]), **_texts(recipe.get("encoder", {}))},
            steps=tuple(dict(each["declared"]) for each in recipe.get("chain", ())[1:]),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RecipeUnreadable(
            _("The recipe lacks what making the image again needs."), cause=type(error).__name__
        ) from error


def reused(data: bytes, asset_id: UUID, prompt_sealed: bytes) -> bytes:
    """Return an image's recipe for one that has its bytes: it says so, and has its own prompt."""
    recipe = json.loads(data)
    return canonical_json(
        recipe | {"prompt_sealed": prompt_sealed.hex(), "reused": {"asset_id": str(asset_id)}}
    )


def require_replayable(data: bytes) -> None:
    """Refuse the recipe of an image from an endpoint that cannot replay. Raises: NotReplayable.

    One that cannot be read is let pass: `read` says what is amiss with it.
    """
    try:
        recipe = json.loads(data)
        named = endpoint_in(str(recipe.get("pipeline", "")))
        is_replayable = recipe["facts"].get("replayable", "yes") == "yes"
        endpoint = named or str(recipe["facts"].get("endpoint", ""))
    except (AttributeError, KeyError, TypeError, ValueError):
        return
    if named or not is_replayable:
        raise NotReplayable(
            _("The image was made at the endpoint %(name)s, which cannot make it again the same.")
            % {"name": endpoint},
            endpoint=endpoint,
        )


def _pixels(recipe: Mapping[str, Any]) -> tuple[str, ...]:
    outputs = recipe.get("chain", ())[1:]
    return (str(recipe["pixels_sha256"]), *(str(each["pixels_sha256"]) for each in outputs))


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
        pictures=(
            *(_used(each) for each in recipe.get("pictures", ())),
            *(_followed(each) for each in recipe.get("adapters", ()) if "source_sha256" in each),
        ),
        handling=str(recipe.get("handling", "resident")),
    )


def _worn(each: Mapping[str, Any]) -> WornFiles:
    return WornFiles(
        folder=str(each["folder"]),
        snapshot_sha256=str(each["snapshot_sha256"]),
        strength=float(each["strength"]),
        preprocessor=str(each.get("preprocessor", "")),
    )


def _used(each: Mapping[str, Any]) -> Used:
    return Used(
        role=str(PictureRole(each["role"])),
        sha256=str(each.get("sha256", "")),
        strength=float(each["strength"]) if "strength" in each else None,
        box=Box(*map(float, each["box"])) if "box" in each else None,
    )


def _followed(each: Mapping[str, Any]) -> Used:
    """Read what a ControlNet follows where an earlier release wrote it: beside the adapter."""
    return Used(role=str(PictureRole.CONTROL), sha256=str(each["source_sha256"]))


def _texts(facts: Mapping[str, Any]) -> dict[str, str]:
    return {str(name): str(value) for name, value in facts.items()}
