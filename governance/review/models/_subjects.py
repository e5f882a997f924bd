"""What is decided about, as exact bytes; who had a part in it, and who had it on their screen."""

from django.db import models
from django.db.models.functions import Length
from django.db.models.lookups import Exact

from governance.tables.records import Record


class SubjectKind(models.TextChoices):
    """What has bytes that somebody had a part in."""

    ASSET = "asset"
    PICTURE = "picture"
    TEMPLATE_VERSION = "template_version"
    REVIEW_POLICY = "review_policy"
    RULE_SET = "rule_set"
    SCORING_POLICY = "scoring_policy"


# What cases are opened about; for a picture that people bring in, its rights record speaks.
REVIEWED_KINDS = tuple(kind for kind in SubjectKind if kind is not SubjectKind.PICTURE)


class Subject(Record):
    """One thing that is decided about, as exact bytes; what is governed points down to it.

    `parent_id` is the subject that this one came after: the image it was made from, the version
    before it.
    """

    kind = models.CharField(max_length=32, choices=SubjectKind.choices)
    sha256 = models.CharField(max_length=64)
    brand_id = models.UUIDField()
    parent_id = models.UUIDField(null=True)

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
            models.CheckConstraint(
                name="subject_is_not_its_parent",
                condition=models.Q(parent_id__isnull=True) | ~models.Q(parent_id=models.F("id")),
            ),
        ]
        indexes = [
            models.Index(
                name="subject_of_parent",
                fields=["parent_id"],
                condition=models.Q(parent_id__isnull=False),
            )
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


class Delivery(Record):
    """That a subject's exact bytes were sent to a person's screen; a decision names the one."""

    subject = models.ForeignKey(Subject, models.PROTECT, related_name="deliveries")
    sha256 = models.CharField(max_length=64)
    person_id = models.UUIDField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                name="delivery_is_of_bytes_to_a_person",
                fields=["id", "subject", "sha256", "person_id"],
            )
        ]
        indexes = [models.Index(name="delivery_to_person", fields=["subject", "person_id", "id"])]

    def __str__(self) -> str:
        return f"{self.subject_id} to {self.person_id}"
