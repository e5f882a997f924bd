"""Orders, items and replays; a row is the truth about its work, a message is only a hint."""

from django.db import models
from django.db.models.functions import Length
from django.db.models.lookups import Exact

from generation.jobs.records import PictureRole
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


class Share(Record):
    """What a queue's brands together, one brand, a person of it or one of their lanes were given.

    `path` names it within its queue, from the brand on; the queue's own is empty. `had_s` counts
    device seconds divided by `weight`; `clock_s` is what the least served of those below had when
    one of them was served last; `passed` counts how often a lane's turn went to a warm model.
    See `turns.py`.
    """

    queue = models.CharField(max_length=40)
    path = models.CharField(max_length=160, blank=True)
    weight = models.FloatField(default=1.0)
    had_s = models.FloatField(default=0.0)
    clock_s = models.FloatField(default=0.0)
    passed = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name = "share"
        constraints = [
            models.UniqueConstraint(fields=["queue", "path"], name="share_once"),
            models.CheckConstraint(
                name="share_weight_counts", condition=models.Q(weight__gte=0.01, weight__lte=100)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.queue}/{self.path}"


class Lane(Record):
    """What one person of a brand waits for in a queue with one model, what it wears, one priority.

    `is_waiting` may be true of an empty lane, never false of one in which an item waits for long:
    whoever puts an item in sets it, and only who finds it empty under its lock clears it.
    """

    queue = models.CharField(max_length=40)
    brand_id = models.UUIDField()
    requester_id = models.UUIDField()
    # One of `turns.Priority`.
    priority = models.PositiveSmallIntegerField()
    # Digests of the model's files, and of these with the adapters': what a worker may hold.
    model_sha256 = models.CharField(max_length=64)
    holds_sha256 = models.CharField(max_length=64)
    queue_share = models.ForeignKey(Share, on_delete=models.PROTECT, related_name="+")
    brand_share = models.ForeignKey(Share, on_delete=models.PROTECT, related_name="+")
    person_share = models.ForeignKey(Share, on_delete=models.PROTECT, related_name="+")
    share = models.OneToOneField(Share, on_delete=models.PROTECT, related_name="lane")
    # What the latest image put in is expected to take.
    cost_s = models.FloatField()
    is_waiting = models.BooleanField()

    class Meta:
        verbose_name = "lane"
        constraints = [
            models.UniqueConstraint(
                fields=["queue", "brand_id", "requester_id", "priority", "holds_sha256"],
                name="lane_once",
            ),
            models.CheckConstraint(name="lane_costs", condition=models.Q(cost_s__gt=0)),
            models.CheckConstraint(
                name="lane_has_a_priority", condition=models.Q(priority__range=(1, 3))
            ),
        ]
        indexes = [
            models.Index(
                fields=["queue"], name="lane_in_queue", condition=models.Q(is_waiting=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.queue} {self.id}"


class JobItem(Record):
    """One image to make: the unit of claiming, retrying and billing."""

    job = models.ForeignKey(GenerationJob, on_delete=models.PROTECT, related_name="items")
    brand_id = models.UUIDField()
    requester_id = models.UUIDField()
    number = models.PositiveSmallIntegerField()
    queue = models.CharField(max_length=40)
    lane = models.ForeignKey(Lane, on_delete=models.PROTECT, null=True)
    # When it should be there; of one lane's items the most pressing goes first.
    due_at = models.DateTimeField(null=True)
    # How many seconds of a device it is expected to take: what it costs in the queue.
    cost_s = models.FloatField(default=1.0, db_default=1.0)
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
    # The image whose bytes this one has, as the same recipe had been made before.
    reused_asset_id = models.UUIDField(null=True)
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
                fields=["queue", "id"], name="item_in_queue", condition=models.Q(state="queued")
            ),
            models.Index(
                fields=["lane", "due_at", "id"],
                name="item_in_lane",
                condition=models.Q(state="queued"),
            ),
            models.Index(
                fields=["brand_id", "fingerprint"],
                name="item_by_recipe",
                condition=models.Q(state="in_review"),
            ),
            models.Index(
                fields=["queue", "finished_at"],
                name="item_measured",
                condition=models.Q(render_s__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.job_id} {self.number}"


_EDGES = ("box_left", "box_top", "box_right", "box_bottom")


def _is_file(**origin: bool) -> models.Q:
    """Return that a used picture has that origin, its digest, and is no box."""
    no_box = {f"{edge}__isnull": True for edge in _EDGES}
    return models.Q(Exact(Length("sha256"), 64), **origin, **no_box)


def _is_box() -> models.Q:
    """Return that a used picture is a mask that is a box with an inside, and has no bytes.

    A comparison with null would hold in a CHECK, so no edge may be missing.
    """
    box = {f"{edge}__isnull": False for edge in _EDGES}
    return models.Q(
        role=PictureRole.MASK,
        asset_id__isnull=True,
        picture_id__isnull=True,
        sha256="",
        box_left__gte=0,
        box_right__gt=models.F("box_left"),
        box_right__lte=1,
        box_top__gte=0,
        box_bottom__gt=models.F("box_top"),
        box_bottom__lte=1,
        **box,
    )


class WornAdapter(Record):
    """One adapter that an item's image is made with, in its order; written with the item.

    `strength` is a LoRA's weight or a ControlNet's scale; what a ControlNet follows is among the
    item's pictures.
    """

    item = models.ForeignKey(JobItem, on_delete=models.PROTECT, related_name="worn")
    number = models.PositiveSmallIntegerField()
    adapter_id = models.UUIDField(db_index=True)
    strength = models.FloatField()

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


class UsedPicture(Record):
    """One picture that an item's image is made from, in its order; written with the item.

    It is an image of the brand, an uploaded picture, or, for a mask, a box in shares of the
    source's sides. `strength` is how far the image may leave the picture that it starts from.
    """

    item = models.ForeignKey(JobItem, on_delete=models.PROTECT, related_name="pictures")
    number = models.PositiveSmallIntegerField()
    role = models.CharField(max_length=9)
    asset_id = models.UUIDField(null=True, db_index=True)
    picture_id = models.UUIDField(null=True)
    sha256 = models.CharField(max_length=64, blank=True)
    strength = models.FloatField(null=True)
    box_left = models.FloatField(null=True)
    box_top = models.FloatField(null=True)
    box_right = models.FloatField(null=True)
    box_bottom = models.FloatField(null=True)

    class Meta:
        verbose_name = "used picture"
        constraints = [
            models.UniqueConstraint(fields=["item", "number"], name="used_once_per_number"),
            models.CheckConstraint(
                name="used_in_a_role",
                condition=models.Q(role__in=[role.value for role in PictureRole]),
            ),
            models.CheckConstraint(
                name="used_has_one_origin",
                condition=_is_file(asset_id__isnull=False, picture_id__isnull=True)
                | _is_file(asset_id__isnull=True, picture_id__isnull=False)
                | _is_box(),
            ),
            models.CheckConstraint(
                name="used_source_has_a_strength",
                condition=models.Q(
                    role=PictureRole.SOURCE,
                    strength__isnull=False,
                    strength__gt=0,
                    strength__lte=1,
                )
                | (~models.Q(role=PictureRole.SOURCE) & models.Q(strength__isnull=True)),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.item_id} {self.number}"


class Preview(Record):
    """A small picture of an item while it forms, for as long as somebody watches; never an asset.

    `image` belongs to the lease of that `epoch`; what is left of it is swept away.
    """

    item = models.OneToOneField(JobItem, on_delete=models.PROTECT, related_name="preview")
    watched_until = models.DateTimeField(db_index=True)
    epoch = models.PositiveIntegerField(default=0)
    step = models.PositiveSmallIntegerField(default=0)
    image = models.BinaryField(default=bytes)

    class Meta:
        verbose_name = "preview"

    def __str__(self) -> str:
        return f"{self.item_id} {self.step}"


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
