"""Prompt templates, their immutable versions, and the label that says which one is released.

A template's text is the brand's own and names nobody, so it is stored as it is: a decision, its
digest and an offline verifier must read the same bytes for as long as images exist.
"""

from django.db import models
from django.db.models.functions import Length
from django.db.models.lookups import Exact

from governance.tables.records import Record
from templates.prompts.states import VersionState


class PromptTemplate(Record):
    """What a brand lets people order, under one slug through all its versions."""

    brand_id = models.UUIDField()
    slug = models.SlugField(max_length=60)
    name = models.CharField(max_length=120)

    class Meta:
        """One slug per brand; the second constraint is what a version's brand is bound to."""

        verbose_name = "prompt template"
        constraints = [
            models.UniqueConstraint(fields=["brand_id", "slug"], name="template_slug_is_unique"),
            models.UniqueConstraint(fields=["id", "brand_id"], name="template_has_one_brand"),
        ]

    def __str__(self) -> str:
        return f"{self.brand_id} {self.slug}"


class TemplateVersion(Record):
    """One version as exact bytes: `canonical` is RFC 8785 JSON, `sha256` is its digest."""

    template = models.ForeignKey(PromptTemplate, on_delete=models.PROTECT, related_name="+")
    brand_id = models.UUIDField()
    number = models.PositiveIntegerField()
    subject_id = models.UUIDField()
    sha256 = models.CharField(max_length=64)
    canonical = models.TextField()
    created_by = models.UUIDField()
    state = models.CharField(
        max_length=16, choices=VersionState.choices, default=VersionState.DRAFT.value
    )

    class Meta:
        """A version is its own subject; the last constraint is what a release is bound to."""

        verbose_name = "template version"
        constraints = [
            models.UniqueConstraint(fields=["template", "number"], name="version_number_is_unique"),
            models.UniqueConstraint(
                fields=["id", "template", "subject_id", "sha256"], name="version_has_one_content"
            ),
            models.CheckConstraint(
                name="version_is_its_own_subject", condition=models.Q(subject_id=models.F("id"))
            ),
            models.CheckConstraint(
                name="version_has_a_state", condition=models.Q(state__in=VersionState.values)
            ),
            models.CheckConstraint(
                name="version_has_a_sha256", condition=Exact(Length("sha256"), 64)
            ),
            models.CheckConstraint(
                name="version_counts_from_one", condition=models.Q(number__gte=1)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.template_id} version {self.number}"


class TemplateRelease(Record):
    """The *released* label: put on one version, by the approval of exactly its content, once."""

    template = models.ForeignKey(PromptTemplate, on_delete=models.PROTECT, related_name="+")
    version = models.OneToOneField(TemplateVersion, on_delete=models.PROTECT, related_name="+")
    approval_id = models.UUIDField(unique=True)
    subject_id = models.UUIDField()
    sha256 = models.CharField(max_length=64)
    released_by = models.UUIDField()

    class Meta:
        """Its keys to version and approval are guards: see guards.py."""

        verbose_name = "template release"

    def __str__(self) -> str:
        return f"{self.version_id} by {self.approval_id}"
