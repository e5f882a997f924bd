"""The shape of a remark: where in the image, in percent, and what is said there."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django import forms
from django.utils.translation import gettext_lazy as _

from imprimatur.web.pictograms import Mark

WHOLE = 100


class SaidForm(forms.Form):
    """A sentence, and who is told of it."""

    text = forms.CharField(
        label=_("Remark"),
        max_length=4000,
        widget=forms.Textarea(attrs={"class": "input", "rows": 3}),
        error_messages={"required": _("Say what you mean.")},
    )
    mentions = forms.MultipleChoiceField(
        label=_("Tell these people"), required=False, widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, *args: Any, people: Iterable[tuple[UUID, str]] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(str(person_id), name) for person_id, name in people]
        self.fields["mentions"].choices = choices  # type: ignore[attr-defined]

    def said(self) -> dict[str, Any]:
        """Return the checked sentence with the people it mentions."""
        mentions = [UUID(person) for person in self.cleaned_data["mentions"]]
        return {"text": self.cleaned_data["text"], "mentions": mentions}


class RemarkForm(SaidForm):
    """A place in percent of the image's width and height; with a size it is a box, else a pin."""

    sha256 = forms.CharField(widget=forms.HiddenInput)
    x = forms.FloatField(
        label=_("From the left, in percent"),
        min_value=0,
        max_value=WHOLE,
        error_messages={"required": _("Say where, or click on the image.")},
    )
    y = forms.FloatField(
        label=_("From the top, in percent"),
        min_value=0,
        max_value=WHOLE,
        error_messages={"required": _("Say where, or click on the image.")},
    )
    width = forms.FloatField(
        label=_("Width of a box, in percent"), min_value=0, max_value=WHOLE, required=False
    )
    height = forms.FloatField(
        label=_("Height of a box, in percent"), min_value=0, max_value=WHOLE, required=False
    )
    field_order = ["sha256", "x", "y", "width", "height", "text", "mentions"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("x", "y", "width", "height"):
            attrs = {"class": "input", "step": "any", "inputmode": "decimal"}
            self.fields[name].widget.attrs.update(attrs)

    def place(self) -> dict[str, Any]:
        """Return the mark with its place in shares of the image."""
        given = self.cleaned_data
        is_box = given["width"] is not None or given["height"] is not None
        return {
            "mark": "box" if is_box else "pin",
            "x": given["x"] / WHOLE,
            "y": given["y"] / WHOLE,
            "width": _share(given["width"]),
            "height": _share(given["height"]),
            "sha256": given["sha256"],
        }

    def marks(self) -> list[Mark]:
        """Return where the remark would stand as far as that is said, to be drawn; else nothing."""
        try:
            x, y = (float(self[name].value()) for name in ("x", "y"))
        except (TypeError, ValueError):
            return []
        if not (0 <= x <= WHOLE and 0 <= y <= WHOLE):
            return []
        return [Mark(x / WHOLE, y / WHOLE, None, None, 0)]


def _share(percent: float | None) -> float | None:
    return None if percent is None else percent / WHOLE
