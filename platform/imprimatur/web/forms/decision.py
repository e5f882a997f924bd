"""The shape of a reviewer's decision; the review decides whether it counts."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

VERDICTS = [
    ("approve", _("Approve")),
    ("approve_with_changes", _("Approve with changes")),
    ("request_changes", _("Request changes")),
    ("reject", _("Reject")),
]
ANSWERS = [("yes", _("Yes")), ("no", _("No")), ("not_applicable", _("Does not apply"))]
_CHECK = "check_"


class DecisionForm(forms.Form):
    """A verdict, a reason, the checklist, and the digest of the bytes that were on the screen.

    `questions`: key → question, `guidance`: key → how to answer it, `stages`: key → name of those
    that ask the person. The password is shown where it was given too long ago.
    """

    verdict = forms.ChoiceField(
        choices=VERDICTS,
        widget=forms.RadioSelect,
        error_messages={"required": _("Choose one of the four.")},
    )
    reason = forms.CharField(
        required=False,
        max_length=4000,
        widget=forms.Textarea(attrs={"class": "input", "rows": 3}),
    )
    stage = forms.ChoiceField(label=_("For the stage"), widget=forms.RadioSelect)
    password = forms.CharField(
        label=_("Your password"),
        help_text=_("You gave it some time ago; a decision needs a recent proof of who you are."),
        required=False,
        strip=False,
        widget=forms.PasswordInput(
            attrs={"class": "input", "autocomplete": "current-password", "maxlength": 1024}
        ),
    )
    sha256 = forms.RegexField(r"^[0-9a-f]{64}$", widget=forms.HiddenInput)

    def __init__(
        self,
        *args: Any,
        questions: Mapping[str, str],
        stages: Mapping[str, str],
        asks_password: bool,
        guidance: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self.asks_password = asks_password
        self.asks_stage = len(stages) > 1
        stage = self.fields["stage"]
        stage.choices = list(stages.items())  # type: ignore[attr-defined]  # a ChoiceField
        stage.required = self.asks_stage
        for key, question in questions.items():
            self.fields[f"{_CHECK}{key}"] = forms.ChoiceField(
                label=question,
                help_text=(guidance or {}).get(key, ""),
                choices=ANSWERS,
                required=False,
                widget=forms.RadioSelect,
            )

    @property
    def checks(self) -> Sequence[forms.BoundField]:
        """Return the fields of the checklist."""
        return [self[name] for name in self.fields if name.startswith(_CHECK)]

    def said(self) -> dict[str, Any]:
        """Return what `decide` takes, once the form is valid."""
        return {**self.answer(), "sha256": self.cleaned_data["sha256"]}

    def answer(self) -> dict[str, Any]:
        """Return what was said, without the bytes that it was said of."""
        return {
            "verdict": self.cleaned_data["verdict"],
            "reason": self.cleaned_data["reason"],
            "stage": self.cleaned_data["stage"],
            "checklist": {
                name.removeprefix(_CHECK): answer
                for name, answer in self.cleaned_data.items()
                if name.startswith(_CHECK) and answer
            },
        }

    def refuse(self, pointer: str | None, detail: str) -> None:
        """Put a refusal beside the field that it is about, or above them all."""
        name = (pointer or "").lstrip("/").replace("checklist/", _CHECK)
        self.asks_password = self.asks_password or name == "password"
        is_shown = name in self.fields and not self[name].is_hidden
        self.add_error(name if is_shown else None, detail)
