"""The shapes of an appeal, of the decision about it, and of an override without one."""

from typing import TYPE_CHECKING

from django import forms
from django.utils.translation import gettext_lazy as _

from governance.refusals.services import MAX_TEXT_LENGTH
from governance.refusals.states import Ruling

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

OUTCOMES = [
    (Ruling.OVERTURN.value, _("Overturn it")),
    (Ruling.UPHOLD.value, _("Let it stand")),
]


def _text(label: "StrOrPromise", required: "StrOrPromise") -> forms.CharField:
    return forms.CharField(
        label=label,
        max_length=MAX_TEXT_LENGTH,
        widget=forms.Textarea(attrs={"class": "input", "rows": 4}),
        error_messages={"required": required},
    )


class AppealForm(forms.Form):
    """Why the requester believes that a refusal is wrong."""

    argument = _text(
        _("Why is this refusal wrong?"), _("Say why you believe that the refusal is wrong.")
    )


class RulingForm(forms.Form):
    """Whether the refusal stands, and why."""

    ruling = forms.ChoiceField(
        choices=OUTCOMES,
        widget=forms.RadioSelect,
        error_messages={"required": _("Choose one of the two.")},
    )
    reason = _text(_("Reason"), _("Say why: the requester reads your reason."))


class OverrideForm(forms.Form):
    """Why a refusal that nobody appealed is lifted."""

    reason = _text(_("Reason"), _("Say why: the requester reads your reason."))
