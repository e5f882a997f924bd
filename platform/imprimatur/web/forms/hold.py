"""The shape of a decision on a held image; the jobs' service decides whether it counts."""

from django import forms
from django.utils.translation import gettext_lazy as _

ACCEPT = "accept"
OUTCOMES = [
    (ACCEPT, _("Send into review")),
    ("refuse", _("Refuse")),
]


class HoldForm(forms.Form):
    """An outcome and its reason; both ways need one, because no score speaks for the image."""

    outcome = forms.ChoiceField(
        choices=OUTCOMES,
        widget=forms.RadioSelect,
        error_messages={"required": _("Choose one of the two.")},
    )
    reason = forms.CharField(
        label=_("Reason"),
        max_length=4000,
        widget=forms.Textarea(attrs={"class": "input", "rows": 3}),
        error_messages={"required": _("Give the reason for this decision.")},
    )
