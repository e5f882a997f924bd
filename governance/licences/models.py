"""Licences: the text as bytes, and what it permits; one proposes, another agrees, none changes."""

from django.db import models
from django.db.models import Q

from governance.tables.records import Proposed, Record, four_eyes


class Licence(Record, Proposed):
    """One version of a licence as this installation understands it, with the text it rests on.

    `identifier` is an SPDX identifier, or LicenseRef-… for a contract of one's own. `revenue_limit`
    is the yearly revenue up to which it holds; null where it names none.
    """

    identifier = models.CharField(max_length=60)
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=120)
    text = models.BinaryField()
    text_sha256 = models.CharField(max_length=64)
    purposes = models.JSONField()
    obligations = models.JSONField()
    revenue_limit = models.DecimalField(max_digits=18, decimal_places=2, null=True)
    revenue_currency = models.CharField(max_length=3, blank=True)
    retired_by = models.UUIDField(null=True)
    retired_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["identifier", "number"], name="licence_number_is_unique"
            ),
            models.CheckConstraint(
                name="licence_limit_has_its_currency",
                condition=Q(revenue_limit__isnull=True, revenue_currency="")
                | (Q(revenue_limit__gt=0) & ~Q(revenue_currency="")),
            ),
            models.CheckConstraint(
                name="licence_retired_by_somebody",
                condition=Q(retired_by__isnull=True, retired_at__isnull=True)
                | Q(retired_by__isnull=False, retired_at__isnull=False),
            ),
            four_eyes("licence"),
        ]

    def __str__(self) -> str:
        return f"{self.identifier}@{self.number}"
