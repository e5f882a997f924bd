"""Releases, passports and withdrawals: what an approval became; added to, never changed."""

from django.db import models
from django.db.models.functions import Length
from django.db.models.lookups import Exact

from governance.sealing.fields import SealedField
from governance.tables.records import Record


class Release(Record):
    """The marked bytes that one approval let go, bound to the bytes that were reviewed."""

    approval_id = models.UUIDField()
    subject_id = models.UUIDField()
    brand_id = models.UUIDField()
    reviewed_sha256 = models.CharField(max_length=64)
    marked_sha256 = models.CharField(max_length=64)
    media_type = models.CharField(max_length=100)
    marking_profile = models.CharField(max_length=100)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="release_has_its_own_approval", fields=["approval_id"]),
            models.UniqueConstraint(
                name="release_has_marked_bytes", fields=["id", "marked_sha256"]
            ),
            models.CheckConstraint(
                name="release_has_a_sha256",
                condition=Exact(Length("marked_sha256"), 64),
            ),
            models.CheckConstraint(
                name="release_is_marked",
                condition=~models.Q(marking_profile="")
                & ~models.Q(marked_sha256=models.F("reviewed_sha256")),
            ),
        ]
        indexes = [
            models.Index(name="release_of_brand", fields=["brand_id", "id"]),
            models.Index(name="release_of_subject", fields=["subject_id"]),
        ]

    def __str__(self) -> str:
        return f"release {self.id}"


class Passport(models.Model):
    """The one document that verifies a release offline; its exact bytes."""

    release = models.OneToOneField(
        Release, models.PROTECT, primary_key=True, related_name="passport"
    )
    document = models.BinaryField()
    sha256 = models.CharField(max_length=64)
    created_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"passport of {self.release_id}"


class Withdrawal(Record):
    """That a release goes out no more; who said so, and why."""

    release = models.OneToOneField(Release, models.PROTECT, related_name="withdrawal")
    actor_id = models.UUIDField()
    reason = SealedField()

    def __str__(self) -> str:
        return f"withdrawal of {self.release_id}"


class Due(models.Model):
    """That an approval waits to be released: a queue, filled by the database with each approval."""

    approval_id = models.UUIDField(primary_key=True)
    case_id = models.UUIDField()
    hinted_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(name="due_by_hint", fields=["hinted_at"])]

    def __str__(self) -> str:
        return f"approval {self.approval_id}"
