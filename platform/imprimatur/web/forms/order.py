"""The shape of an order, drawn from a version's JSON Schema; the services judge the values."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from django import forms
from django.forms.boundfield import BoundField
from django.utils.translation import gettext_lazy as _

from imprimatur.web.forms import order_pictures
from imprimatur.web.forms.order_pictures import EDGES, NOTHING, Offer
from imprimatur.workflow import stepping
from imprimatur.workflow.wearing import Wish
from templates.brands.markets import Market

PREFIX = "v-"
PILLS_MOST = 7
USUAL_VARIANTS = 3
SEED_MAX = 2**53 - 1
FIRST_FIELDS = ("market", "adapter", "size", "variants")


class OrderForm(forms.Form):
    """One field per variable of the schema, then market, size, count and, apart, model and seed."""

    def __init__(
        self,
        content: Mapping[str, Any],
        data: Mapping[str, Any] | None = None,
        *,
        most_variants: int,
        profiles: Mapping[str, str],
        idempotency_key: str,
        markets: Sequence[Market] = (),
        looks: Mapping[str, str] | None = None,
        controls: Collection[str] = (),
        offer: Offer = NOTHING,
    ) -> None:
        super().__init__(data)
        self.label_suffix = ""
        self.usual_variants = min(USUAL_VARIANTS, most_variants)
        self._schema: Mapping[str, Any] = content["schema"]
        self._names = list(self._schema["properties"])
        starter = content.get("starter", {})
        required = set(self._schema.get("required", []))
        for name in self._names:
            self.fields[PREFIX + name] = _field_of(
                name,
                self._schema["properties"][name],
                is_required=name in required,
                initial=starter.get(name),
            )
        if markets:
            self.fields["market"] = _market_field(markets)
        self._add_order_fields(content, most_variants, profiles, idempotency_key)
        self._controls = list(controls)
        if looks:
            self.fields["adapter"] = forms.ChoiceField(
                label=_("Look"),
                required=False,
                choices=[("", _("None")), *looks.items()],
                widget=_select(),
            )
        picture_fields = order_pictures.fields_of(offer)
        self._picture_names = list(picture_fields)
        self.fields |= picture_fields

    def _add_order_fields(
        self,
        content: Mapping[str, Any],
        most_variants: int,
        profiles: Mapping[str, str],
        idempotency_key: str,
    ) -> None:
        sizes = [(f"{s['width']}x{s['height']}", _size_label(content, s)) for s in content["sizes"]]
        self.fields["size"] = forms.ChoiceField(
            label=_("Size"), choices=sizes, initial=sizes[0][0], widget=forms.RadioSelect
        )
        counts = [(str(n), str(n)) for n in range(1, most_variants + 1)]
        self.fields["variants"] = forms.TypedChoiceField(
            label=_("Variants"),
            choices=counts,
            coerce=int,
            initial=str(self.usual_variants),
            widget=forms.RadioSelect,
        )
        self.fields["seed"] = forms.IntegerField(
            label=_("Seed"),
            required=False,
            min_value=0,
            max_value=SEED_MAX,
            help_text=_("Leave it empty for new images; the same seed makes the same image again."),
            widget=forms.NumberInput(attrs={"class": "input", "inputmode": "numeric"}),
        )
        if len(profiles) > 1:
            self.fields["profile"] = forms.ChoiceField(
                label=_("Model"), choices=list(profiles.items()), widget=_select()
            )
        self.fields["idempotency_key"] = forms.CharField(
            max_length=64, initial=idempotency_key, widget=forms.HiddenInput
        )

    @property
    def variable_fields(self) -> list[BoundField]:
        """Return the fields of the template's variables, in the schema's order."""
        return [self[PREFIX + name] for name in self._names]

    @property
    def size_fields(self) -> list[BoundField]:
        """Return the fields that say for where, how large and how many."""
        return [self[name] for name in FIRST_FIELDS if name in self.fields]

    @property
    def picture_fields(self) -> list[BoundField]:
        """Return the fields that name pictures, but for the edges of a box."""
        return [self[name] for name in self._picture_names if name not in EDGES]

    @property
    def box_fields(self) -> list[BoundField]:
        """Return the edges of the box that is painted anew."""
        return [self[name] for name in self._picture_names if name in EDGES]

    @property
    def more_fields(self) -> list[BoundField]:
        """Return the fields that few people need."""
        return [self[name] for name in ("profile", "seed") if name in self.fields]

    @property
    def has_more_errors(self) -> bool:
        """Tell whether one of the fields that few people need is wrong."""
        return any(field.errors for field in self.more_fields)

    def wish(self) -> Wish:
        """Return the look that was chosen, and the pictures that the images are made from.

        Of a form that nobody has sent yet, what it begins with.
        """
        control = self._controls[0] if self._controls else None
        chosen: Mapping[str, Any] = (
            self.cleaned_data
            if self.is_bound
            else order_pictures.begun_with(
                {name: self.fields[name] for name in self._picture_names}
            )
        )
        return Wish(adapter=chosen.get("adapter") or None, **order_pictures.read(chosen, control))

    def variables(self) -> dict[str, Any]:
        """Return the variables as typed values; what was left empty is left out."""
        values: dict[str, Any] = {}
        for name in self._names:
            value = self.cleaned_data.get(PREFIX + name)
            if value is not None and value != "":
                values[name] = value
        return values

    def size(self) -> tuple[int, int]:
        """Return width and height in pixels."""
        width, _x, height = str(self.cleaned_data["size"]).partition("x")
        return int(width), int(height)

    def market(self) -> str | None:
        """Return the market that was chosen; None leaves the choice to the brand."""
        return self.cleaned_data.get("market") or None

    def add_problem(self, pointer: str | None, detail: str) -> None:
        """Put a service's objection next to the field that its JSON Pointer names."""
        self.add_error(self._field_for(pointer), detail)

    def _field_for(self, pointer: str | None) -> str | None:
        steps = (pointer or "").strip("/").split("/")
        if steps[0] == "variables" and len(steps) > 1 and steps[1] in self._names:
            return PREFIX + steps[1]
        if steps[0] in {"width", "height"}:
            return "size"
        name = order_pictures.FIELD_OF.get(steps[0], steps[0])
        return name if name in self.fields and name != "idempotency_key" else None

    def first_variable_error(self) -> str:
        """Return the first variable's error with its label, for the preview, or nothing."""
        for field in self.variable_fields:
            for error in field.errors:
                return f"{field.label}: {error}"
        return ""


