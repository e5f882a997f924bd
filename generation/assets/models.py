"""Assets, scores, features, and the retention of bytes; what is said of one never changes."""

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
    title = models.CharField(max_length=80, blank=True, default="", db_default="")
    licence = models.CharField(max_length=120, blank=True, default="", db_default="")
    higher_is = models.CharField(max_length=6, blank=True, default="", db_default="")
    low = models.FloatField(null=True)
    high = models.FloatField(null=True)
    # The words of protocol.Input, with a space between them.
    inputs = models.CharField(max_length=200, blank=True, default="", db_default="")
    took_ms = models.FloatField(null=True)

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


class Step(Record):
    """One output on an image's way: what its model made is number 0, the image itself is the last.

    An image whose template has no steps has no such rows.
    """

    asset = models.ForeignKey(Asset, on_delete=models.PROTECT, related_name="steps", db_index=False)
    number = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=40)
    parameters = models.JSONField()
    sha256 = models.CharField(max_length=64)
    width_px = models.PositiveIntegerField()
    height_px = models.PositiveIntegerField()

    class Meta:
        verbose_name = "step"
        constraints = [
            models.UniqueConstraint(fields=["asset", "number"], name="step_once_per_number"),
        ]

    def __str__(self) -> str:
        return f"{self.asset_id} {self.number}"


class ImageFeatures(Record):
    """What later images of the brand are compared with.

    The perceptual hash stands as four words of 16 bits, lowest first, each with an index: a hash
    that differs little from another shares a word with it, or nearly.
    """

    asset = models.ForeignKey(
        Asset, on_delete=models.PROTECT, related_name="features", db_index=False
    )
    brand_id = models.UUIDField()
    fingerprint = models.CharField(max_length=64)
    phash_0 = models.PositiveIntegerField()
    phash_1 = models.PositiveIntegerField()
    phash_2 = models.PositiveIntegerField()
    phash_3 = models.PositiveIntegerField()
    encoder_sha256 = models.CharField(max_length=64, blank=True)
    embedding = models.BinaryField(null=True)

    class Meta:
        verbose_name = "features of an image"
        indexes = [
            models.Index(fields=["brand_id", "phash_0", "id"], name="features_by_phash_0"),
            models.Index(fields=["brand_id", "phash_1", "id"], name="features_by_phash_1"),
            models.Index(fields=["brand_id", "phash_2", "id"], name="features_by_phash_2"),
            models.Index(fields=["brand_id", "phash_3", "id"], name="features_by_phash_3"),
            models.Index(fields=["brand_id", "encoder_sha256", "id"], name="features_by_encoder"),
        ]
        constraints = [
            models.UniqueConstraint(fields=["asset"], name="features_once_per_image"),
            models.CheckConstraint(
                name="features_words_have_16_bits",
                condition=models.Q(phash_0__lt=1 << 16)
                & models.Q(phash_1__lt=1 << 16)
                & models.Q(phash_2__lt=1 << 16)
                & models.Q(phash_3__lt=1 << 16),
            ),
            models.CheckConstraint(
                name="features_embedding_has_its_encoder",
                condition=models.Q(encoder_sha256="", embedding__isnull=True)
                | (~models.Q(encoder_sha256="") & models.Q(embedding__isnull=False)),
            ),
        ]

    def __str__(self) -> str:
        return f"features of {self.asset_id}"
