"""What people are told: a kind and an id each, never text; no evidence, so it is pruned."""

from django.db import models
from django.db.models import Q

from governance.tables.records import Record


class Notice(Record):
    """That one person was told of one thing; read where `read_at` is set."""

    person_id = models.UUIDField()
    brand_id = models.UUIDField(null=True)
    kind = models.CharField(max_length=64)
    subject_kind = models.CharField(max_length=64)
    subject_id = models.UUIDField()
    case_id = models.UUIDField(null=True)
    read_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="notice_names_its_subject",
                condition=~Q(kind="") & ~Q(subject_kind=""),
            )
        ]
        indexes = [
            models.Index(name="notice_to_person", fields=["person_id", "id"]),
            models.Index(
                name="notice_unread",
                fields=["person_id", "id"],
                condition=Q(read_at__isnull=True),
            ),
            models.Index(name="notice_by_age", fields=["created_at"]),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"