def _field_of(
    name: str, declared: Mapping[str, Any], *, is_required: bool, initial: Any
) -> forms.Field:
    shared: dict[str, Any] = {
        "label": declared.get("title") or name.replace("_", " ").capitalize(),
        "help_text": declared.get("description", ""),
        "required": is_required,
        "initial": declared.get("default") if initial is None else initial,
    }
    if "enum" in declared:
        return _choice_field(declared["enum"], shared)
    if declared["type"] == "string":
        most = declared.get("maxLength")
        return forms.CharField(
            min_length=declared.get("minLength"),
            max_length=most,
            widget=forms.TextInput(attrs={"class": "input", "autocomplete": "off"}),
            **{**shared, "help_text": _with_limit(shared["help_text"], most)},
        )
    kind = forms.IntegerField if declared["type"] == "integer" else forms.FloatField
    return kind(
        min_value=declared.get("minimum"),
        max_value=declared.get("maximum"),
        widget=forms.NumberInput(attrs={"class": "input"}),
        **shared,
    )


def _choice_field(values: Iterable[Any], shared: dict[str, Any]) -> forms.Field:
    """Return a choice whose value keeps the type that the schema gives it."""
    by_text = {str(value): value for value in values}
    choices = [(text, text[:1].upper() + text[1:]) for text in by_text]
    is_short = len(choices) <= PILLS_MOST
    if shared["initial"] is None and not is_short:
        choices.insert(0, ("", str(_("Choose…"))))
    return forms.TypedChoiceField(
        choices=choices,
        coerce=lambda text: by_text.get(str(text), text),
        empty_value=None,
        widget=forms.RadioSelect if is_short else _select(),
        **shared,
    )


def _market_field(markets: Sequence[Market]) -> forms.ChoiceField:
    """Return the choice of a market; its first is chosen, as it is where an order names none."""
    is_short = len(markets) <= PILLS_MOST
    return forms.ChoiceField(
        label=_("Market"),
        choices=[(each.code, f"{each.code} · {', '.join(each.languages)}") for each in markets],
        initial=markets[0].code,
        required=False,
        help_text=_("Where the images are shown. The brand's rules for that market hold."),
        widget=forms.RadioSelect if is_short else _select(),
    )


def _select() -> forms.Select:
    return forms.Select(attrs={"class": "input"})


def _size_label(content: Mapping[str, Any], size: Mapping[str, Any]) -> str:
    """Name a size, and the one that the image has after the template's steps if it differs."""
    made = int(size["width"]), int(size["height"])
    ends = stepping.final_size(content, made)
    pixels = f"{made[0]} × {made[1]}" + ("" if ends == made else f" → {ends[0]} × {ends[1]}")
    return f"{size['label']}, {pixels}" if size.get("label") else pixels


def _with_limit(help_text: str, most: int | None) -> str:
    if most is None:
        return help_text
    limit = str(_("At most %(most)s characters.") % {"most": most})
    return f"{help_text} {limit}".strip()
