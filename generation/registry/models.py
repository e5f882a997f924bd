"""Pinned models and what they may wear: one person proposes each version, another approves it."""

from django.db import models

from generation.registry.states import AdapterKind, EndpointPlace
from governance.tables.records import Proposed, Record, four_eyes


class ModelProfile(Record, Proposed):
    """One pinned model folder, the parameters it may be run with, and the scorers of its images.

    `licence` is the name of the licence `licence_id` as it stood at the proposal; a profile from
    before licences were on record has no id, and so takes no orders.
    """

    slug = models.SlugField(max_length=60)
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=120)
    family = models.CharField(max_length=40)
    pipeline = models.CharField(max_length=80)
    folder = models.CharField(max_length=200)
    snapshot_sha256 = models.CharField(max_length=64)
    dtype = models.CharField(max_length=16)
    device = models.CharField(max_length=16)
    parameters = models.JSONField()
    scorers = models.JSONField()
    is_calibrated = models.BooleanField()
    licence = models.CharField(max_length=120)
    licence_id = models.UUIDField(null=True)
    retired_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "model profile"
        constraints = [
            models.UniqueConstraint(fields=["slug", "number"], name="profile_number_is_unique"),
            four_eyes("profile"),
        ]

    def __str__(self) -> str:
        return f"{self.slug}@{self.number}"


class EngineEndpoint(Record, Proposed):
    """One server that images may be made at, and which brands' prompts may be sent there.

    `settings` is what its kind needs to know; `credential` names a file that only workers have.
    """

    slug = models.SlugField(max_length=50)
    number = models.PositiveIntegerField()
    kind = models.CharField(max_length=40)
    place = models.CharField(max_length=8, choices=EndpointPlace.choices)
    url = models.CharField(max_length=300)
    settings = models.JSONField()
    credential = models.CharField(max_length=80, blank=True)
    data_classes = models.JSONField()
    retired_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "engine endpoint"
        constraints = [
            models.UniqueConstraint(fields=["slug", "number"], name="endpoint_number_is_unique"),
            models.CheckConstraint(
                name="endpoint_place_is_known", condition=models.Q(place__in=EndpointPlace.values)
            ),
            four_eyes("endpoint"),
        ]

    def __str__(self) -> str:
        return f"{self.slug}@{self.number}"


class Adapter(Record, Proposed):
    """One pinned LoRA or ControlNet for the models of one family.

    `training_record` says what it was trained on and by what right; its digest is in the ledger.
    """

    slug = models.SlugField(max_length=60)
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=12, choices=AdapterKind.choices)
    family = models.CharField(max_length=40)
    folder = models.CharField(max_length=200)
    snapshot_sha256 = models.CharField(max_length=64)
    files = models.JSONField()
    trigger_words = models.JSONField()
    training_record = models.TextField()
    training_record_sha256 = models.CharField(max_length=64)
    licence = models.CharField(max_length=120)
    licence_id = models.UUIDField()
    retired_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["slug", "number"], name="adapter_number_is_unique"),
            models.CheckConstraint(
                name="adapter_kind_is_known", condition=models.Q(kind__in=AdapterKind.values)
            ),
            four_eyes("adapter"),
        ]

    def __str__(self) -> str:
        return f"{self.slug}@{self.number}"


class ScorerProfile(Record, Proposed):
    """One pinned scorer that policies may name: its model folder, its settings, what it measures.

    What stands here of `version`, range, inputs and cost is what the scorer's code said at the
    proposal; the worker asks the code itself. `licence` is the name of the licence `licence_id`.
    """

    scorer = models.CharField(max_length=60)
    number = models.PositiveIntegerField()
    title = models.CharField(max_length=120)
    kind = models.CharField(max_length=60)
    version = models.CharField(max_length=40)
    folder = models.CharField(max_length=200)
    snapshot_sha256 = models.CharField(max_length=64)
    settings = models.JSONField()
    higher_is = models.CharField(max_length=6)
    low = models.FloatField(null=True)
    high = models.FloatField(null=True)
    inputs = models.JSONField()
    cost_ms = models.FloatField()
    licence = models.CharField(max_length=120)
    licence_id = models.UUIDField()
    retired_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = "registered scorer"
        constraints = [
            models.UniqueConstraint(fields=["scorer", "number"], name="scorer_number_is_unique"),
            four_eyes("scorer"),
        ]

    def __str__(self) -> str:
        return f"{self.scorer}@{self.number}"


class ScorerCardRow(Record):
    """What a scorer said of itself where it ran; the newest row of a scorer counts.

    Range, direction and title are for those who write policies and cannot load the scorer.
    """

    scorer = models.CharField(max_length=60)
    version = models.CharField(max_length=40)
    title = models.CharField(max_length=120)
    higher_is = models.CharField(max_length=6)
    low = models.FloatField(null=True)
    high = models.FloatField(null=True)
    inputs = models.JSONField()
    cost_ms = models.FloatField()
    licence = models.CharField(max_length=120)
    weights_sha256 = models.CharField(max_length=64, blank=True)
    package = models.CharField(max_length=200)

    class Meta:
        verbose_name = "scorer's card"
        db_table = "registry_scorercard"
        indexes = [models.Index(fields=["scorer", "id"], name="card_by_scorer")]

    def __str__(self) -> str:
        return f"{self.scorer} {self.version}"
