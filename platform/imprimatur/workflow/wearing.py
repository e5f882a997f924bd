"""What an order asks for, and what it wears; each refusal of what is not allowed names a field."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from generation.jobs.records import Box, Worn
from generation.registry import selectors as registry
from generation.registry.selectors import AdapterRecord, ProfileRecord
from generation.registry.states import AdapterKind
from governance.kernel.digests import canonical_json, sha256_hex
from governance.kernel.errors import InvalidInput
from templates.prompts.compile import Compiled
from templates.prompts.records import VersionRecord

# What a profile's model can do besides; one from before this was recorded takes words and guidance.
_MODES = ("negative_prompt", "guidance")


@dataclass(frozen=True, slots=True)
class Origin:
    """An image of the brand, or an uploaded picture; false if neither is named."""

    asset_id: UUID | None = None
    picture_id: UUID | None = None

    def __bool__(self) -> bool:
        """Tell whether anything is named."""
        return self.asset_id is not None or self.picture_id is not None


@dataclass(frozen=True, slots=True)
class Wish:
    """A look and its strength, and what the images are made from.

    They follow a picture by a ControlNet, start from one, all of it or what a mask says, or have
    pictures to look at. A picture is an image of the brand or an uploaded one.
    """

    adapter: str | None = None
    adapter_strength: float | None = None
    control: str | None = None
    control_asset_id: UUID | None = None
    control_picture_id: UUID | None = None
    control_strength: float | None = None
    source_asset_id: UUID | None = None
    source_picture_id: UUID | None = None
    source_strength: float | None = None
    mask_picture_id: UUID | None = None
    mask_box: Box | None = None
    references: tuple[Origin, ...] = ()

    @property
    def follows(self) -> Origin:
        """Return what a ControlNet is to follow."""
        return Origin(self.control_asset_id, self.control_picture_id)

    @property
    def starts_from(self) -> Origin:
        """Return the picture to start from."""
        return Origin(self.source_asset_id, self.source_picture_id)

    @property
    def has_mask(self) -> bool:
        """Tell whether only a part is to be painted anew."""
        return self.mask_picture_id is not None or self.mask_box is not None


NOTHING = Wish()


def choose(
    version: VersionRecord,
    model: ProfileRecord,
    wish: Wish,
    compiled: Compiled,
) -> tuple[Worn, ...]:
    """Return the adapters that an order wears, in their order: the look, then the control.

    Raises: InvalidInput for what the template, the adapter or the model does not allow.
    """
    _require_modes(version.content, model, wish, compiled)
    worn = []
    if wish.adapter is not None:
        adapter, strength = _choose_one(
            version.content, "adapter", wish.adapter, wish.adapter_strength, model
        )
        worn.append(Worn(adapter, strength))
    elif wish.adapter_strength is not None:
        raise _together("adapter", "adapter_strength")
    if wish.control is None and wish.follows:
        given = "control_picture_id" if wish.control_picture_id else "control_asset_id"
        raise _together("control", given)
    if wish.control is not None and not wish.follows:
        raise _together("control_asset_id", "control")
    if wish.control is not None:
        control, strength = _choose_one(
            version.content, "control", wish.control, wish.control_strength, model
        )
        worn.append(Worn(control, strength))
    elif wish.control_strength is not None:
        raise _together("control", "control_strength")
    return tuple(worn)


def say_words(compiled: Compiled, worn: Sequence[Worn]) -> Compiled:
    """Add the trigger words of what is worn that the prompt does not say yet.

    They are part of the approved adapter, as locked text is part of the approved template.
    """
    prompt = compiled.prompt
    for word in (word for each in worn for word in each.adapter.trigger_words):
        if word.casefold() not in prompt.casefold():
            prompt = f"{prompt}, {word}"
    digest = sha256_hex(canonical_json({"prompt": prompt, "negative": compiled.negative}))
    return replace(compiled, prompt=prompt, sha256=digest)


def _require_modes(
    content: Mapping[str, Any], model: ProfileRecord, wish: Wish, compiled: Compiled
) -> None:
    """Refuse what this model cannot do, before anybody waits for it. Raises: InvalidInput."""
    modes = model.parameters.get("modes", _MODES)
    asked = {
        "negative_prompt": compiled.negative != "",
        "guidance": content["parameters"]["guidance"]["default"] != 0,
        "adapters": wish.adapter is not None and "modes" in model.parameters,
        "control": wish.control is not None and "modes" in model.parameters,
        "image_to_image": bool(wish.starts_from) and not wish.has_mask,
        "inpaint": bool(wish.starts_from) and wish.has_mask,
        "references": bool(wish.references),
    }
    sentences = {
        "negative_prompt": _("The model %(name)s takes no negative prompt; this template has one."),
        "guidance": _("The model %(name)s takes no guidance; this template asks for some."),
        "adapters": _("The model %(name)s wears no looks."),
        "control": _("The model %(name)s follows no picture."),
        "image_to_image": _("The model %(name)s starts from no picture."),
        "inpaint": _("The model %(name)s paints no part of a picture anew."),
        "references": _("The model %(name)s looks at no pictures."),
    }
    for mode, is_asked in asked.items():
        if is_asked and mode not in modes:
            raise InvalidInput(
                sentences[mode] % {"name": model.name}, pointer="/profile", rule="unsupported"
            )
    _require_needs(model, {mode for mode, is_asked in asked.items() if is_asked})


def _require_needs(model: ProfileRecord, asked: AbstractSet[str]) -> None:
    """Refuse an order without the picture that its model does nothing without."""
    demands = {
        "inpaint": (
            "/source_picture_id",
            _("The model %(name)s only paints a part of a picture anew: name one, with a mask."),
        ),
        "references": (
            "/references",
            _("The model %(name)s only edits pictures: name one to look at."),
        ),
    }
    for mode in model.parameters.get("needs", ()):
        if mode in demands and mode not in asked:
            pointer, sentence = demands[mode]
            raise InvalidInput(sentence % {"name": model.name}, pointer=pointer, rule="required")


def _choose_one(
    content: Mapping[str, Any],
    field: str,
    asked: str,
    strength: float | None,
    model: ProfileRecord,
) -> tuple[AdapterRecord, float]:
    """Return one of the template's adapters in its approved version, and how strongly it acts."""
    allowed = {each["slug"]: each["strength"] for each in content.get(f"{field}s", ())}
    if asked not in allowed:
        raise InvalidInput(
            _("This template allows here: %(names)s.") % {"names": ", ".join(allowed) or "–"},
            pointer=f"/{field}",
            rule="allowed",
        )
    adapter = registry.current_adapter(asked)
    kind = AdapterKind.LORA if field == "adapter" else AdapterKind.CONTROLNET
    if adapter.kind != kind:
        raise InvalidInput(
            _("%(name)s cannot be used for this.") % {"name": adapter.name},
            pointer=f"/{field}",
            rule="kind",
        )
    if adapter.family != model.family:
        raise InvalidInput(
            _("%(adapter)s was made for models of the family %(family)s; %(model)s is %(other)s.")
            % {
                "adapter": adapter.name,
                "family": adapter.family,
                "model": model.name,
                "other": model.family,
            },
            pointer=f"/{field}",
            rule="family",
        )
    span = allowed[asked]
    chosen = float(span["default"] if strength is None else strength)
    if not span["minimum"] <= chosen <= span["maximum"]:
        raise InvalidInput(
            _("Its strength must lie between %(least)s and %(most)s.")
            % {"least": span["minimum"], "most": span["maximum"]},
            pointer=f"/{field}_strength",
            rule="range",
        )
    return adapter, chosen


def _together(missing: str, given: str) -> InvalidInput:
    return InvalidInput(
        _("%(given)s needs %(missing)s as well.") % {"given": given, "missing": missing},
        pointer=f"/{missing}",
        rule="required",
    )
