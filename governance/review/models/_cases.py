"""Cases, whose turn it is, decisions and approvals; what a decision rests on never changes."""

from django.db import models
from django.db.models import F, Q

from governance.review.models._policies import ChecklistItem, Policy, Stage
from governance.review.models._subjects import Delivery, Subject
from governance.review.states import CaseState, ChecklistAnswer, Verdict
from governance.sealing.fields import SealedField
from governance.tables.records import Record

MAX_RISK = 100


class Case(Record):
    """The review of one subject's bytes, under the policy that counted when it was opened.

    `risk` (0..100) and `market` order the queue. `stage_position` is the step whose stages are
    open; all stages of one position are decided side by side.
    """

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
    risk = models.PositiveSmallIntegerField(default=0)
    market = models.CharField(max_length=16, blank=True, default="")
    closed_at = models.DateTimeField(null=True)
    void_reason = SealedField(null=True)

    class Meta:
        verbose_name = "review case"
        constraints = [
            # Bytes that somebody turned down get no second opinion: only a voided case frees them.
            models.UniqueConstraint(
                name="case_is_the_only_one",
                fields=["subject"],
                condition=~Q(state="voided"),
            ),
            models.UniqueConstraint(
                name="case_has_bytes_and_policy", fields=["id", "subject", "sha256", "policy"]
            ),
            models.CheckConstraint(
                name="case_is_in_a_state", condition=Q(state__in=CaseState.values)
            ),
            models.CheckConstraint(
                name="case_is_closed_with_a_time",
                condition=Q(state="open", closed_at__isnull=True)
                | (~Q(state="open") & Q(closed_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="case_risk_is_a_percentage", condition=Q(risk__lte=MAX_RISK)
            ),
        ]
        indexes = [models.Index(name="case_of_brand", fields=["brand_id", "state", "id"])]

    def __str__(self) -> str:
        return f"review case {self.id}"


class Pin(Record):
    """What a case's subject was made with, one row for each pinned version.

    The case's `pins` say the same in words; these rows find the cases that rest on a version.
    """

    case = models.ForeignKey(Case, models.PROTECT, related_name="pinned")
    name = models.CharField(max_length=40)
    value = models.CharField(max_length=64)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="pin_is_named_once", fields=["case", "name"]),
        ]
        indexes = [models.Index(name="pin_of_version", fields=["name", "value", "case"])]

    def __str__(self) -> str:
        return f"{self.name} of {self.case_id}"


class Turn(Record):
    """That a stage of a case is open: until when, and who was asked beyond the policy."""

    case = models.ForeignKey(Case, models.PROTECT, related_name="turns")
    stage = models.ForeignKey(Stage, models.PROTECT, related_name="turns")
    due_at = models.DateTimeField(null=True)
    # When the relay has to look at it next: the reminder, then each escalation; null: never.
    next_at = models.DateTimeField(null=True)
    reminded_at = models.DateTimeField(null=True)
    escalations = models.PositiveSmallIntegerField(default=0)
    assigned_to = models.UUIDField(null=True)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="turn_of_each_stage", fields=["case", "stage"]),
        ]
        indexes = [
            models.Index(
                name="turn_to_look_at",
                fields=["next_at"],
                condition=Q(closed_at__isnull=True, next_at__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"turn {self.id} of {self.case_id}"


class Seat(Record):
    """Who is asked in an open turn: `role:…`, `group:<id>` or `person:<id>` of the brand.

    A copy of what orders the queue (risk, due time) stands here, so that the next case is found in
    one index.
    """

    turn = models.ForeignKey(Turn, models.PROTECT, related_name="seats")
    brand_id = models.UUIDField()
    audience = models.CharField(max_length=80)
    risk = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(null=True)
    closed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="seat_is_given_once",
                fields=["turn", "audience"],
                condition=Q(closed_at__isnull=True),
            ),
        ]
        indexes = [
            models.Index(
                F("brand_id"),
                F("audience"),
                F("risk").desc(),
                F("due_at").asc(),
                F("id").asc(),
                name="seat_queue",
                condition=Q(closed_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        return f"{self.audience} in {self.turn_id}"


class Claim(Record):
    """That somebody is looking at an open turn, until a time; it ends by itself."""

    turn = models.ForeignKey(Turn, models.PROTECT, related_name="claims")
    person_id = models.UUIDField()
    until = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="claim_of_a_person", fields=["turn", "person_id"]),
        ]

    def __str__(self) -> str:
        return f"claim of {self.person_id} on {self.turn_id}"


class Assignment(Record):
    """That a turn was given to one person, by whom and why."""

    turn = models.ForeignKey(Turn, models.PROTECT, related_name="assignments")
    person_id = models.UUIDField()
    assigned_by = models.UUIDField()
    reason = SealedField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                name="assignment_by_another", condition=~Q(person_id=F("assigned_by"))
            ),
        ]

    def __str__(self) -> str:
        return f"{self.turn_id} to {self.person_id}"


