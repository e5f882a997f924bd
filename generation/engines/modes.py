"""What a family can do, and the refusal of what it cannot: nothing asked for is ever ignored."""

from collections.abc import Set as AbstractSet
from enum import StrEnum

from generation.engines.spec import RunSpec
from governance.kernel.errors import InvalidInput


class Mode(StrEnum):
    """One thing that a spec may ask of a model beyond words, size, steps and seed."""

    NEGATIVE_PROMPT = "negative_prompt"
    GUIDANCE = "guidance"
    ADAPTERS = "adapters"
    CONTROL = "control"
    IMAGE_TO_IMAGE = "image_to_image"
    INPAINT = "inpaint"
    REFERENCES = "references"


# The field of a spec that asks for it, where it is called otherwise.
_FIELDS = {Mode.IMAGE_TO_IMAGE: "source", Mode.INPAINT: "source/mask"}
_REFUSALS = {
    Mode.NEGATIVE_PROMPT: "This model takes no negative prompt. Leave it empty.",
    Mode.GUIDANCE: "This model takes no guidance. Set it to 0.",
    Mode.ADAPTERS: "This model wears no adapters.",
    Mode.CONTROL: "This model follows no picture.",
    Mode.IMAGE_TO_IMAGE: "This model starts from no picture.",
    Mode.INPAINT: "This model paints in no part of a picture.",
    Mode.REFERENCES: "This model looks at no pictures.",
}
_DEMANDS = {
    Mode.INPAINT: "This model only paints in a part of a picture: give it one, with a mask.",
    Mode.REFERENCES: "This model only edits pictures: give it one to look at.",
}


def require_modes(
    spec: RunSpec, modes: AbstractSet[Mode], needed: AbstractSet[Mode] = frozenset()
) -> None:
    """Refuse a spec that asks for what is not among `modes`, or not for all that is `needed`.

    Raises: InvalidInput.
    """
    asked = {
        Mode.NEGATIVE_PROMPT: spec.negative_prompt != "",
        Mode.GUIDANCE: spec.guidance != 0,
        Mode.ADAPTERS: bool(spec.adapters),
        Mode.CONTROL: spec.control is not None,
        Mode.IMAGE_TO_IMAGE: spec.source is not None and spec.source.mask is None,
        Mode.INPAINT: spec.source is not None and spec.source.mask is not None,
        Mode.REFERENCES: bool(spec.references),
    }
    for mode, is_asked in asked.items():
        field = _FIELDS.get(mode, mode)
        if is_asked and mode not in modes:
            raise InvalidInput(_REFUSALS[mode], pointer=f"/{field}", rule="unsupported")
        if mode in needed and not is_asked:
            raise InvalidInput(_DEMANDS[mode], pointer=f"/{field}", rule="required")
