"""The shape of a withdrawal: why."""

from django import forms
from django.utils.translation import gettext_lazy as _


class WithdrawalForm(forms.Form):
    """The reason that everybody in the brand reads beside the withdrawn release."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=4000,
        widget=forms.Textarea(attrs={"class": "input", "rows": 3}),
        error_messages={"required": _("Give the reason for the withdrawal.")},
    )
