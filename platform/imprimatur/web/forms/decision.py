"""The shape of a reviewer's decision; the review decides whether it counts."""

from django import forms
from django.utils.translation import gettext_lazy as _

VERDICTS = [
    ("approve", _("Approve")),
    ("request_changes", _("Request changes")),
    ("reject", _("Reject")),
]


class DecisionForm(forms.Form):
    """A verdict, a reason, and the digest of the bytes that were on the screen."""

    verdict = forms.ChoiceField(
        choices=VERDICTS,
        widget=forms.RadioSelect,
        error_messages={"required": _("Choose one of the three.")},
    )
    reason = forms.CharField(
        required=False,
        max_length=4000,
        widget=forms.Textarea(attrs={"class": "input", "rows": 3}),
    )
    sha256 = forms.RegexField(r"^[0-9a-f]{64}$", widget=forms.HiddenInput)
