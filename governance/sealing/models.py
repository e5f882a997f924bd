"""The keys of persons, wrapped; a person has one live key, and a destroyed key never comes back.

No column refers to another table, so that this one can move to a database with short backups.
"""

from django.db import models
from django.db.models.functions import Now

from governance.kernel.ids import uuid7


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
