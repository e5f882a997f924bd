"""The shape of an assignment: which stage, to whom, and why."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django import forms
from django.utils.translation import gettext_lazy as _


class AssignmentForm(forms.Form):
    """An open stage, one of those who could decide it, and the reason."""

    stage = forms.ChoiceField(
        label=_("Stage"),
        widget=forms.RadioSelect,
        error_messages={"required": _("Choose the stage.")},
    )
    person = forms.TypedChoiceField(
        label=_("Who decides it"),
        coerce=UUID,
        widget=forms.Select(attrs={"class": "input"}),
        error_messages={"required": _("Choose a person.")},
    )
    reason = forms.CharField(
        label=_("Reason"),
        max_length=4000,
        widget=forms.Textarea(attrs={"class": "input", "rows": 3}),
        error_messages={"required": _("Say why they and not the others.")},
    )

    def __init__(
        self,
        *args: Any,
        stages: Iterable[tuple[str, str]],
        people: Iterable[tuple[UUID, str]],
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        named = list(stages)
        choices = [(str(person_id), name) for person_id, name in people]
        self.fields["stage"].choices = named  # type: ignore[attr-defined]  # a ChoiceField
        self.fields["stage"].initial = named[0][0] if len(named) == 1 else None
        self.fields["person"].choices = [("", _("Choose…")), *choices]  # type: ignore[attr-defined]
