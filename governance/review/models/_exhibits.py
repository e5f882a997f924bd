"""Documents that are filed with a subject for its reviewers; what was filed never changes."""

from django.db import models
from django.db.models.functions import Length
from django.db.models.lookups import Exact

from governance.review.models._subjects import Subject
from governance.review.states import ExhibitKind
from governance.tables.records import Record


class Exhibit(Record):
    """One document about a subject's exact bytes, with its own digest and who filed it."""

    subject = models.ForeignKey(Subject, models.PROTECT, related_name="exhibits")
    sha256 = models.CharField(max_length=64)
    brand_id = models.UUIDField()
    kind = models.CharField(max_length=32, choices=ExhibitKind.choices)
    document = models.JSONField()
    document_sha256 = models.CharField(max_length=64)
    filed_by = models.UUIDField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="exhibit_is_of_a_kind", condition=models.Q(kind__in=ExhibitKind.values)
            ),
            models.CheckConstraint(
                name="exhibit_has_a_sha256", condition=Exact(Length("document_sha256"), 64)
            ),
        ]
        indexes = [models.Index(name="exhibit_of_subject", fields=["subject", "kind", "id"])]

    def __str__(self) -> str:
        return f"{self.kind} {self.id} of {self.subject_id}"
