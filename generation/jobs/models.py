"""Orders, items and replays; a row is the truth about its work, a message is only a hint."""

from django.db import models

from generation.jobs.states import ItemState, ReplayOutcome, ReplayState
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
    template_slug = models.CharField(max_length=60, blank=True, default="", db_default="")
    profile_id = models.UUIDField()
    scoring_policy_id = models.UUIDField()
    variables = SealedField()
    idempotency_key = models.CharField(max_length=255)
    # The image of the same brand that this order comes after; its images name it as their parent.
    parent_asset_id = models.UUIDField(null=True)
    # Where the images are to be shown (ISO 3166-1); empty for a brand without markets.
    market = models.CharField(max_length=2, blank=True, default="", db_default="")

    class Meta:
        verbose_name = "job"
        constraints = [
            models.UniqueConstraint(
                fields=["requester_id", "idempotency_key"], name="job_once_per_key"
            ),
        ]
        indexes = [
            models.Index(fields=["brand_id", "id"], name="job_by_brand"),
            models.Index(fields=["brand_id", "market", "id"], name="job_by_market"),
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


class WornAdapter(Record):
    """One adapter that an item's image is made with, in its order; written with the item.

    `strength` is a LoRA's weight or a ControlNet's scale; `source_asset_id` is the image of the
    same brand whose outlines a ControlNet follows, null for a LoRA.
    """

    item = models.ForeignKey(JobItem, on_delete=models.PROTECT, related_name="worn")
    number = models.PositiveSmallIntegerField()
    adapter_id = models.UUIDField(db_index=True)
    strength = models.FloatField()
    source_asset_id = models.UUIDField(null=True)

    class Meta:
        verbose_name = "worn adapter"
        constraints = [
            models.UniqueConstraint(fields=["item", "number"], name="worn_once_per_number"),
            models.CheckConstraint(
                name="worn_strength_has_effect",
                condition=models.Q(strength__range=(-2, 2)) & ~models.Q(strength=0),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.item_id} {self.number}"


class Replay(Record):
    """One image that is made again from its recipe, and whether it became the same bytes.

    `asset_class` and `worker_class` are digests of what decided the bytes then and now;
    `worker_facts` says the latter in words. Nothing changes once it is over.
    """

    asset_id = models.UUIDField()
    asset_sha256 = models.CharField(max_length=64)
    brand_id = models.UUIDField()
    asked_by = models.UUIDField()
    queue = models.CharField(max_length=40)

    state = models.CharField(max_length=12, choices=ReplayState.choices, default=ReplayState.QUEUED)
    epoch = models.PositiveIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_until = models.DateTimeField(null=True)
    leased_by = models.CharField(max_length=80, blank=True)
    hinted_at = models.DateTimeField(null=True)

    outcome = models.CharField(max_length=12, choices=ReplayOutcome.choices, blank=True)
    made_sha256 = models.CharField(max_length=64, blank=True)
    asset_class = models.CharField(max_length=64, blank=True)
    worker_class = models.CharField(max_length=64, blank=True)
    worker_facts = models.JSONField(default=dict)
    report = models.JSONField(default=dict)
    render_s = models.FloatField(null=True)
    failure = models.CharField(max_length=500, blank=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "replay"
        constraints = [
            models.CheckConstraint(
                name="replay_lease_while_leased",
                condition=models.Q(state="leased", lease_until__isnull=False)
                | (~models.Q(state="leased") & models.Q(lease_until__isnull=True)),
            ),
            models.CheckConstraint(
                name="replay_finished_when_over",
                condition=models.Q(state__in=["queued", "leased"], finished_at__isnull=True)
                | (~models.Q(state__in=["queued", "leased"]) & models.Q(finished_at__isnull=False)),
            ),
            models.CheckConstraint(
                name="replay_outcome_when_done",
                condition=(
                    models.Q(state="done") & ~models.Q(outcome="") & ~models.Q(made_sha256="")
                )
                | (~models.Q(state="done") & models.Q(outcome="", made_sha256="")),
            ),
            models.CheckConstraint(
                name="replay_same_means_same_bytes",
                condition=models.Q(outcome="")
                | models.Q(outcome="same", made_sha256=models.F("asset_sha256"))
                | (models.Q(outcome="drifted") & ~models.Q(made_sha256=models.F("asset_sha256"))),
            ),
        ]
        indexes = [
            models.Index(fields=["asset_id", "id"], name="replay_by_asset"),
            models.Index(fields=["asked_by", "id"], name="replay_by_asker"),
            models.Index(
                fields=["hinted_at"],
                name="replay_waiting_for_a_hint",
                condition=models.Q(state="queued"),
            ),
            models.Index(
                fields=["lease_until"],
                name="replay_under_lease",
                condition=models.Q(state="leased"),
            ),
            models.Index(
                fields=["worker_class", "id"],
                name="replay_by_class",
                condition=models.Q(state="done"),
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)
