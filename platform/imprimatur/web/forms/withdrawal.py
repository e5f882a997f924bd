"""The shape of a withdrawal: why, and the password once more where it is asked for."""

from django import forms
from django.utils.translation import gettext_lazy as _

from imprimatur.web.forms.emergency import ProvenForm


class WithdrawalForm(ProvenForm):
    """The reason that everybody in the brand reads beside the withdrawn release."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=4000,
        widget=forms.Textarea(attrs={"class": "input", "rows": 3}),
        error_messages={"required": _("Give the reason for the withdrawal.")},
    )
    field_order = ["reason", "password"]
