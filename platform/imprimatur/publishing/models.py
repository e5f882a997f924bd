"""Destinations, publications, receipts of delivery and of removal, and what a look round found.

A destination never holds its credential.
"""

from django.db import models

from governance.sealing.fields import SealedField
from governance.tables.records import Proposed, Record, four_eyes
from imprimatur.publishing.destinations.protocol import Removed
from imprimatur.publishing.states import FindingKind, PublicationState


class Destination(Record, Proposed):
    """A place outside to which released bytes may go, proposed by one, approved by another."""

    brand_id = models.UUIDField()
    slug = models.SlugField(max_length=60)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=20)
    config = models.JSONField()
    credential_ref = models.CharField(max_length=80, blank=True)
    retired_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "destination"
        constraints = [
            models.UniqueConstraint(fields=["brand_id", "slug"], name="destination_slug_per_brand"),
            four_eyes("destination"),
        ]

    def __str__(self) -> str:
        return self.slug


class Publication(Record):
    """One delivery of a release's marked bytes to a destination."""

    brand_id = models.UUIDField()
    release_id = models.UUIDField(db_index=True)
    marked_sha256 = models.CharField(max_length=64)
    destination = models.ForeignKey(Destination, on_delete=models.PROTECT)
    rendition = models.CharField(max_length=40, default="original")
    attempt = models.PositiveSmallIntegerField(default=1)
    requested_by = models.UUIDField()
    state = models.CharField(
        max_length=12, choices=PublicationState.choices, default=PublicationState.PENDING
    )
    epoch = models.PositiveIntegerField(default=0)
    tries = models.PositiveSmallIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    hinted_at = models.DateTimeField(null=True)
    failure = models.CharField(max_length=500, blank=True)

    class Meta:
        verbose_name = "publication"
        constraints = [
            models.UniqueConstraint(
                fields=["release_id", "destination", "rendition", "attempt"],
                name="publication_once_per_attempt",
            ),
        ]
        indexes = [
            models.Index(fields=["brand_id", "id"], name="publication_by_brand"),
            models.Index(
                fields=["hinted_at"],
                name="publication_waiting",
                condition=models.Q(state__in=["pending", "delivering", "recalling"]),
            ),
            models.Index(
                fields=["destination", "marked_sha256"], name="publication_at_destination"
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)


class Receipt(Record):
    """The proof of one delivery: where the bytes lie, and that they were read back there."""

    publication = models.OneToOneField(
        Publication, on_delete=models.PROTECT, related_name="receipt"
    )
    sha256 = models.CharField(max_length=64)
    key = models.CharField(max_length=300)
    location = models.CharField(max_length=600)
    etag = models.CharField(max_length=120, blank=True)
    size_bytes = models.PositiveBigIntegerField()
    verified_at = models.DateTimeField()

    class Meta:
        verbose_name = "receipt"

    def __str__(self) -> str:
        return self.location


class Removal(Record):
    """The proof of one recall: what lay there, and that our bytes were seen to be gone."""

    publication = models.OneToOneField(
        Publication, on_delete=models.PROTECT, related_name="removal"
    )
    sha256 = models.CharField(max_length=64)
    key = models.CharField(max_length=300)
    found = models.CharField(max_length=24)
    verified_at = models.DateTimeField()

    class Meta:
        verbose_name = "removal"
        constraints = [
            models.CheckConstraint(
                name="removal_found",
                condition=models.Q(found__in=[removed.value for removed in Removed]),
            )
        ]

    def __str__(self) -> str:
        return f"removal of {self.key}"


class Finding(Record):
    """What a look round a destination found that no record explains; a person closes it."""

    brand_id = models.UUIDField()
    destination = models.ForeignKey(Destination, on_delete=models.PROTECT)
    publication = models.ForeignKey(Publication, on_delete=models.PROTECT, null=True)
    kind = models.CharField(max_length=24, choices=FindingKind.choices)
    key = models.CharField(max_length=1200)
    etag = models.CharField(max_length=120, blank=True)
    size_bytes = models.PositiveBigIntegerField()

    class Meta:
        verbose_name = "finding"
        indexes = [
            models.Index(fields=["brand_id", "id"], name="finding_by_brand"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


class Quarantine(Record):
    """That what was found was moved out of what is published, and where it lies now."""

    finding = models.OneToOneField(Finding, on_delete=models.PROTECT, related_name="quarantine")
    location = models.CharField(max_length=600)

    class Meta:
        verbose_name = "quarantine"

    def __str__(self) -> str:
        return self.location


class Closure(Record):
    """That a person looked into a finding: who, and what they made of it."""

    finding = models.OneToOneField(Finding, on_delete=models.PROTECT, related_name="closure")
    actor_id = models.UUIDField()
    reason = SealedField()

    class Meta:
        verbose_name = "closure"

    def __str__(self) -> str:
        return f"closure of {self.finding_id}"
