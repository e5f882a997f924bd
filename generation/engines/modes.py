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


_REFUSALS = {
    Mode.NEGATIVE_PROMPT: "This model takes no negative prompt. Leave it empty.",
    Mode.GUIDANCE: "This model takes no guidance. Set it to 0.",
    Mode.ADAPTERS: "This model wears no adapters.",
    Mode.CONTROL: "This model follows no picture.",
}


def require_modes(spec: RunSpec, modes: AbstractSet[Mode]) -> None:
    """Refuse a spec that asks for what is not among `modes`. Raises: InvalidInput."""
    asked = {
        Mode.NEGATIVE_PROMPT: spec.negative_prompt != "",
        Mode.GUIDANCE: spec.guidance != 0,
        Mode.ADAPTERS: bool(spec.adapters),
        Mode.CONTROL: spec.control is not None,
    }
    for mode, is_asked in asked.items():
        if is_asked and mode not in modes:
            raise InvalidInput(_REFUSALS[mode], pointer=f"/{mode}", rule="unsupported")
