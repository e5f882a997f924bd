"""Model profiles: a pinned base model as it may be run; one proposes it, another approves it."""

from django.db import models

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
