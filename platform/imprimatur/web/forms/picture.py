"""The shapes of a picture's rights: what is said of them, with the file or without; and their end.

Which of the fields a statement needs is for governance to say; it names the field.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from governance.kernel.errors import DomainError
from governance.rights.records import Statement
from governance.rights.services import LONGEST, LONGEST_REASON
from governance.rights.states import Basis, PeopleShown


def _text(*, rows: int = 0, **options: Any) -> forms.CharField:
    attrs = {"class": "input", "autocomplete": "off"}
    widget = forms.Textarea(attrs={**attrs, "rows": rows}) if rows else forms.TextInput(attrs=attrs)
    return forms.CharField(widget=widget, **options)


def _day(**options: Any) -> forms.DateField:
    widget = forms.DateInput(format="%Y-%m-%d", attrs={"class": "input", "type": "date"})
    return forms.DateField(required=False, widget=widget, **options)


class RightsForm(forms.Form):
    """Who owns it, why it may be used, whom it shows, until when, and where the proof lies."""

    owner = _text(
        label=_("Owner"),
        max_length=LONGEST["owner"],
        help_text=_("Who holds the rights: a company, an agency or a person."),
        error_messages={"required": _("Say who owns the picture.")},
    )
    basis = forms.ChoiceField(
        label=_("Why you may use it"),
        choices=[(word.value, word.label) for word in Basis],
        widget=forms.RadioSelect,
        error_messages={"required": _("Choose one of these.")},
    )
    reference = _text(
        label=_("Which licence or contract"),
        max_length=LONGEST["reference"],
        required=False,
        help_text=_("Its name or number. Needed for a licence and for a contract."),
    )
    people_shown = forms.ChoiceField(
        label=_("Who can be seen in it"),
        choices=[(word.value, word.label) for word in PeopleShown],
        widget=forms.RadioSelect,
        help_text=_(
            "Anybody whom somebody could recognize counts, from behind too. With people in it, a "
            "data steward confirms the rights before anybody can use the picture."
        ),
        error_messages={"required": _("Choose one of these.")},
    )
    consent = _text(
        rows=2,
        label=_("Where their consent is on file"),
        max_length=LONGEST["consent"],
        required=False,
        help_text=_("Needed if people are shown; for minors, of those who have custody."),
    )
    evidence = _text(
        rows=2,
        label=_("Where the proof lies"),
        max_length=LONGEST["evidence"],
        help_text=_("A folder, an invoice, a link: what you would show if somebody asked."),
        error_messages={"required": _("Say where the proof of these rights lies.")},
    )
    expires_on = _day(
        label=_("Last day"),
        help_text=_("The last day on which the picture may be used. Empty: without end."),
    )
    valid_from = _day(
        label=_("First day"), help_text=_("Empty: at once. Days begin and end at midnight UTC.")
    )
    evidence_sha256 = _text(
        label=_("SHA-256 of the proof"),
        max_length=64,
        required=False,
        help_text=_("If the proof is a file: with its digest it can be told from any other."),
    )
    main_names = (
        "owner",
        "basis",
        "reference",
        "people_shown",
        "consent",
        "evidence",
        "expires_on",
    )
    more_names = ("valid_from", "evidence_sha256")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.label_suffix = ""

    @property
    def main_fields(self) -> list[forms.BoundField]:
        """Return the fields that everybody fills in."""
        return [self[name] for name in self.main_names]

    @property
    def more_fields(self) -> list[forms.BoundField]:
        """Return the fields that few people need."""
        return [self[name] for name in self.more_names]

    @property
    def has_more_errors(self) -> bool:
        """Tell whether one of the fields that few people need is wrong."""
        return any(field.errors for field in self.more_fields)

    def statement(self) -> Statement:
        """Return what was said, in the words of governance."""
        said = self.cleaned_data
        ends = said["expires_on"]
        return Statement(
            owner=said["owner"],
            basis=said["basis"],
            reference=said["reference"],
            people_shown=said["people_shown"],
            consent=said["consent"],
            evidence=said["evidence"],
            evidence_sha256=said["evidence_sha256"],
            valid_from=_midnight(said["valid_from"]),
            expires_at=_midnight(ends + timedelta(days=1) if ends else None),
        )

    def add_problem(self, error: DomainError) -> None:
        """Put a service's objection next to the field that it names."""
        name = (error.pointer or "").lstrip("/")
        name = {"expires_at": "expires_on"}.get(name, name)
        self.add_error(name if name in self.fields else None, error.detail)


class PictureForm(RightsForm):
    """A file with its rights, for one of the brands in which the person may bring pictures."""

    brand = forms.ChoiceField(
        label=_("Brand"),
        widget=forms.RadioSelect,
        error_messages={"required": _("Choose one of the brands.")},
    )
    file = forms.FileField(
        label=_("Picture"),
        allow_empty_file=True,
        help_text=_(
            "PNG, JPEG or WebP: at most 20 MB and 40 megapixels. Place, camera and all other "
            "hidden data are removed before it is kept."
        ),
        widget=forms.FileInput(
            attrs={"class": "input", "accept": "image/png,image/jpeg,image/webp"}
        ),
        error_messages={"required": _("Choose a picture.")},
    )

    def __init__(self, *args: Any, brands: list[tuple[str, str]], **options: Any) -> None:
        super().__init__(*args, **options)
        field = self.fields["brand"]
        field.choices = brands  # type: ignore[attr-defined]
        if len(brands) == 1:
            field.initial = brands[0][0]
            field.widget = forms.HiddenInput()


class RightsEndForm(forms.Form):
    """Why rights are withdrawn."""

    reason = _text(
        rows=3,
        label=_("Reason"),
        max_length=LONGEST_REASON,
        help_text=_("Everybody in the brand reads it."),
        error_messages={"required": _("Say why the rights are withdrawn.")},
    )


def last_day(expires_at: datetime | None) -> date | None:
    """Return the last day on which rights hold that end at that moment.

    >>> last_day(datetime(2026, 3, 2, tzinfo=UTC))
    datetime.date(2026, 3, 1)
    """
    if expires_at is None:
        return None
    return (expires_at.astimezone(UTC) - timedelta(microseconds=1)).date()


def _midnight(day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time(), tzinfo=UTC)
