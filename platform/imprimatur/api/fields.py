"""Shapes of input that repair nothing: a text is a text, and an unknown name is an error."""

from collections.abc import Mapping
from datetime import datetime
from math import isfinite
from typing import Any

from django.utils.translation import gettext as _
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from governance.kernel.roles import Role

ROLES = [role.value for role in Role]


class Text(serializers.CharField):
    """A JSON string, kept as it came."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"trim_whitespace": False, **options})

    def to_internal_value(self, data: Any) -> str:
        """Return the string. Raises: ValidationError for anything that is none."""
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))


class Whole(serializers.IntegerField):
    """A JSON whole number; neither a string of digits, nor true, nor 3.0."""

    def to_internal_value(self, data: Any) -> int:
        """Return the number. Raises: ValidationError for anything that is none."""
        if not isinstance(data, int) or isinstance(data, bool):
            self.fail("invalid")
        return int(super().to_internal_value(data))


class Number(serializers.FloatField):
    """A JSON number; neither a string of digits, nor true."""

    def to_internal_value(self, data: Any) -> float:
        """Return the number. Raises: ValidationError for anything that is none."""
        if isinstance(data, bool) or not isinstance(data, int | float) or not isfinite(data):
            self.fail("invalid")
        return float(super().to_internal_value(data))


class Flag(serializers.BooleanField):
    """A JSON true or false; neither "yes", nor 1, nor a string of it."""

    def to_internal_value(self, data: Any) -> bool:
        """Return the truth value. Raises: ValidationError for anything that is none."""
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class Identity(serializers.UUIDField):
    """A UUID as a string in its usual form."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the UUID. Raises: ValidationError for other forms."""
        found = super().to_internal_value(data) if isinstance(data, str) else None
        if found is None or str(found) != data.lower():
            self.fail("invalid", value=data)
        return found


class Moment(serializers.DateTimeField):
    """A time as RFC 3339 with its offset."""

    def to_internal_value(self, value: Any) -> datetime:
        """Return the aware time. Raises: ValidationError without an offset."""
        has_offset = isinstance(value, str) and ("+" in value[10:] or "-" in value[10:])
        if not has_offset and not (isinstance(value, str) and value.upper().endswith("Z")):
            raise ValidationError(_("A time needs its offset, such as Z."), code="offset")
        return super().to_internal_value(value)


class Variables(serializers.DictField):
    """An object of values by name; the template's own JSON Schema says which."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Return the object as it came."""
        if not isinstance(data, Mapping):
            self.fail("not_a_dict", input_type=type(data).__name__)
        return dict(data)


class Input(serializers.Serializer):
    """What a request may hold; a name that is not declared is refused, by its name."""

    body_type = "application/json"

    def to_internal_value(self, data: Any) -> Any:
        """Return the checked values. Raises: ValidationError naming every field and rule."""
        unknown = {}
        if isinstance(data, Mapping):
            unknown = {
                name: [ErrorDetail(_("There is no field of this name."), code="unknown")]
                for name in data
                if name not in self.fields
            }
        try:
            values = super().to_internal_value(data)
        except ValidationError as error:
            raise ValidationError({**_by_name(error.detail), **unknown}) from error
        if unknown:
            raise ValidationError(unknown)
        return values


class QueryWhole(serializers.IntegerField):
    """A whole number in a query string."""


class Filters(Input):
    """What a list can be asked: where to go on, and how many at most."""

    cursor = serializers.CharField(
        required=False, max_length=64, help_text="Opaque; taken from the page before (`next`)."
    )
    limit = QueryWhole(
        required=False, min_value=1, max_value=100, default=20, help_text="Items per page."
    )


def _by_name(detail: Any) -> dict[str, Any]:
    return dict(detail) if isinstance(detail, Mapping) else {"non_field_errors": detail}
