"""The one column type for personal text: it takes sealed bytes and nothing else."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils.translation import gettext_lazy as _

from governance.sealing import envelopes


class SealedField(models.BinaryField):  # type: ignore[type-arg]
    """A column of sealed bytes (`sealing.services.seal`); readable text cannot get into it."""

    description = _("Sealed text")

    def get_db_prep_value(
        self, value: Any, connection: BaseDatabaseWrapper, prepared: bool = False
    ) -> Any:
        """Refuse what is not sealed, so that a forgotten call of `seal` fails at once."""
        if value is not None and not envelopes.is_sealed(bytes(value)):
            raise ValidationError(
                _("Only sealed text can be stored in “%(column)s”."),
                code="not_sealed",
                params={"column": self.name},
            )
        return super().get_db_prep_value(value, connection, prepared)

    def from_db_value(self, value: Any, *_: object) -> bytes | None:
        """Return plain bytes on both databases."""
        return None if value is None else bytes(value)

    def deconstruct(self) -> Any:
        """Appear in migrations as the plain column it is: they import no code of ours."""
        name, _path, args, kwargs = super().deconstruct()
        return name, "django.db.models.BinaryField", args, kwargs
