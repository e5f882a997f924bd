"""Brands and templates for tests: valid content in few words; every state reached by services."""

from dataclasses import dataclass
from typing import Any

from governance.kernel.actors import Actor
from governance.kernel.ids import uuid7
from governance.review import selectors as reviews
from governance.review.records import CaseRecord
from templates.brands import services as brands
from templates.brands.records import BrandRecord, RulesRecord
from templates.prompts import services as prompts
from templates.prompts.records import VersionRecord
from tests.factories import review as make
from tests.factories.review import NOW

RULES = [
    {
        "category": "hazard_sign",
        "terms": ["hazard*", "warning sign"],
        "reason": "Hazard signs mean something in law; use a star as a badge instead.",
    }
]


def content(**changes: Any) -> dict[str, Any]:
    """Return the content of a valid template, with `changes` at its top level."""
    return {
        "prompt": 'a {{ color }} {{ object }}{{ detail | prefixed(", with ") }}, soft light',
        "negative": "text, blurry",
        "schema": {
            "type": "object",
            "required": ["object", "color"],
            "additionalProperties": False,
            "properties": {
                "object": {"type": "string", "enum": ["mug", "lamp"]},
                "color": {"type": "string", "enum": ["red", "orange"]},
                "detail": {
                    "type": "string",
                    "x-free-text": True,
                    "maxLength": 40,
                    "default": "",
                },
            },
        },
        "starter": {"object": "mug", "color": "red"},
        "sizes": [{"width": 256, "height": 256}],
        "parameters": {
            "steps": {"minimum": 4, "maximum": 20, "default": 8},
            "guidance": {"minimum": 1, "maximum": 6.5, "default": 4},
        },
        "profiles": ["demo-sd3"],
    } | changes


@dataclass
class Studio:
    """One brand with its people, its rules, and a review of templates in two stages."""

    brand: BrandRecord
    team: make.Team
    rules: RulesRecord

    @property
    def author(self) -> Actor:
        """Return the brand manager who writes."""
        return self.team.manager

    def draft(
        self, slug: str = "hero-shot", name: str = "Hero shot", **changes: Any
    ) -> VersionRecord:
        """Draft a version as the author."""
        return prompts.draft_version(
            actor=self.author,
            brand_id=self.brand.id,
            slug=slug,
            name=name,
            content=content(**changes),
            now=NOW,
        )

    def submit(self, version: VersionRecord | None = None) -> VersionRecord:
        """Submit a version, or a fresh draft."""
        version = version or self.draft()
        return prompts.submit_version(actor=self.author, version_id=version.id, now=NOW)

    def case_of(self, version: VersionRecord) -> CaseRecord:
        """Return the version's review case."""
        case = reviews.find_case_for_subject(version.subject_id)
        assert case is not None
        return case

    def approve(self, version: VersionRecord | None = None) -> VersionRecord:
        """Take a submitted version through both stages of its review."""
        version = version or self.submit()
        make.approve(self.team, self.case_of(version))
        return version

    def release(self, version: VersionRecord | None = None) -> VersionRecord:
        """Put the label on an approved version, or a fresh one."""
        version = version or self.approve()
        return prompts.release_version(actor=self.author, version_id=version.id, now=NOW)


def retire(studio: Studio, version: VersionRecord) -> VersionRecord:
    """Take a version out of use, as the other manager."""
    return prompts.retire_version(
        actor=studio.team.other_manager, version_id=version.id, reason="Wrong claim.", now=NOW
    )


def studio(slug: str = "northwind") -> Studio:
    """Make a brand through the services, as its admin and two managers."""
    admin = Actor(uuid7(), is_platform_admin=True)
    brand = brands.create_brand(
        actor=admin, slug=slug, name="Northwind", palette=["#1f3a5f"], now=NOW
    )
    team = make.Team(brand_id=brand.id)
    make.approved_policy(team, kind="template_version")
    proposed = brands.propose_rules(actor=team.manager, brand_id=brand.id, rules=RULES, now=NOW)
    rules = brands.approve_rules(
        actor=team.other_manager, rules_id=proposed.id, sha256=proposed.sha256, now=NOW
    )
    return Studio(brand=brand, team=team, rules=rules)
