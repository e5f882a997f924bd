"""What an image was on its way, in words: what its model made, then each step of its template."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from generation.assets import selectors as assets
from generation.assets.records import StepRecord
from templates.prompts import steps as kinds


def name_of(step: str) -> str:
    """Return what a person calls a kind of step; one from another release keeps its own name."""
    names = {
        "generate": _("Generated"),
        kinds.Lanczos.NAME: _("Enlarged"),
        kinds.Crop.NAME: _("Cropped"),
        kinds.Fit.NAME: _("Fitted"),
        kinds.Repaint.NAME: _("Refined by the model"),
        kinds.Inpaint.NAME: _("Painted anew in part"),
    }
    return names.get(step, step)


def lineage(asset_id: UUID) -> list[dict[str, Any]]:
    """Return an image's outputs in order, for whoever may see it; none if it was only generated."""
    return [
        {
            "asset_id": asset_id,
            "number": step.number,
            "name": name_of(step.name),
            "facts": ", ".join(_facts(step)),
            "sha256": step.sha256,
            "width_px": step.width_px,
            "height_px": step.height_px,
        }
        for step in assets.list_steps(asset_id)
    ]


def _facts(step: StepRecord) -> list[str]:
    """Return the parameters that say more than the sizes do."""
    said = step.parameters
    shown: dict[str, Callable[[Any], str]] = {
        "factor": lambda value: f"{value}×",
        "aspect": str,
        "rendition": str,
        "strength": lambda value: _("strength %(share)s") % {"share": value},
    }
    return [show(said[name]) for name, show in shown.items() if name in said]
