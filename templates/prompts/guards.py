"""What the database refuses of templates: changed content, other states, a label nobody approved.

On SQLite a REPLACE removes rows through any unique index without asking the delete triggers, so
each unique key has its own refusal on insert.
"""

# ruff: noqa: S608 - the SQL here is made of our own constants

from governance.tables.guards import (
    append_only,
    composite_key,
    frozen,
    never_deleted,
    once,
    only_moves,
    refuse_when,
)
from templates.prompts.states import TEMPLATE_VERSION, VersionState

TEMPLATE_GUARDS = (
    never_deleted("prompts_prompttemplate"),
    frozen("prompts_prompttemplate", "id", "brand_id", "slug", "name", "created_at"),
    composite_key("prompts_prompttemplate", ("brand_id",), "brands_brand", ("id",)),
    once(
        "prompts_template_once",
        "prompts_prompttemplate",
        ("brand_id", "slug"),
        "a slug is taken once",
    ),
)

VERSION_GUARDS = (
    never_deleted("prompts_templateversion"),
    frozen(
        "prompts_templateversion",
        "id",
        "template_id",
        "brand_id",
        "number",
        "subject_id",
        "sha256",
        "canonical",
        "created_by",
        "created_at",
    ),
    composite_key(
        "prompts_templateversion",
        ("template_id", "brand_id"),
        "prompts_prompttemplate",
        ("id", "brand_id"),
    ),
    composite_key(
        "prompts_templateversion",
        ("subject_id", "sha256", "brand_id"),
        "review_subject",
        ("id", "sha256", "brand_id"),
    ),
    once(
        "prompts_version_once",
        "prompts_templateversion",
        ("template_id", "number"),
        "a version's number is taken once",
    ),
    refuse_when(
        "prompts_version_of_its_kind",
        "prompts_templateversion",
        event="INSERT",
        condition=(
            "NOT EXISTS (SELECT 1 FROM review_subject "
            "WHERE id = NEW.subject_id AND kind = 'template_version')"
        ),
        message="a version is reviewed as a template, by those who review templates",
    ),
    refuse_when(
        "prompts_version_starts_draft",
        "prompts_templateversion",
        event="INSERT",
        condition=f"NEW.state <> '{VersionState.DRAFT.value}'",
        message="a version starts as a draft",
    ),
    only_moves(
        "prompts_version_moves",
        "prompts_templateversion",
        TEMPLATE_VERSION,
        "a version cannot go to that state",
    ),
    refuse_when(
        "prompts_version_released_by_label",
        "prompts_templateversion",
        event="UPDATE",
        condition=(
            f"NEW.state = '{VersionState.RELEASED.value}' AND OLD.state <> NEW.state "
            "AND NOT EXISTS (SELECT 1 FROM prompts_templaterelease WHERE version_id = NEW.id)"
        ),
        message="a version is released by its label",
    ),
)

RELEASE_GUARDS = (
    append_only("prompts_templaterelease"),
    composite_key(
        "prompts_templaterelease",
        ("approval_id", "subject_id", "sha256"),
        "review_approval",
        ("id", "subject_id", "sha256"),
    ),
    composite_key(
        "prompts_templaterelease",
        ("version_id", "template_id", "subject_id", "sha256"),
        "prompts_templateversion",
        ("id", "template_id", "subject_id", "sha256"),
    ),
    once(
        "prompts_release_once",
        "prompts_templaterelease",
        ("version_id",),
        "a version is released once",
    ),
    once(
        "prompts_release_own_approval",
        "prompts_templaterelease",
        ("approval_id",),
        "an approval releases one version",
    ),
    refuse_when(
        "prompts_release_of_version_in_review",
        "prompts_templaterelease",
        event="INSERT",
        condition=(
            "NOT EXISTS (SELECT 1 FROM prompts_templateversion "
            f"WHERE id = NEW.version_id AND state = '{VersionState.IN_REVIEW.value}')"
        ),
        message="only a version in review is released",
    ),
    refuse_when(
        "prompts_release_of_voided_case",
        "prompts_templaterelease",
        event="INSERT",
        condition=(
            "NOT EXISTS (SELECT 1 FROM review_approval a JOIN review_case k ON k.id = a.case_id "
            "WHERE a.id = NEW.approval_id AND k.state = 'approved')"
        ),
        message="an approval that was taken back releases nothing",
    ),
)

GUARDS = (*TEMPLATE_GUARDS, *VERSION_GUARDS, *RELEASE_GUARDS)

# Templates are drafted, submitted and released by people, over web.
WRITERS = {
    "prompts_prompttemplate": frozenset({"reviewer"}),
    "prompts_templateversion": frozenset({"reviewer"}),
    "prompts_templaterelease": frozenset({"reviewer"}),
}
