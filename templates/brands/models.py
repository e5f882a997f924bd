"""Brands, their rules and scoring policies; a numbered version never changes once proposed."""

from django.db import models

from governance.tables.records import Proposed, Record, four_eyes


class Brand(Record):
    """The wall between those who must not see each other, with its colors and its data class."""

    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=120)
    data_class = models.CharField(max_length=40)
    palette = models.JSONField()
    # [{"code": ISO 3166-1, "languages": [BCP 47]}]; the first is what an order is for by default.
    markets = models.JSONField(default=list, db_default=models.Value([], models.JSONField()))

    def __str__(self) -> str:
        return self.slug


class RuleSet(Record, Proposed):
    """One numbered set of a brand's rules; the highest approved number counts."""

    brand = models.ForeignKey(Brand, on_delete=models.PROTECT, related_name="+")
    number = models.PositiveIntegerField()
    rules = models.JSONField()
    sha256 = models.CharField(max_length=64)

    class Meta:
        """One number per set of a brand; whoever proposed it does not approve it."""

        verbose_name = "rule set"
        constraints = [
            models.UniqueConstraint(fields=["brand", "number"], name="rules_number_is_unique"),
            four_eyes("rules"),
        ]

    def __str__(self) -> str:
        return f"{self.brand_id} rules {self.number}"


class ScoringPolicy(Record, Proposed):
    """One numbered set of thresholds that a brand's images are judged by.

    `sections` is what it says besides: for templates, markets, concepts, second opinions.
    """

    brand = models.ForeignKey(Brand, on_delete=models.PROTECT, related_name="+")
    number = models.PositiveIntegerField()
    advisory = models.BooleanField()
    thresholds = models.JSONField()
    sections = models.JSONField(null=True)
    sha256 = models.CharField(max_length=64)

    class Meta:
        """One number per policy of a brand; whoever proposed it does not approve it."""

        verbose_name = "scoring policy"
        constraints = [
            models.UniqueConstraint(
                fields=["brand", "number"], name="scoring_policy_number_is_unique"
            ),
            four_eyes("scoring_policy"),
        ]

    def __str__(self) -> str:
        return f"{self.brand_id} scoring policy {self.number}"
