"""Subjects, policies, cases, decisions, approvals; what a decision rests on never changes."""

from django.db import models
from django.db.models.functions import Length
from django.db.models.lookups import Exact

from governance.kernel.roles import Role
from governance.review.states import CaseState, Verdict
from governance.sealing.fields import SealedField
from governance.tables.records import Proposed, Record, four_eyes

# The roles that a stage can ask for: nobody else decides.
STAGE_ROLES = (Role.BRAND_MANAGER, Role.BRAND_REVIEWER, Role.COMPLIANCE_REVIEWER)


class SubjectKind(models.TextChoices):
    """What can be reviewed."""

    ASSET = "asset"
    TEMPLATE_VERSION = "template_version"


class Subject(Record):
    """One thing that is decided about, as exact bytes; what is governed points down to it."""

    kind = models.CharField(max_length=32, choices=SubjectKind.choices)
    sha256 = models.CharField(max_length=64)
    brand_id = models.UUIDField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="subject_has_bytes", fields=["id", "sha256"]),
            models.UniqueConstraint(
                name="subject_has_bytes_and_brand", fields=["id", "sha256", "brand_id"]
            ),
            models.CheckConstraint(
                name="subject_is_of_a_kind", condition=models.Q(kind__in=SubjectKind.values)
            ),
            models.CheckConstraint(
                name="subject_has_a_sha256", condition=Exact(Length("sha256"), 64)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


class Contribution(Record):
    """That a person had a part in a subject, and which; they never decide on it."""

    subject = models.ForeignKey(Subject, models.PROTECT, related_name="contributions")
    actor_id = models.UUIDField()
    part = models.CharField(max_length=32)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="contribution_is_named_once", fields=["subject", "actor_id", "part"]
            ),
            models.CheckConstraint(name="contribution_has_a_part", condition=~models.Q(part="")),
        ]

    def __str__(self) -> str:
        return f"{self.part} of {self.subject_id} by {self.actor_id}"


class Policy(Record, Proposed):
    """One version of who decides, how many, in which order; it counts once another approved it."""

    brand_id = models.UUIDField()
    subject_kind = models.CharField(max_length=32, choices=SubjectKind.choices)
    name = models.CharField(max_length=100)
    number = models.PositiveIntegerField()

    class Meta:
        constraints = [
            four_eyes("policy"),
            models.UniqueConstraint(
                name="policy_has_a_number", fields=["brand_id", "subject_kind", "number"]
            ),
            models.CheckConstraint(
                name="policy_counts_from_one", condition=models.Q(number__gte=1)
            ),
            models.CheckConstraint(
                name="policy_is_for_a_kind", condition=models.Q(subject_kind__in=SubjectKind.values)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subject_kind} policy {self.number} of {self.brand_id}"


class Stage(Record):
    """One step of a policy: the role that decides it and how many different people must approve."""

    policy = models.ForeignKey(Policy, models.PROTECT, related_name="stages")
    position = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=100)
    role = models.CharField(max_length=32)
    quorum = models.PositiveSmallIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="stage_has_a_position", fields=["policy", "position"]),
            models.UniqueConstraint(name="stage_is_of_a_policy", fields=["id", "policy"]),
            models.CheckConstraint(
                name="stage_counts_from_one", condition=models.Q(position__gte=1)
            ),
            models.CheckConstraint(name="stage_needs_somebody", condition=models.Q(quorum__gte=1)),
            models.CheckConstraint(
                name="stage_asks_for_a_reviewer",
                condition=models.Q(role__in=[role.value for role in STAGE_ROLES]),
            ),
        ]

    def __str__(self) -> str:
        return f"stage {self.position} of {self.policy_id}"


class Case(Record):
    """The review of one subject's bytes, under the policy that counted when it was opened."""

    subject = models.ForeignKey(Subject, models.PROTECT, related_name="cases")
    sha256 = models.CharField(max_length=64)
    brand_id = models.UUIDField()
    policy = models.ForeignKey(Policy, models.PROTECT, related_name="cases")
    # The versions that the subject was made with, by name: {"template_version": "<id>"}.
    pins = models.JSONField(default=dict)
    state = models.CharField(max_length=32, choices=CaseState.choices, default=CaseState.OPEN)
    stage_position = models.PositiveSmallIntegerField(default=1)
    title = models.CharField(max_length=200)
    requested_by = models.UUIDField()
    closed_at = models.DateTimeField(null=True)
    void_reason = SealedField(null=True)

    class Meta:
        verbose_name = "review case"
        constraints = [
            # Bytes that somebody turned down get no second opinion: only a voided case frees them.
            models.UniqueConstraint(
                name="case_is_the_only_one",
                fields=["subject"],
                condition=~models.Q(state="voided"),
            ),
            models.UniqueConstraint(
                name="case_has_bytes_and_policy", fields=["id", "subject", "sha256", "policy"]
            ),
            models.CheckConstraint(
                name="case_is_in_a_state", condition=models.Q(state__in=CaseState.values)
            ),
            models.CheckConstraint(
                name="case_is_closed_with_a_time",
                condition=models.Q(state="open", closed_at__isnull=True)
                | (~models.Q(state="open") & models.Q(closed_at__isnull=False)),
            ),
        ]
        indexes = [models.Index(name="case_of_brand", fields=["brand_id", "state", "id"])]

    def __str__(self) -> str:
        return f"review case {self.id}"


class Decision(Record):
    """What one reviewer said about the bytes on their screen."""

    case = models.ForeignKey(Case, models.PROTECT, related_name="decisions")
    subject_id = models.UUIDField()
    sha256 = models.CharField(max_length=64)
    stage = models.ForeignKey(Stage, models.PROTECT, related_name="decisions")
    reviewer_id = models.UUIDField()
    verdict = models.CharField(max_length=32, choices=Verdict.choices)
    reason = SealedField(null=True)
    policy_id = models.UUIDField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="decision_is_made_once", fields=["case", "reviewer_id"]),
            models.CheckConstraint(
                name="decision_has_a_verdict", condition=models.Q(verdict__in=Verdict.values)
            ),
            models.CheckConstraint(
                name="decision_against_has_a_reason",
                condition=models.Q(verdict="approve") | models.Q(reason__isnull=False),
            ),
        ]
        indexes = [models.Index(name="decision_on_subject", fields=["subject_id", "reviewer_id"])]

    def __str__(self) -> str:
        return f"{self.verdict} on {self.case_id} by {self.reviewer_id}"


class Approval(Record):
    """That every stage had its quorum on the same bytes; the only thing that opens the gate."""

    case = models.OneToOneField(Case, models.PROTECT, related_name="approval")
    subject_id = models.UUIDField()
    sha256 = models.CharField(max_length=64)
    entry_id = models.UUIDField()
    policy_id = models.UUIDField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="approval_has_bytes", fields=["id", "subject_id", "sha256"]
            ),
            models.UniqueConstraint(name="approval_has_its_own_entry", fields=["entry_id"]),
        ]
        indexes = [models.Index(name="approval_of_subject", fields=["subject_id"])]

    def __str__(self) -> str:
        return f"approval of {self.case_id}"
