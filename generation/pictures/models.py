"""Pictures that people bring in: bare pixels by their digest, and the digest of what came."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Length
from django.db.models.lookups import Exact

from governance.sealing.fields import SealedField
from governance.tables.records import Record


class Picture(Record):
    """One incoming picture of a brand; its id is its subject's.

    `received_…` is about the file as it came, which is not kept; everything else about the pixels
    that are. The same file, or other bytes of the same pixels, are the same picture.
    """

    brand_id = models.UUIDField()
    subject_id = models.UUIDField(unique=True)
    sha256 = models.CharField(max_length=64)
    preview_sha256 = models.CharField(max_length=64)
    width_px = models.PositiveIntegerField()
    height_px = models.PositiveIntegerField()
    size_bytes = models.PositiveBigIntegerField()
    media_type = models.CharField(max_length=40)
    received_sha256 = models.CharField(max_length=64)
    received_bytes = models.PositiveBigIntegerField()
    received_media_type = models.CharField(max_length=40)
    uploaded_by = models.UUIDField()
    name = SealedField()

    class Meta:
        verbose_name = "picture"
        constraints = [
            models.UniqueConstraint(fields=["brand_id", "sha256"], name="picture_once_per_brand"),
            models.UniqueConstraint(
                fields=["brand_id", "received_sha256"], name="picture_received_once_per_brand"
            ),
            models.CheckConstraint(
                name="picture_is_its_subject", condition=Q(subject_id=models.F("id"))
            ),
            models.CheckConstraint(
                name="picture_has_what_came", condition=Exact(Length("received_sha256"), 64)
            ),
        ]
        indexes = [models.Index(fields=["brand_id", "id"], name="picture_by_brand")]

    def __str__(self) -> str:
        return f"picture {self.id}"
