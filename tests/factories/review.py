"""Reviews for tests: people, a policy, subjects and cases, all reached through the services."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import UUID

import factory

from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.digests import sha256_hex
from governance.kernel.ids import uuid7
from governance.kernel.roles import Role
from governance.kernel.subjects import SubjectRef
from governance.ledger import keys as ledger_keys
from governance.ledger import services as ledger
from governance.ledger.checkpoints import CheckpointSigner
from governance.release import services as release
from governance.release.records import ReleaseRecord
from governance.review import selectors, services
from governance.review.records import (
    AnswerSpec,
    CaseRecord,
    DecisionRecord,
    PolicyRecord,
    StageSpec,
)
from governance.sealing import keys as sealing_keys

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
BRAND_STAGE = StageSpec("Brand", Role.BRAND_REVIEWER)
COMPLIANCE_STAGE = StageSpec("Compliance", Role.COMPLIANCE_REVIEWER)
TWO_STAGES = (BRAND_STAGE, COMPLIANCE_STAGE)


class ActorFactory(factory.Factory):
    """A person with `roles` (a sequence) in `brand_id`."""

    class Meta:
        model = Actor

    class Params:
        brand_id = factory.LazyFunction(uuid7)
        held: Sequence[Role] = ()

    id = factory.LazyFunction(uuid7)
    roles = factory.LazyAttribute(lambda o: {o.brand_id: frozenset(o.held)} if o.held else {})


def person(brand_id: UUID, *roles: Role, **facts: Any) -> Actor:
    """Make a person who holds `roles` in the brand and has just given their password."""
    facts.setdefault("authenticated_at", NOW)
    made: Actor = ActorFactory(brand_id=brand_id, held=roles, **facts)
    return made


def use_sealing_key(settings: Any, folder: Path) -> None:
    """Give the test a sealing key of its own."""
    settings.SEALING_KEY_FILE = folder / "kek"
    sealing_keys.make_sealing_key(settings.SEALING_KEY_FILE)


@dataclass
class Team:
    """The people of one brand: nobody has two roles, so nobody can stand in for another."""

    brand_id: UUID = field(default_factory=uuid7)
    requester: Actor = field(init=False)
    brand_reviewer: Actor = field(init=False)
    other_brand_reviewer: Actor = field(init=False)
    compliance_reviewer: Actor = field(init=False)
    manager: Actor = field(init=False)
    other_manager: Actor = field(init=False)
    auditor: Actor = field(init=False)

    def __post_init__(self) -> None:
        self.requester = person(self.brand_id, Role.MARKETER)
        self.brand_reviewer = person(self.brand_id, Role.BRAND_REVIEWER)
        self.other_brand_reviewer = person(self.brand_id, Role.BRAND_REVIEWER)
        self.compliance_reviewer = person(self.brand_id, Role.COMPLIANCE_REVIEWER)
        self.manager = person(self.brand_id, Role.BRAND_MANAGER)
        self.other_manager = person(self.brand_id, Role.BRAND_MANAGER)
        self.auditor = person(self.brand_id, Role.AUDITOR)


def found(brand_id: UUID) -> None:
    """Give a brand the policies that every brand starts with, once, as its creator."""
    creator = Actor(uuid7(), is_platform_admin=True)
    if not selectors.list_policies(creator, brand_id, "review_policy"):
        services.install_policies(actor=creator, brand_id=brand_id, now=NOW)


def approved_policy(
    team: Team,
    *,
    kind: str = "asset",
    stages: Sequence[StageSpec] = TWO_STAGES,
    **content: Any,
) -> PolicyRecord:
    """Propose a policy as one manager and approve it as the other."""
    found(team.brand_id)
    proposed = services.propose_policy(
        actor=team.manager,
        brand_id=team.brand_id,
        subject_kind=kind,
        name="Standard",
        stages=stages,
        now=NOW,
        **content,
    )
    return services.approve_policy(
        actor=team.other_manager, policy_id=proposed.id, sha256=proposed.sha256, now=NOW
    )


def subject(
    team: Team,
    *,
    kind: str = "asset",
    sha256: str | None = None,
    contributors: Mapping[UUID, str] | None = None,
) -> SubjectRef:
    """Register a subject of fresh bytes that the team's requester asked for."""
    subject_id = uuid7()
    return services.register_subject(
        subject_id=subject_id,
        kind=kind,
        sha256=sha256 or sha256_hex(subject_id.bytes),
        brand_id=team.brand_id,
        contributors=contributors or {team.requester.id: "requester"},
        now=NOW,
    )


def open_case(
    team: Team,
    about: SubjectRef | None = None,
    *,
    kind: str = "asset",
    risk: int = 0,
    market: str = "",
) -> CaseRecord:
    """Open a case for `about`, or for a fresh subject."""
    about = about or subject(team, kind=kind)
    return services.open_case(
        actor=SYSTEM,
        subject_id=about.id,
        title="Spring, variant 1",
        pins={"template_version": "v1"},
        requested_by=team.requester.id,
        risk=risk,
        market=market,
        now=NOW,
    )


def deliver(case: CaseRecord, actor: Actor, now: datetime = NOW) -> UUID | None:
    """Send the bytes under review to a person's screen."""
    return services.record_delivery(
        actor=actor, subject_id=case.subject.id, sha256=str(case.subject.sha256), now=now
    )


def decide(
    case: CaseRecord,
    actor: Actor,
    verdict: str = "approve",
    reason: str | None = None,
    *,
    stage: str = "",
    checklist: Mapping[str, AnswerSpec | str] = MappingProxyType({}),
    now: datetime = NOW,
) -> DecisionRecord:
    """Look at the bytes under review and decide on them, with a reason where one is needed."""
    if reason is None:
        reason = "" if verdict == "approve" else "The logo is cut off."
    deliver(case, actor, now)
    return services.decide(
        actor=actor,
        case_id=case.id,
        verdict=verdict,
        sha256=str(case.subject.sha256),
        reason=reason,
        stage=stage,
        checklist=checklist,
        now=now,
    )


def approve(team: Team, case: CaseRecord) -> UUID:
    """Take the stages of a case that lack their decision and return the approval's id."""
    if not current(case).stages[0].decisions:
        decide(case, team.brand_reviewer)
    approval_id = decide(case, team.compliance_reviewer).approval_id
    assert approval_id is not None
    return approval_id


def checkpoint(folder: Path) -> None:
    """Sequence the whole log and sign a checkpoint of it, as the relay does."""
    if not (folder / "checkpoint.key").exists():
        folder.mkdir(parents=True, exist_ok=True)
        ledger_keys.make_checkpoint_key(folder, "test.example/log")
    while ledger.sequence(now=NOW):
        pass
    ledger.sign_checkpoint(signer=CheckpointSigner.load(folder), now=NOW)


def released(team: Team, case: CaseRecord, folder: Path) -> ReleaseRecord:
    """Approve a case, prove the approval, and record its release."""
    approval_id = approve(team, case)
    checkpoint(folder)
    return release.record_release(
        actor=SYSTEM,
        release_id=uuid7(),
        approval_id=approval_id,
        marked_sha256=sha256_hex(b"marked" + case.id.bytes),
        media_type="image/png",
        marking_profile="xmp+c2pa/1",
        passport=b'{"v":1}',
        now=NOW,
    )


def current(case: CaseRecord) -> CaseRecord:
    """Read the case again."""
    return selectors.get_case(SYSTEM, case.id)
