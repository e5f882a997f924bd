"""Who decides: versioned policies with stages and a checklist, and groups of named people."""

from django.db import models
from django.db.models import F, Q

from governance.kernel.roles import Role
from governance.review.models._subjects import REVIEWED_KINDS
from governance.tables.records import Proposed, Record, four_eyes

# The roles that a stage can ask for.
STAGE_ROLES = (Role.BRAND_MANAGER, Role.BRAND_REVIEWER, Role.COMPLIANCE_REVIEWER)


class Asks(models.TextChoices):
    """How a stage names those who decide it."""

    ROLE = "role"
    PEOPLE = "people"
    GROUP = "group"


class Group(Record):
    """Some of a brand's people under one name, for stages that ask for them."""

    brand_id = models.UUIDField()
    name = models.CharField(max_length=100)
    created_by = models.UUIDField()

    class Meta:
        constraints = [
            models.UniqueConstraint(name="group_has_a_name", fields=["brand_id", "name"]),
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.brand_id}"


class GroupMember(Record):
    """That somebody belongs to a group until they are taken out; nobody puts themselves in."""

    group = models.ForeignKey(Group, models.PROTECT, related_name="members")
    person_id = models.UUIDField()
    added_by = models.UUIDField()
    removed_at = models.DateTimeField(null=True)
    removed_by = models.UUIDField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="groupmember_is_in_once",
                fields=["group", "person_id"],
                condition=Q(removed_at__isnull=True),
            ),
            models.CheckConstraint(
                name="groupmember_added_by_another", condition=~Q(person_id=F("added_by"))
            ),
            models.CheckConstraint(
                name="groupmember_removed_by_somebody",
                condition=Q(removed_at__isnull=True, removed_by__isnull=True)
                | Q(removed_at__isnull=False, removed_by__isnull=False),
            ),
        ]
        indexes = [models.Index(name="groupmember_of_person", fields=["person_id"])]

    def __str__(self) -> str:
        return f"{self.person_id} in {self.group_id}"


class Policy(Record, Proposed):
    """One version of who decides, how many, in which order; it counts once another approved it.

    `calendar` holds the business hours that due times count in (see `calendars`); empty: every
    hour counts. `sha256` is of the whole content in canonical JSON, stages and checklist included.
    """

    brand_id = models.UUIDField()
    subject_kind = models.CharField(
        max_length=32, choices=[(kind.value, kind.label) for kind in REVIEWED_KINDS]
    )
    name = models.CharField(max_length=100)
    number = models.PositiveIntegerField()
    calendar = models.JSONField(default=dict)
    # The least seconds between seeing the bytes and deciding on them.
    min_view_s = models.PositiveSmallIntegerField(default=0)
    sha256 = models.CharField(max_length=64, default="")

    class Meta:
        constraints = [
            four_eyes("policy"),
            models.UniqueConstraint(
                name="policy_has_a_number", fields=["brand_id", "subject_kind", "number"]
            ),
            models.CheckConstraint(name="policy_counts_from_one", condition=Q(number__gte=1)),
            models.CheckConstraint(
                name="policy_is_for_a_kind",
                condition=Q(subject_kind__in=[kind.value for kind in REVIEWED_KINDS]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.subject_kind} policy {self.number} of {self.brand_id}"


class Stage(Record):
    """One step of a policy: who decides it, and how many different people must approve.

    Stages of one `position` are open at the same time. `due_min` and `remind_min` are business
    minutes from the opening of the stage; when it is overdue, the people of the stage that
    `escalate_to` names are asked as well.
    """

    policy = models.ForeignKey(Policy, models.PROTECT, related_name="stages")
    position = models.PositiveSmallIntegerField()
    key = models.CharField(max_length=40, default="")
    name = models.CharField(max_length=100)
    asks = models.CharField(max_length=8, choices=Asks.choices, default=Asks.ROLE)
    role = models.CharField(max_length=32, blank=True, default="")
    people = models.JSONField(default=list)
    group = models.ForeignKey(Group, models.PROTECT, null=True, related_name="+")
    quorum = models.PositiveSmallIntegerField()
    due_min = models.PositiveIntegerField(null=True)
    remind_min = models.PositiveIntegerField(null=True)
    escalate_to = models.CharField(max_length=40, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(name="stage_has_a_key", fields=["policy", "key"]),
            models.UniqueConstraint(name="stage_is_of_a_policy", fields=["id", "policy"]),
            models.CheckConstraint(name="stage_counts_from_one", condition=Q(position__gte=1)),
            models.CheckConstraint(name="stage_needs_somebody", condition=Q(quorum__gte=1)),
            models.CheckConstraint(
                name="stage_asks_for_a_reviewer",
                condition=Q(
                    asks=Asks.ROLE,
                    group__isnull=True,
                    role__in=[role.value for role in STAGE_ROLES],
                )
                | Q(asks=Asks.PEOPLE, role="", group__isnull=True)
                | Q(asks=Asks.GROUP, role="", group__isnull=False),
            ),
            models.CheckConstraint(
                name="stage_reminds_before_it_is_due",
                condition=Q(remind_min__isnull=True)
                | Q(due_min__isnull=False, remind_min__lt=F("due_min")),
            ),
            models.CheckConstraint(
                name="stage_escalates_when_overdue",
                condition=Q(escalate_to="") | Q(due_min__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"stage {self.position} {self.key} of {self.policy_id}"


class ChecklistItem(Record):
    """One question that a decision answers, in one stage or, without a `stage_key`, in each."""

    policy = models.ForeignKey(Policy, models.PROTECT, related_name="checklist")
    position = models.PositiveSmallIntegerField()
    key = models.CharField(max_length=40)
    question = models.CharField(max_length=300)
    guidance = models.CharField(max_length=1000, blank=True, default="")
    stage_key = models.CharField(max_length=40, blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(name="checklistitem_has_a_key", fields=["policy", "key"]),
            models.UniqueConstraint(name="checklistitem_is_of_a_policy", fields=["id", "policy"]),
        ]

    def __str__(self) -> str:
        return f"{self.key} of {self.policy_id}"
