"""The shapes of an emergency's acts: which bytes, why, and the password once more."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _


class ProvenForm(forms.Form):
    """Asks for the password where the last time is too long ago."""

    password = forms.CharField(
        label=_("Your password, once more"),
        strip=False,
        widget=forms.PasswordInput(attrs={"class": "input", "autocomplete": "current-password"}),
        error_messages={"required": _("This act needs a recent proof of who you are.")},
    )

    def __init__(self, *args: Any, asks_password: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not asks_password:
            del self.fields["password"]


class OpeningForm(ProvenForm):
    """Why these bytes cannot wait."""

    sha256 = forms.CharField(widget=forms.HiddenInput)
    reason = forms.CharField(
        label=_("Why it cannot wait"),
        max_length=4000,
        widget=forms.Textarea(attrs={"class": "input", "rows": 3}),
        error_messages={"required": _("Say why this cannot wait for its review.")},
    )
    field_order = ["sha256", "reason", "password"]


class AgreementForm(ProvenForm):
    """Which bytes the second person saw."""

    sha256 = forms.CharField(widget=forms.HiddenInput)


class JudgementForm(ProvenForm):
    """Whether it was right, and why."""

    verdict = forms.ChoiceField(
        label=_("Was it right?"),
        choices=[("uphold", _("It was right")), ("fault", _("It was wrong"))],
        widget=forms.RadioSelect,
        error_messages={"required": _("Choose one of the two.")},
    )
    reason = forms.CharField(
        label=_("Reason"),
        max_length=4000,
        widget=forms.Textarea(attrs={"class": "input", "rows": 3}),
        error_messages={"required": _("Give the reason for this judgement.")},
    )
    field_order = ["verdict", "reason", "password"]
