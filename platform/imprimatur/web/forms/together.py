"""The shape of one verdict on several images; the review decides about each by itself."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from imprimatur.web.forms.decision import DecisionForm


class TogetherForm(DecisionForm):
    """A verdict, its reason and checklist, and the images that it is about with their digests.

    `chosen`: each image's case and digest as `ID:SHA256` → title.
    """

    chosen = forms.MultipleChoiceField(
        label=_("Which images"),
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _("Choose at least one image.")},
    )

    def __init__(self, *args: Any, chosen: Mapping[str, str], **options: Any) -> None:
        super().__init__(*args, **options)
        del self.fields["sha256"]
        self.fields["chosen"].choices = list(chosen.items())  # type: ignore[attr-defined]
        self.fields["chosen"].initial = list(chosen)
