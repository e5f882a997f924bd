"""The shape of a proposed scoring policy: one document, written as YAML; the workflow judges it."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from governance.kernel.errors import InvalidInput
from templates.brands import scoring
from templates.prompts import library

MOST_CHARACTERS = 60_000


class ScoringPolicyForm(forms.Form):
    """The whole policy; what is wrong with it is said by its place."""

    document = forms.CharField(
        label=_("Policy"),
        max_length=MOST_CHARACTERS,
        strip=False,
        help_text=_("One document for the brand, its markets and its templates, as YAML."),
        widget=forms.Textarea(
            attrs={"class": "input code", "rows": 26, "spellcheck": "false", "wrap": "off"}
        ),
    )

    def clean_document(self) -> dict[str, Any]:
        """Return the policy as data. Raises: ValidationError naming line or place."""
        text = str(self.cleaned_data["document"]).replace("\r\n", "\n")
        try:
            return scoring.policy_of(library.parse_yaml(text, name=str(_("The policy"))))
        except InvalidInput as error:
            raise forms.ValidationError(problems_of(error)) from error

    def add_problems(self, error: InvalidInput) -> None:
        """Put what the workflow objects to beside the document."""
        for problem in problems_of(error):
            self.add_error("document", problem)


def problems_of(error: InvalidInput) -> list[str]:
    """Return everything that is wrong with a document, each with its place.

    >>> problems_of(InvalidInput("Too low.", pointer="/thresholds/safety"))
    ['/thresholds/safety: Too low.']
    """
    listed = error.facts.get("errors")
    found = (
        [(str(each["pointer"]), str(each["detail"])) for each in listed]
        if isinstance(listed, list) and listed
        else [(error.pointer or "", error.detail)]
    )
    return [f"{pointer}: {detail}" if pointer else detail for pointer, detail in found]
