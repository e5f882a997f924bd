"""What people say about a place in the image: pins and boxes, each with its thread."""

from django.db import models
from django.db.models import F, Q, Value
from django.db.models.lookups import LessThanOrEqual

from governance.review.models._cases import Case
from governance.sealing.fields import SealedField
from governance.tables.records import Record


class Mark(models.TextChoices):
    """How an annotation points at the image."""

    PIN = "pin"
    BOX = "box"


class Annotation(Record):
    """A pin or a box on a case's bytes; x, y, width, height in 0..1 of the image's size."""

    case = models.ForeignKey(Case, models.PROTECT, related_name="annotations")
    subject_id = models.UUIDField()
    sha256 = models.CharField(max_length=64)
    author_id = models.UUIDField()
    mark = models.CharField(max_length=8, choices=Mark.choices)
    x = models.FloatField()
    y = models.FloatField()
    width = models.FloatField(null=True)
    height = models.FloatField(null=True)
    text = SealedField()
    mentions = models.JSONField(default=list)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="annotation_lies_in_the_image",
                condition=Q(x__gte=0, x__lte=1, y__gte=0, y__lte=1),
            ),
            models.CheckConstraint(
                name="annotation_is_a_pin_or_a_box",
                # Not null is said: a comparison with null is no "no" to a CHECK.
                condition=Q(mark=Mark.PIN, width__isnull=True, height__isnull=True)
                | (
                    Q(mark=Mark.BOX, width__isnull=False, height__isnull=False)
                    & Q(width__gt=0, height__gt=0)
                    & Q(LessThanOrEqual(F("x") + F("width"), Value(1.0)))
                    & Q(LessThanOrEqual(F("y") + F("height"), Value(1.0)))
                ),
            ),
        ]
        indexes = [models.Index(name="annotation_on_subject", fields=["subject_id", "id"])]

    def __str__(self) -> str:
        return f"{self.mark} {self.id}"


class Reply(Record):
    """One more sentence in an annotation's thread."""

    annotation = models.ForeignKey(Annotation, models.PROTECT, related_name="replies")
    author_id = models.UUIDField()
    text = SealedField()
    mentions = models.JSONField(default=list)

    def __str__(self) -> str:
        return f"reply {self.id}"


class Resolution(Record):
    """That an annotation's matter is settled, and who said so."""

    annotation = models.OneToOneField(Annotation, models.PROTECT, related_name="resolution")
    resolved_by = models.UUIDField()

    def __str__(self) -> str:
        return f"resolution of {self.annotation_id}"
