"""The short way in an emergency: two people, a reason, a countdown, and a review afterwards."""

from django.db import models
from django.db.models import F, Q

from governance.review.models._cases import Case
from governance.review.states import BreakGlassState
from governance.sealing.fields import SealedField
from governance.tables.records import Record


class BreakGlass(Record):
    """One person opens it with a reason, another confirms; after the countdown it approves a case.

    Until `effective_at` anybody who reviews can stop it. Afterwards somebody else judges whether it
    was right.
    """

    case = models.ForeignKey(Case, models.PROTECT, related_name="break_glass")
    subject_id = models.UUIDField()
    sha256 = models.CharField(max_length=64)
    brand_id = models.UUIDField()
    state = models.CharField(
        max_length=16, choices=BreakGlassState.choices, default=BreakGlassState.OPENED
    )
    opened_by = models.UUIDField()
    reason = SealedField()
    confirmed_by = models.UUIDField(null=True)
    confirmed_at = models.DateTimeField(null=True)
    effective_at = models.DateTimeField(null=True)
    stopped_by = models.UUIDField(null=True)
    stopped_at = models.DateTimeField(null=True)
    used_at = models.DateTimeField(null=True)
    judge_until = models.DateTimeField(null=True)
    # When the alarm over a judgement that did not come was raised.
    overdue_at = models.DateTimeField(null=True)
    judged_by = models.UUIDField(null=True)
    judged_at = models.DateTimeField(null=True)
    judgement_reason = SealedField(null=True)

    class Meta:
        verbose_name = "break-glass"
        constraints = [
            models.CheckConstraint(
                name="breakglass_takes_two",
                condition=Q(confirmed_by__isnull=True, effective_at__isnull=True)
                | (
                    Q(confirmed_by__isnull=False, effective_at__isnull=False)
                    & ~Q(confirmed_by=F("opened_by"))
                ),
            ),
            models.CheckConstraint(
                name="breakglass_is_judged_by_a_third",
                condition=Q(judged_by__isnull=True)
                | (~Q(judged_by=F("opened_by")) & ~Q(judged_by=F("confirmed_by"))),
            ),
            models.CheckConstraint(
                name="breakglass_is_in_a_state", condition=Q(state__in=BreakGlassState.values)
            ),
            models.UniqueConstraint(
                name="breakglass_is_live_once",
                fields=["case"],
                condition=Q(state__in=["opened", "confirmed"]),
            ),
        ]
        indexes = [
            models.Index(name="breakglass_of_brand", fields=["brand_id", "state", "id"]),
            models.Index(
                name="breakglass_to_judge",
                fields=["judge_until"],
                condition=Q(state=BreakGlassState.USED, overdue_at__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"break-glass {self.id}"
