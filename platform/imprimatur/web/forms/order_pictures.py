"""The fields by which an order names its pictures; what is allowed the services judge.

A picture is written as `picture:ID` (uploaded) or `asset:ID` (an image of the brand).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.utils.translation import gettext_lazy as _

from generation.jobs.records import Box
from imprimatur.workflow.wearing import Origin

EDGES = ("box_left", "box_top", "box_right", "box_bottom")
# Which field shows what a service says about a part of an order.
FIELD_OF = {
    "source_asset_id": "source",
    "source_picture_id": "source",
    "source_strength": "source_strength",
    "mask_picture_id": "mask",
    "mask_box": "box_left",
    "references": "references",
    "control": "control",
    "control_asset_id": "control",
    "control_picture_id": "control",
}


@dataclass(frozen=True, slots=True)
class Offer:
    """What a template lets an order be made from, and the pictures that there are.

    `allowed` is the template's own section; `pictures` are values with their names, the newest
    first; `asset_id` is an image that was asked for by a link, in the field `asset_for`.
    """

    allowed: Mapping[str, Any]
    has_controls: bool = False
    pictures: Sequence[tuple[str, str]] = ()
    asset_id: UUID | None = None
    asset_for: str = ""


NOTHING = Offer({})


def origin_of(text: str) -> Origin:
    """Read a picture as it is written in a form. Raises: ValueError for anything else.

    >>> origin_of("asset:0192f0c1-2f64-7cc3-98c4-dc0c0c07398f").picture_id is None
    True
    """
    kind, _colon, found = text.partition(":")
    if kind not in {"asset", "picture"}:
        raise ValueError(text)
    return Origin(**{f"{kind}_id": UUID(found)})


def _is_origin(text: object) -> bool:
    try:
        origin_of(str(text))
    except ValueError:
        return False
    return True


class OriginField(forms.TypedChoiceField):
    """One picture; also one that is not among the newest, which are all that is offered."""

    def __init__(self, **options: Any) -> None:
        super().__init__(coerce=origin_of, **options)

    def valid_value(self, value: Any) -> bool:
        """Tell whether it names a picture."""
        return _is_origin(value)


class OriginsField(forms.TypedMultipleChoiceField):
    """Several pictures, in the order in which they are offered."""

    def __init__(self, **options: Any) -> None:
        super().__init__(coerce=origin_of, **options)

    def valid_value(self, value: Any) -> bool:
        """Tell whether it names a picture."""
        return _is_origin(value)


def fields_of(offer: Offer) -> dict[str, forms.Field]:
    """Return the fields by which an order of this offer names its pictures, in their order."""
    found: dict[str, forms.Field] = {}
    source, references = offer.allowed.get("source"), offer.allowed.get("references")
    if source:
        found |= _source_fields(offer, source)
    if references:
        found["references"] = OriginsField(
            label=_("Pictures that the model looks at"),
            help_text=_("At most %(most)s.") % {"most": references["maximum"]},
            required=False,
            choices=_choices(offer, "references"),
            initial=_initial(offer, "references"),
            widget=forms.CheckboxSelectMultiple,
        )
    if offer.has_controls:
        found["control"] = OriginField(
            label=_("Follow the outlines of"),
            required=False,
            choices=[("", _("None")), *_choices(offer, "control")],
            initial="".join(_initial(offer, "control")),
            widget=forms.RadioSelect,
        )
    return found


def read(cleaned: Mapping[str, Any], control: str | None) -> dict[str, Any]:
    """Return what was chosen as the parts of a wish; `control` follows what is to be followed."""
    source = cleaned.get("source") or Origin()
    followed = cleaned.get("control") or Origin()
    mask = cleaned.get("mask") or Origin()
    return {
        "source_asset_id": source.asset_id,
        "source_picture_id": source.picture_id,
        "source_strength": cleaned.get("source_strength") if source else None,
        "mask_picture_id": mask.picture_id,
        "mask_box": _box(cleaned),
        "references": tuple(cleaned.get("references") or ()),
        "control": control if followed else None,
        "control_asset_id": followed.asset_id,
        "control_picture_id": followed.picture_id,
    }


def begun_with(fields: Mapping[str, forms.Field]) -> dict[str, Any]:
    """Return what is chosen in a form that nobody has touched yet, as if it had been sent."""
    return {name: field.clean(field.initial) for name, field in fields.items() if field.initial}


def _source_fields(offer: Offer, source: Mapping[str, Any]) -> dict[str, forms.Field]:
    none = [] if source["required"] else [("", _("None"))]
    span = source["strength"]
    found: dict[str, forms.Field] = {
        "source": OriginField(
            label=_("Start from"),
            required=source["required"],
            choices=[*none, *_choices(offer, "source")],
            initial=next(iter(_initial(offer, "source")), _newest(offer) if not none else ""),
            widget=forms.RadioSelect,
        ),
        "source_strength": forms.FloatField(
            label=_("How far the image may leave it"),
            help_text=_("From %(least)s to %(most)s; the higher, the less is left of it.")
            % {"least": span["minimum"], "most": span["maximum"]},
            required=False,
            min_value=span["minimum"],
            max_value=span["maximum"],
            initial=span["default"],
            widget=_number(0.05),
        ),
    }
    if "drawn" in source["masks"]:
        found["mask"] = OriginField(
            label=_("Mask"),
            help_text=_("A picture as large as the first: white is painted anew, black is kept."),
            required=False,
            choices=[("", _("None")), *offer.pictures],
            widget=forms.RadioSelect,
        )
    if "box" in source["masks"]:
        found |= _box_fields()
    return found


def _box_fields() -> dict[str, forms.Field]:
    labels = (_("Left edge, %"), _("Upper edge, %"), _("Right edge, %"), _("Lower edge, %"))
    return {
        name: forms.FloatField(
            label=label, required=False, min_value=0, max_value=100, widget=_number(1)
        )
        for name, label in zip(EDGES, labels, strict=True)
    }


def _box(cleaned: Mapping[str, Any]) -> Box | None:
    """Return the box; an edge that is left empty is the picture's own, all four are no box."""
    given = [cleaned.get(name) for name in EDGES]
    if all(edge is None for edge in given):
        return None
    whole = (0.0, 0.0, 100.0, 100.0)
    edges = (own if edge is None else edge for edge, own in zip(given, whole, strict=True))
    return Box(*(edge / 100 for edge in edges))


def _choices(offer: Offer, field: str) -> list[tuple[str, str]]:
    asked = [(value, str(_("The image that you came from"))) for value in _initial(offer, field)]
    return [*asked, *offer.pictures]


def _initial(offer: Offer, field: str) -> list[str]:
    return [f"asset:{offer.asset_id}"] if offer.asset_id and offer.asset_for == field else []


def _newest(offer: Offer) -> str:
    """Return what is chosen until somebody chooses, where there has to be a picture."""
    return offer.pictures[0][0] if offer.pictures else ""


def _number(step: float) -> forms.NumberInput:
    return forms.NumberInput(attrs={"class": "input", "step": step})
