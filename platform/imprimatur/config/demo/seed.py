"""Seeds the demo through the services, as the people it names: nothing here writes a row itself.

Running it again finds what is there and adds only what is missing; each thing comes about whole, so
that a seed which was interrupted can go on.
"""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from generation.packs import manifest
from generation.registry import selectors as registry_selectors
from generation.registry import services as registry
from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.errors import NotFound
from governance.kernel.roles import Role
from governance.quota import selectors as quota_selectors
from governance.quota import services as quota
from governance.review import selectors as review_selectors
from governance.review import services as review
from governance.review.calendars import DAYS
from governance.review.records import StageSpec
from imprimatur.accounts import selectors as people
from imprimatur.accounts import services as accounts
from imprimatur.accounts.services import NewPerson
from imprimatur.config.demo import bucket, papers, photos, wardrobe
from imprimatur.publishing import selectors as publishing_selectors
from imprimatur.publishing import services as publishing
from imprimatur.workflow import backtest, policies
from templates.brands import selectors as brand_selectors
from templates.brands import services as brands
from templates.brands.markets import Market
from templates.prompts import library
from templates.prompts import selectors as prompt_selectors
from templates.prompts import services as prompts

BRAND = "northwind-studio"
PROFILE = "demo-sd3"
PACK_FOLDER = "demo"
# The pack's model is of this family, which can do all this; see docs/models.md.
FAMILY = "sd3"
MODES = ("adapters", "control", "guidance", "image_to_image", "inpaint", "negative_prompt")
LIBRARY_PACK = "product_studio"
# Brings templates only: it is for a brand that has its rules.
CAMPAIGN_PACK = "seasonal_campaign"
IMAGES_A_MONTH = 500
MARKETS = (Market("GB", ("en-GB",)), Market("DE", ("de",)), Market("CH", ("de-CH", "fr", "it")))


@dataclass(frozen=True, slots=True)
class Person:
    """One person of the demo: a user name, a name, and the roles held in the demo brand."""

    username: str
    name: str
    roles: tuple[Role, ...] = ()

    @property
    def title(self) -> str:
        """Return the roles in words."""
        return ", ".join(r.value.replace("_", " ") for r in self.roles) or "platform admin"


ADMINS = (Person("ada", "Ada Obi"), Person("grace", "Grace Lindholm"))
MEMBERS = (
    Person("marta", "Marta Keller", (Role.MARKETER,)),
    Person("bruno", "Bruno Santos", (Role.BRAND_REVIEWER,)),
    Person("clara", "Clara Nowak", (Role.COMPLIANCE_REVIEWER,)),
    Person("mona", "Mona Haddad", (Role.BRAND_MANAGER,)),
    Person("max", "Max Lindgren", (Role.BRAND_MANAGER,)),
    Person("otto", "Otto Weiss", (Role.AUDITOR,)),
    Person("dora", "Dora Fischer", (Role.DATA_STEWARD,)),
)


OFFICE_HOURS = {
    "timezone": "Europe/Berlin",
    "week": {day: [["09:00", "12:30"], ["13:00", "17:30"]] for day in DAYS[:5]},
    "holidays": ["2026-12-25", "2027-01-01"],
}
# In business minutes: a day for the brand, after which compliance is asked too, and two for them.
POLICIES = {
    "asset": (
        StageSpec(
            "Brand", Role.BRAND_REVIEWER, due_min=480, remind_min=360, escalate_to="compliance"
        ),
        StageSpec("Compliance", Role.COMPLIANCE_REVIEWER, due_min=960, remind_min=480),
    ),
    "template_version": (StageSpec("Second manager", Role.BRAND_MANAGER, due_min=960),),
}


@dataclass(frozen=True, slots=True)
class Seeded:
    """What the demo stands on, and how to sign in."""

    brand_id: UUID
    passwords: Mapping[str, str]
    destinations: Mapping[str, UUID]


def seed(*, now: datetime) -> Seeded:
    """Bring the demo's people, brand, rules, templates, model, quota and destinations about."""
    passwords = _passwords(Path(settings.VAR) / "demo" / "people.json")
    _bootstrap(passwords, now)
    ada, grace = _acting("ada", now), _acting("grace", now)
    brand_id = _brand(ada, now)
    _members(ada, brand_id, passwords, now)
    mona, max_ = _acting("mona", now), _acting("max", now)
    _review_policies(mona, max_, brand_id, now)
    pack = library.read_pack(library.FOLDER / LIBRARY_PACK)
    _rules(mona, max_, brand_id, pack, now)
    _profile(ada, grace, now)
    _adapters(ada, grace, now)
    _templates(mona, max_, brand_id, pack, now)
    _templates(mona, max_, brand_id, library.read_pack(library.FOLDER / CAMPAIGN_PACK), now)
    _quota(ada, brand_id, now)
    photos.seed(_acting("marta", now), brand_id, now)
    destinations = _destinations(ada, grace, brand_id, now)
    return Seeded(brand_id, passwords, destinations)


