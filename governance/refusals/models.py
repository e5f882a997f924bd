"""What was blocked, why, and who may override it: only ever added, personal text sealed."""

from django.db import models
from django.db.models import Q

from governance.kernel.roles import Role
from governance.refusals.states import Stage
from governance.sealing.fields import SealedField
from governance.tables.records import Record


class Refusal(Record):
    """One recorded block; `reason` is a plain sentence without personal text, `detail` is sealed.

    `threshold` is the limit that `score` was held against, both in the scorer's own unit.
    """

    brand_id = models.UUIDField()
    stage = models.CharField(max_length=8, choices=Stage.choices)
    category = models.CharField(max_length=64)
    scorer = models.CharField(max_length=200, blank=True, default="")
    score = models.FloatField(null=True)
    threshold = models.FloatField(null=True)
    reason = models.CharField(max_length=500)
    detail = SealedField(null=True)
    requester_id = models.UUIDField()
    subject_kind = models.CharField(max_length=64)
    subject_id = models.UUIDField()
    overridable_by = models.CharField(max_length=32, choices=[(r.value, r.value) for r in Role])

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="refusal_at_a_known_stage", condition=Q(stage__in=Stage.values)
            ),
            models.CheckConstraint(
                name="refusal_gives_its_reason",
                condition=~Q(reason="") & ~Q(category="") & ~Q(subject_kind=""),
            ),
            models.CheckConstraint(
                name="refusal_score_names_its_scorer",
                condition=Q(score__isnull=True, threshold__isnull=True)
                | (Q(score__isnull=False) & ~Q(scorer="")),
            ),
        ]
        indexes = [
            models.Index(name="refusal_of_brand", fields=["brand_id", "id"]),
            models.Index(name="refusal_of_requester", fields=["requester_id", "id"]),
            models.Index(name="refusal_of_subject", fields=["subject_id", "id"]),
        ]

    def __str__(self) -> str:
        return f"{self.stage} {self.category} {self.id}"