class Decision(Record):
    """What one reviewer said about the bytes on their screen.

    `delivery` is when these bytes were sent to that screen, `seen_s` the seconds from then to the
    decision, `authenticated_at` when the person last proved who they are.
    """

    case = models.ForeignKey(Case, models.PROTECT, related_name="decisions")
    subject_id = models.UUIDField()
    sha256 = models.CharField(max_length=64)
    stage = models.ForeignKey(Stage, models.PROTECT, related_name="decisions")
    reviewer_id = models.UUIDField()
    verdict = models.CharField(max_length=32, choices=Verdict.choices)
    reason = SealedField(null=True)
    policy_id = models.UUIDField()
    delivery = models.ForeignKey(Delivery, models.PROTECT, null=True, related_name="+")
    seen_s = models.PositiveIntegerField(default=0)
    authenticated_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="decision_is_made_once", fields=["case", "reviewer_id"]),
            models.UniqueConstraint(name="decision_is_of_a_policy", fields=["id", "policy_id"]),
            models.CheckConstraint(
                name="decision_has_a_verdict", condition=Q(verdict__in=Verdict.values)
            ),
            models.CheckConstraint(
                name="decision_against_has_a_reason",
                condition=Q(verdict="approve") | Q(reason__isnull=False),
            ),
        ]
        indexes = [models.Index(name="decision_on_subject", fields=["subject_id", "reviewer_id"])]

    def __str__(self) -> str:
        return f"{self.verdict} on {self.case_id} by {self.reviewer_id}"


class Answer(Record):
    """What a decision answered to one item of the checklist."""

    decision = models.ForeignKey(Decision, models.PROTECT, related_name="answers")
    item = models.ForeignKey(ChecklistItem, models.PROTECT, related_name="answers")
    policy_id = models.UUIDField()
    answer = models.CharField(max_length=16, choices=ChecklistAnswer.choices)
    note = SealedField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(name="answer_is_given_once", fields=["decision", "item"]),
            models.CheckConstraint(
                name="answer_is_known", condition=Q(answer__in=ChecklistAnswer.values)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.answer} to {self.item_id}"


class ConditionMet(Record):
    """That the changes an approval asked for around the image were made; without it, no way out."""

    decision = models.OneToOneField(Decision, models.PROTECT, related_name="condition_met")
    confirmed_by = models.UUIDField()
    note = SealedField(null=True)

    def __str__(self) -> str:
        return f"condition of {self.decision_id}"


class Approval(Record):
    """That every stage had its quorum on the same bytes; the only thing that opens the gate.

    `break_glass_id` names what shortened the way, where the quorum did not decide.
    """

    case = models.OneToOneField(Case, models.PROTECT, related_name="approval")
    subject_id = models.UUIDField()
    sha256 = models.CharField(max_length=64)
    entry_id = models.UUIDField()
    policy_id = models.UUIDField()
    break_glass_id = models.UUIDField(null=True)

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
