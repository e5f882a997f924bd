"""Destinations, publications and receipts; a destination never holds its credential."""

from django.db import models

from governance.tables.records import Proposed, Record, four_eyes
from imprimatur.publishing.states import PublicationState


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
                condition=models.Q(state__in=["pending", "delivering"]),
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
