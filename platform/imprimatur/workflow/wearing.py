"""What an order wears and follows, of what its template allows; each refusal names the field."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.utils.translation import gettext as _

from generation.assets import selectors as assets
from generation.assets.selectors import AssetRecord
from generation.jobs import selectors as jobs
from generation.jobs.records import Worn
from generation.jobs.states import ItemState
from generation.registry import selectors as registry
from generation.registry.selectors import AdapterRecord, ProfileRecord
from generation.registry.states import AdapterKind
from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.digests import canonical_json, sha256_hex
from governance.kernel.errors import InvalidInput, NotFound
from templates.prompts.compile import Compiled
from templates.prompts.records import VersionRecord

# What a profile's model can do besides; one from before this was recorded takes words and guidance.
_MODES = ("negative_prompt", "guidance")


@dataclass(frozen=True, slots=True)
class Wish:
    """A look and its strength; a ControlNet, the image that it follows, and how closely."""

    adapter: str | None = None
    adapter_strength: float | None = None
    control: str | None = None
    control_asset_id: UUID | None = None
    control_strength: float | None = None


NOTHING = Wish()


def choose(
    actor: Actor,
    version: VersionRecord,
    model: ProfileRecord,
    wish: Wish,
    compiled: Compiled,
) -> tuple[Worn, ...]:
    """Return the adapters that an order wears, in their order: the look, then the control.

    Raises: InvalidInput for what the template, the adapter or the model does not allow; NotFound
    for an image that the actor may not see.
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
    if (wish.control is None) != (wish.control_asset_id is None):
        missing = "control" if wish.control is None else "control_asset_id"
        raise _together(missing, "control_asset_id" if missing == "control" else "control")
    if wish.control is not None and wish.control_asset_id is not None:
        control, strength = _choose_one(
            version.content, "control", wish.control, wish.control_strength, model
        )
        source = assets.get_asset(actor, wish.control_asset_id)
        if source.brand_id != version.brand_id:
            raise NotFound(
                _("This template's brand has no such image."),
                pointer="/control_asset_id",
                asset_id=str(source.id),
            )
        _require_shown(source)
        worn.append(Worn(control, strength, source.id))
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


def parent_of(worn: Sequence[Worn], asked: UUID | None) -> UUID | None:
    """Return the image that the new ones come after: the followed one is their parent.

    Raises: InvalidInput if another one was asked for.
    """
    source = next((each.source_asset_id for each in worn if each.source_asset_id), None)
    if source is not None and asked not in {None, source}:
        raise InvalidInput(
            _("An image that follows another one comes after that one, and no other."),
            pointer="/parent_asset_id",
            rule="same_image",
        )
    return source or asked


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
    }
    sentences = {
        "negative_prompt": _("The model %(name)s takes no negative prompt; this template has one."),
        "guidance": _("The model %(name)s takes no guidance; this template asks for some."),
        "adapters": _("The model %(name)s wears no looks."),
        "control": _("The model %(name)s follows no picture."),
    }
    for mode, is_asked in asked.items():
        if is_asked and mode not in modes:
            raise InvalidInput(
                sentences[mode] % {"name": model.name}, pointer="/profile", rule="unsupported"
            )


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


def _require_shown(source: AssetRecord) -> None:
    """Refuse to follow an image that was refused or held. Raises: InvalidInput."""
    _job_id, item = jobs.get_item(SYSTEM, source.item_id)
    if item.state != ItemState.IN_REVIEW:
        raise InvalidInput(
            _("This image did not come into review, so no other image follows it."),
            pointer="/control_asset_id",
            rule="refused",
        )


def _together(missing: str, given: str) -> InvalidInput:
    return InvalidInput(
        _("%(given)s needs %(missing)s as well.") % {"given": given, "missing": missing},
        pointer=f"/{missing}",
        rule="required",
    )
