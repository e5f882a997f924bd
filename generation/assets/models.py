"""Assets, their scores, and the retention of their bytes; an asset and its scores never change."""

from django.db import models

from governance.tables.records import Record


class Blob(models.Model):
    """What is kept under one sha256: its size, type, retention class and legal hold."""

    sha256 = models.CharField(primary_key=True, max_length=64)
    size_bytes = models.PositiveBigIntegerField()
    media_type = models.CharField(max_length=40)
    retention_class = models.CharField(max_length=20)
    is_on_legal_hold = models.BooleanField(default=False)
    created_at = models.DateTimeField()

    class Meta:
        verbose_name = "blob"

    def __str__(self) -> str:
        return self.sha256


class Asset(Record):
    """One image that one job item made: immutable bytes, and the recipe to make them again."""

    brand_id = models.UUIDField()
    item_id = models.UUIDField(unique=True)
    job_id = models.UUIDField(db_index=True)
    subject_id = models.UUIDField(unique=True)
    sha256 = models.CharField(max_length=64, db_index=True)
    modality = models.CharField(max_length=10, default="image")
    width_px = models.PositiveIntegerField()
    height_px = models.PositiveIntegerField()
    size_bytes = models.PositiveBigIntegerField()
    media_type = models.CharField(max_length=40)
    recipe = models.BinaryField()
    recipe_sha256 = models.CharField(max_length=64)
    parent_id = models.UUIDField(null=True)

    class Meta:
        verbose_name = "asset"
        indexes = [models.Index(fields=["brand_id", "id"], name="asset_by_brand")]

    def __str__(self) -> str:
        return str(self.id)


class Score(Record):
    """One scorer's verdict on one asset, with the policy version and weights that led to it."""

    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="scores")
    scorer = models.CharField(max_length=60)
    version = models.CharField(max_length=40)
    weights_sha256 = models.CharField(max_length=64, blank=True)
    value = models.FloatField(null=True)
    threshold = models.FloatField(null=True)
    verdict = models.CharField(max_length=10)
    reason = models.CharField(max_length=300, blank=True)
    policy_id = models.UUIDField()
    evidence = models.JSONField()

    class Meta:
        verbose_name = "score"
        constraints = [
            models.UniqueConstraint(fields=["asset", "scorer"], name="score_once_per_scorer"),
            models.CheckConstraint(
                name="score_verdict_is_known",
                condition=models.Q(verdict__in=["pass", "flag", "refuse", "hold"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.asset_id} {self.scorer}"
