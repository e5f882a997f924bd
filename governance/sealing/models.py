"""The keys of persons, wrapped; a person has one live key, and a destroyed key never comes back.

No column refers to another table, so that this one can move to a database with short backups.
"""

from django.db import models
from django.db.models.functions import Now

from governance.kernel.ids import uuid7
from governance.sealing.fields import SealedField
from governance.tables.records import Record


class PersonKey(models.Model):
    """One person's key, encrypted under the installation's; `wrapped` is gone once destroyed."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    person_id = models.UUIDField()
    wrapped = models.BinaryField(null=True)
    # Keys come into being on first use, deep inside other acts: bookkeeping, never evidence.
    created_at = models.DateTimeField(db_default=Now())
    destroyed_at = models.DateTimeField(null=True)
    destroyed_by = models.UUIDField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="person_has_one_live_key",
                fields=["person_id"],
                condition=models.Q(destroyed_at__isnull=True),
            ),
            models.CheckConstraint(
                name="destroyed_key_is_gone",
                condition=models.Q(
                    destroyed_at__isnull=True, destroyed_by__isnull=True, wrapped__isnull=False
                )
                | models.Q(
                    destroyed_at__isnull=False, destroyed_by__isnull=False, wrapped__isnull=True
                ),
            ),
        ]
        indexes = [models.Index(name="personkey_person", fields=["person_id"])]

    def __str__(self) -> str:
        return f"key {self.id}"


class PersonHold(Record):
    """A legal hold on one person's texts: while it stands, their key cannot be destroyed."""

    person_id = models.UUIDField()
    brand_id = models.UUIDField()
    placed_by = models.UUIDField()
    reason = SealedField()
    lifted_at = models.DateTimeField(null=True)
    lifted_by = models.UUIDField(null=True)
    lift_reason = SealedField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="person_has_one_hold_in_a_brand",
                fields=["person_id", "brand_id"],
                condition=models.Q(lifted_at__isnull=True),
            ),
            models.CheckConstraint(
                name="hold_lifted_by_another_with_reason",
                condition=models.Q(
                    lifted_at__isnull=True, lifted_by__isnull=True, lift_reason__isnull=True
                )
                | (
                    models.Q(
                        lifted_at__isnull=False, lifted_by__isnull=False, lift_reason__isnull=False
                    )
                    & ~models.Q(lifted_by=models.F("placed_by"))
                ),
            ),
        ]
        indexes = [models.Index(name="hold_of_person", fields=["person_id", "id"])]

    def __str__(self) -> str:
        return f"hold {self.id}"