def _passwords(path: Path) -> dict[str, str]:
    """Return each person's password, made at random once and kept for the demo's owner (0600)."""
    if path.exists():
        found: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
        return found
    made = {person.username: secrets.token_urlsafe(9) for person in (*ADMINS, *MEMBERS)}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(json.dumps(made, indent=2), encoding="utf-8")
    return made


def _bootstrap(passwords: Mapping[str, str], now: datetime) -> None:
    if not _exists("ada"):
        first, second = (NewPerson(p.username, p.name, passwords[p.username]) for p in ADMINS)
        accounts.bootstrap(actor=SYSTEM, first=first, second=second, now=now)


def _brand(admin: Actor, now: datetime) -> UUID:
    found = brand_selectors.find_brand_by_slug(BRAND)
    if found is not None:
        return found.id
    pack = library.read_pack(library.FOLDER / LIBRARY_PACK)
    return brands.create_brand(
        actor=admin,
        slug=BRAND,
        name="Northwind Studio",
        palette=pack.palette,
        markets=MARKETS,
        now=now,
    ).id


def _members(admin: Actor, brand_id: UUID, passwords: Mapping[str, str], now: datetime) -> None:
    for person in MEMBERS:
        if _exists(person.username):
            continue
        with transaction.atomic():
            user = accounts.create_user(
                actor=admin,
                username=person.username,
                name=person.name,
                password=passwords[person.username],
                now=now,
            )
            for role in person.roles:
                accounts.grant_role(
                    actor=admin, user_id=user.id, brand_id=brand_id, role=role, now=now
                )


def _acting(username: str, now: datetime) -> Actor:
    """Return a person as if they had just signed in: the demo acts in their place."""
    return replace(people.get_actor_by_username(username), authenticated_at=now)


def _review_policies(author: Actor, approver: Actor, brand_id: UUID, now: datetime) -> None:
    for kind, stages in POLICIES.items():
        if _has_review_policy(brand_id, kind):
            continue
        with transaction.atomic():
            policy = policies.propose(
                actor=author,
                brand_id=brand_id,
                content={
                    "subject_kind": kind,
                    "name": f"Standard {kind.replace('_', ' ')} review",
                    "stages": stages,
                    "calendar": OFFICE_HOURS,
                },
                now=now,
            )
            review.approve_policy(
                actor=approver, policy_id=policy.id, sha256=policy.sha256, now=now
            )


def _has_review_policy(brand_id: UUID, kind: str) -> bool:
    try:
        review_selectors.current_policy(brand_id, kind)
    except review_selectors.NoPolicy:
        return False
    return True


def _rules(
    author: Actor, approver: Actor, brand_id: UUID, pack: library.Pack, now: datetime
) -> None:
    if not brand_selectors.list_rules(author, brand_id):
        with transaction.atomic():
            rules = brands.propose_rules(actor=author, brand_id=brand_id, rules=pack.rules, now=now)
            brands.approve_rules(actor=approver, rules_id=rules.id, sha256=rules.sha256, now=now)
    if pack.scoring is None:
        raise LookupError(f"The starter pack {LIBRARY_PACK} brings no scoring policy.")
    if not brand_selectors.list_scoring_policies(author, brand_id):
        with transaction.atomic():
            policy = brands.propose_scoring_policy(
                actor=author,
                brand_id=brand_id,
                advisory=pack.scoring.advisory,
                thresholds=pack.scoring.thresholds,
                **pack.scoring.sections,
                now=now,
            )
            backtest.run(actor=author, policy_id=policy.id, now=now)
            brands.approve_scoring_policy(
                actor=approver, policy_id=policy.id, sha256=policy.sha256, now=now
            )


def _adapters(proposer: Actor, approver: Actor, now: datetime) -> None:
    """Register the adapters that the pack brings along."""
    pack = manifest.read(Path(settings.MODELS_FOLDER) / PACK_FOLDER)
    wardrobe.seed(
        proposer,
        approver,
        pack,
        lambda each: papers.agree_to_card(proposer, approver, each, now),
        now,
    )


