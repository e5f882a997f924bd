"""What was blocked and why, appeals against it, and overrides; personal text is sealed.

Refusals, overrides and their uses are only ever added; an appeal moves once, from open.
"""

from django.db import models
from django.db.models import Q

from governance.kernel.roles import Role
from governance.refusals.states import AppealState, Stage
from governance.sealing.fields import SealedField
from governance.tables.records import Record


class Refusal(Record):
    """One recorded block; `reason` is a plain sentence without personal text, `detail` is sealed.

    `threshold` is the limit that `score` was held against, both in the scorer's own unit.
    `decided_by` is the person whose decision it was, null where a rule said no; `overridable_by`
    is empty where nobody may override it.
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
    overridable_by = models.CharField(
        max_length=32, blank=True, choices=[(r.value, r.value) for r in Role]
    )
    decided_by = models.UUIDField(null=True)

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


class Appeal(Record):
    """The requester's appeal against one refusal; `reason` is the decider's, kept with theirs."""

    refusal = models.ForeignKey(Refusal, models.PROTECT, related_name="appeals")
    brand_id = models.UUIDField()
    appellant_id = models.UUIDField()
    argument = SealedField()
    state = models.CharField(max_length=10, choices=AppealState.choices, default=AppealState.OPEN)
    decided_by = models.UUIDField(null=True)
    reason = SealedField(null=True)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "appeal"
        constraints = [
            # Who was heard is not heard again by another; only a withdrawn appeal makes room.
            models.UniqueConstraint(
                name="appeal_is_the_only_one",
                fields=["refusal"],
                condition=~Q(state=AppealState.WITHDRAWN),
            ),
            models.CheckConstraint(
                name="appeal_is_in_a_state", condition=Q(state__in=AppealState.values)
            ),
            models.CheckConstraint(
                name="appeal_is_closed_as_its_state_says",
                condition=Q(
                    state=AppealState.OPEN,
                    closed_at__isnull=True,
                    decided_by__isnull=True,
                    reason__isnull=True,
                )
                | Q(
                    state=AppealState.WITHDRAWN,
                    closed_at__isnull=False,
                    decided_by__isnull=True,
                    reason__isnull=True,
                )
                | Q(
                    state__in=[AppealState.UPHELD, AppealState.OVERTURNED],
                    closed_at__isnull=False,
                    decided_by__isnull=False,
                    reason__isnull=False,
                ),
            ),
            models.CheckConstraint(
                name="appeal_is_decided_by_another",
                condition=Q(decided_by__isnull=True) | ~Q(decided_by=models.F("appellant_id")),
            ),
        ]
        indexes = [
            models.Index(name="appeal_of_brand", fields=["brand_id", "state", "id"]),
            models.Index(name="appeal_of_appellant", fields=["appellant_id", "id"]),
        ]

    def __str__(self) -> str:
        return f"appeal {self.id}"


class Override(Record):
    """That a person lifted one refusal, why, and on whose appeal, if there was one.

    `valid_until` is set for a prompt: until then one order of exactly those words passes. The act
    is the ledger's entry `entry_id`.
    """

    refusal = models.OneToOneField(Refusal, models.PROTECT, related_name="override")
    appeal = models.OneToOneField(Appeal, models.PROTECT, null=True, related_name="override")
    decided_by = models.UUIDField()
    reason = SealedField()
    valid_until = models.DateTimeField(null=True)
    entry_id = models.UUIDField()

    def __str__(self) -> str:
        return f"override of {self.refusal_id}"


class PassUse(Record):
    """That an override let one order through."""

    override = models.OneToOneField(Override, models.PROTECT, related_name="use")
    order_id = models.UUIDField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="pass_is_used_by_one_order", fields=["order_id"]),
        ]

    def __str__(self) -> str:
        return f"{self.override_id} let {self.order_id} pass"
