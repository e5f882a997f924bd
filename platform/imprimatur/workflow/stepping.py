"""A template's steps as an order meets them: what they ask of its model, and where they end."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from generation.registry.selectors import ProfileRecord
from governance.kernel.errors import InvalidInput
from templates.prompts import steps
from templates.prompts.steps import Size


def require(content: Mapping[str, Any], model: ProfileRecord) -> None:
    """Refuse a model that cannot do a step, or needs more than it gives. Raises: InvalidInput."""
    can, needs = set(model.parameters.get("modes", ())), set(model.parameters.get("needs", ()))
    for step in steps.chain_of(content):
        if step.mode and (step.mode not in can or needs - {step.mode}):
            raise InvalidInput(
                _("The model %(name)s cannot do the step %(step)s of this template.")
                % {"name": model.name, "step": step.NAME},
                pointer="/profile",
                rule="unsupported",
            )


def final_size(content: Mapping[str, Any], size: Size) -> Size:
    """Return the width and height that an image has after all steps, of one made in `size`."""
    return steps.final_size(steps.chain_of(content), size)