def _profile(proposer: Actor, approver: Actor, now: datetime) -> None:
    """Propose the pack's model as it is on disk; a rebuilt pack is a new version of the profile."""
    pack = manifest.read(Path(settings.MODELS_FOLDER) / PACK_FOLDER)
    if _approved_snapshot() == pack.model.snapshot_sha256:
        return
    with transaction.atomic():
        licence_id = papers.agree_to_card(proposer, approver, pack.model, now)
        profile = registry.propose_profile(
            actor=proposer,
            slug=PROFILE,
            name="Demo model" if pack.calibrated else "Demo model (uncalibrated)",
            family=pack.model.family,
            pipeline=pack.model.pipeline,
            folder=f"{PACK_FOLDER}/{pack.model.folder.relative_to(pack.folder).as_posix()}",
            snapshot_sha256=pack.model.snapshot_sha256,
            dtype=pack.model.defaults.dtype,
            device="cpu",
            parameters={
                "steps": pack.model.defaults.steps,
                "guidance": pack.model.defaults.guidance,
                "max_sequence_length": pack.model.defaults.max_sequence_length,
                **({"modes": list(MODES)} if pack.model.family == FAMILY else {}),
            },
            scorers={
                "folder": PACK_FOLDER,
                "entries": [
                    {
                        "kind": entry.kind,
                        "folder": entry.folder,
                        "snapshot_sha256": entry.snapshot_sha256,
                        "licence": entry.licence,
                        "settings": dict(entry.settings),
                    }
                    for entry in pack.scorers
                ],
            },
            is_calibrated=pack.calibrated,
            licence_id=licence_id,
            now=now,
        )
        registry.approve_profile(actor=approver, profile_id=profile.id, now=now)


def _approved_snapshot() -> str:
    """Return what runs today; one without a licence, or that says not what it can, is made anew."""
    try:
        profile = registry_selectors.current_profile(PROFILE)
    except NotFound:
        return ""
    is_whole = profile.licence_id is not None and "modes" in profile.parameters
    return profile.snapshot_sha256 if is_whole else ""


def _templates(
    author: Actor, approver: Actor, brand_id: UUID, pack: library.Pack, now: datetime
) -> None:
    present = {t.slug for t in prompt_selectors.list_templates(author, brand_id=brand_id)}
    for template in pack.templates:
        if template.slug in present:
            continue
        with transaction.atomic():
            version = prompts.draft_version(
                actor=author,
                brand_id=brand_id,
                slug=template.slug,
                name=template.name,
                content=template.content,
                now=now,
            )
            prompts.submit_version(actor=author, version_id=version.id, now=now)
            review.approve_content(
                actor=approver, subject_id=version.subject_id, sha256=version.sha256, now=now
            )
            prompts.release_version(actor=author, version_id=version.id, now=now)


def _quota(admin: Actor, brand_id: UUID, now: datetime) -> None:
    period = quota_selectors.period_of(now)
    profile = registry_selectors.current_profile(PROFILE)
    holders: list[tuple[str, UUID, UUID | None]] = [
        ("brand", brand_id, brand_id),
        ("model", profile.id, None),
    ]
    holders += [
        ("user", people.get_actor_by_username(person.username).id, brand_id)
        for person in MEMBERS
        if Role.MARKETER in person.roles
    ]
    for kind, holder_id, in_brand in holders:
        account: dict[str, Any] = {
            "holder_kind": kind,
            "holder_id": holder_id,
            "brand_id": in_brand,
        }
        try:
            quota_selectors.balance(admin, period=period, **account)
        except NotFound:
            quota.grant(actor=admin, period=period, amount=IMAGES_A_MONTH, now=now, **account)


def _destinations(
    proposer: Actor, approver: Actor, brand_id: UUID, now: datetime
) -> dict[str, UUID]:
    folder = Path(settings.VAR) / "published"
    folder.mkdir(parents=True, exist_ok=True)
    wanted: dict[str, tuple[str, dict[str, object], str]] = {
        "folder": ("Shared folder", {"path": str(folder)}, "")
    }
    if settings.DEMO_S3_ENDPOINT:
        bucket.make()
        wanted["s3"] = ("Asset bucket", bucket.config(), bucket.CREDENTIAL)
    present = {
        d.slug: d.id
        for d in publishing_selectors.list_destinations(
            people.get_actor_by_username("marta"), brand_id
        )
    }
    for kind, (name, config, credential_ref) in wanted.items():
        if kind in present:
            continue
        with transaction.atomic():
            destination = publishing.propose_destination(
                actor=proposer,
                brand_id=brand_id,
                slug=kind,
                name=name,
                kind=kind,
                config=config,
                credential_ref=credential_ref,
                now=now,
            )
            publishing.approve_destination(actor=approver, destination_id=destination.id, now=now)
        present[kind] = destination.id
    return present


def _exists(username: str) -> bool:
    try:
        people.get_actor_by_username(username)
    except NotFound:
        return False
    return True
