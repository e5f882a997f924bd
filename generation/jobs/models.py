"""Orders and their items; an item's row is the truth about its work, a message is only a hint."""

from django.db import models

from generation.jobs.states import ItemState
from governance.sealing.fields import SealedField
from governance.tables.records import Record


class GenerationJob(Record):
    """One order: a template version, its variables and how many variants of the image."""

    brand_id = models.UUIDField()
    requester_id = models.UUIDField()
    template_id = models.UUIDField()
    template_version_id = models.UUIDField()
    template_version_sha256 = models.CharField(max_length=64)
    template_name = models.CharField(max_length=120)
    profile_id = models.UUIDField()
    scoring_policy_id = models.UUIDField()
    variables = SealedField()
    idempotency_key = models.CharField(max_length=255)
    # The image of the same brand that this order comes after; its images name it as their parent.
    parent_asset_id = models.UUIDField(null=True)

    class Meta:
        verbose_name = "job"
        constraints = [
            models.UniqueConstraint(
                fields=["requester_id", "idempotency_key"], name="job_once_per_key"
            ),
        ]
        indexes = [
            models.Index(fields=["brand_id", "id"], name="job_by_brand"),
            models.Index(fields=["requester_id", "id"], name="job_by_requester"),
        ]

    def __str__(self) -> str:
        return str(self.id)


class JobItem(Record):
    """One image to make: the unit of claiming, retrying and billing."""

    job = models.ForeignKey(GenerationJob, on_delete=models.PROTECT, related_name="items")
    brand_id = models.UUIDField()
    requester_id = models.UUIDField()
    number = models.PositiveSmallIntegerField()
    queue = models.CharField(max_length=40)
    prompt = SealedField()
    negative_prompt = models.TextField(blank=True)
    seed = models.BigIntegerField()
    width_px = models.PositiveIntegerField()
    height_px = models.PositiveIntegerField()
    steps = models.PositiveSmallIntegerField()
    guidance = models.FloatField()
    fingerprint = models.CharField(max_length=64)

    state = models.CharField(max_length=12, choices=ItemState.choices, default=ItemState.QUEUED)
    epoch = models.PositiveIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    leased_by = models.CharField(max_length=80, blank=True)
    hinted_at = models.DateTimeField(null=True)
    cancel_requested_at = models.DateTimeField(null=True)
    steps_done = models.PositiveSmallIntegerField(default=0)
    render_s = models.FloatField(null=True)
    failure = models.CharField(max_length=500, blank=True)
    refusal_id = models.UUIDField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "job item"
        constraints = [
            models.UniqueConstraint(fields=["job", "number"], name="item_once_per_number"),
            models.CheckConstraint(
                name="item_lease_while_leased",
                condition=models.Q(state="leased", lease_until__isnull=False)
                | (~models.Q(state="leased") & models.Q(lease_until__isnull=True)),
            ),
            models.CheckConstraint(
                name="item_finished_when_over",
                condition=models.Q(state__in=["queued", "leased"], finished_at__isnull=True)
                | (~models.Q(state__in=["queued", "leased"]) & models.Q(finished_at__isnull=False)),
            ),
        ]
        indexes = [
            models.Index(
                fields=["hinted_at"],
                name="item_waiting_for_a_hint",
                condition=models.Q(state="queued"),
            ),
            models.Index(
                fields=["lease_until"], name="item_under_lease", condition=models.Q(state="leased")
            ),
            models.Index(
                fields=["brand_id", "id"], name="item_held", condition=models.Q(state="held")
            ),
            models.Index(
                fields=["queue"], name="item_in_queue", condition=models.Q(state="queued")
            ),
            models.Index(
                fields=["queue", "finished_at"],
                name="item_measured",
                condition=models.Q(render_s__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.job_id} {self.number}"
