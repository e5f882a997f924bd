"""The shape of an order to publish: which destination."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from django import forms
from django.utils.translation import gettext_lazy as _


class PublicationForm(forms.Form):
    """One of the brand's approved destinations; `prefix` keeps ids apart on a page of many."""

    destination = forms.TypedChoiceField(
        label=_("Publish to"), coerce=UUID, widget=forms.Select(attrs={"class": "input"})
    )

    def __init__(
        self,
        destinations: Iterable[tuple[str, str]],
        data: Mapping[str, Any] | None = None,
        *,
        prefix: str,
    ) -> None:
        super().__init__(data, prefix=prefix)
        field = self.fields["destination"]
        assert isinstance(field, forms.TypedChoiceField)  # noqa: S101  # for the type checker
        field.choices = list(destinations)
