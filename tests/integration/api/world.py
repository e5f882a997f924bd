"""One brand in mid-work, made through the services: what an order needs, and a release."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from imprimatur.publishing import services as publishing
from imprimatur.publishing.selectors import DestinationRecord
from imprimatur.workflow import backtest

from generation.registry import services as registry
from governance.kernel.actors import Actor
from governance.kernel.clock import now
from governance.kernel.digests import sha256_hex
from governance.kernel.roles import Role
from governance.quota import selectors as quota_selectors
from governance.quota import services as quota
from governance.release.records import ReleaseRecord
from governance.review.records import CaseRecord
from templates.brands import services as brands
from templates.brands.records import BrandRecord
from templates.prompts.records import VersionRecord
from tests.factories import licences, people, review
from tests.factories import templates as studios


@dataclass(frozen=True)
class World:
    """What the requests of these tests are about."""

    brand: BrandRecord
    version: VersionRecord
    team: review.Team
    case: CaseRecord
    release: ReleaseRecord
    destination: DestinationRecord


def make(folder: Path, root: Path) -> World:
    """Make the brand with marta, bruno and clara in it; ada and grace are its admins."""
    ada, grace = people.admins()
    at = now()
    studio = studios.studio()
    brand_id = studio.brand.id
    for name, role in (
        ("marta", Role.MARKETER),
        ("bruno", Role.BRAND_REVIEWER),
        ("clara", Role.COMPLIANCE_REVIEWER),
        ("otto", Role.AUDITOR),
    ):
        people.add(ada, name, brand_id=brand_id, roles=[role])
    _scoring(studio, review.NOW)
    version = studio.release()
    _model(ada, grace, at)
    _grant(ada, brand_id, 5, at)
    review.approved_policy(studio.team)
    done = review.open_case(studio.team)
    release = review.released(studio.team, done, folder)
    open_case = review.open_case(studio.team)
    return World(
        brand=studio.brand,
        version=version,
        team=studio.team,
        case=open_case,
        release=release,
        destination=_destination(ada, grace, brand_id, root, at),
    )


def _scoring(studio: studios.Studio, at: datetime) -> None:
    policy = brands.propose_scoring_policy(
        actor=studio.team.manager,
        brand_id=studio.brand.id,
        advisory=True,
        thresholds={"sharpness": {"threshold": 0.1, "severity": "flag"}},
        now=at,
    )
    backtest.run(actor=studio.team.manager, policy_id=policy.id, now=at)
    brands.approve_scoring_policy(
        actor=studio.team.other_manager, policy_id=policy.id, sha256=policy.sha256, now=at
    )


def _model(ada: Actor, grace: Actor, at: datetime) -> None:
    profile = registry.propose_profile(
        actor=ada,
        slug="demo-sd3",
        name="Demo model",
        family="sd3",
        pipeline="StableDiffusion3Pipeline",
        folder="demo/sd3",
        snapshot_sha256=sha256_hex(b"snapshot"),
        dtype="float32",
        device="cpu",
        parameters={"steps": 8, "guidance": 4.0, "max_sequence_length": 77},
        scorers={"folder": "demo", "entries": []},
        is_calibrated=False,
        licence_id=licences.agreed().id,
        now=at,
    )
    registry.approve_profile(actor=grace, profile_id=profile.id, now=at)
    quota.grant(
        actor=ada,
        holder_kind="model",
        holder_id=profile.id,
        brand_id=None,
        period=quota_selectors.period_of(at),
        amount=100,
        now=at,
    )


def _grant(ada: Actor, brand_id: UUID, amount: int, at: datetime) -> None:
    for kind, holder_id in (("brand", brand_id), ("user", people.acting("marta").id)):
        quota.grant(
            actor=ada,
            holder_kind=kind,
            holder_id=holder_id,
            brand_id=brand_id,
            period=quota_selectors.period_of(at),
            amount=amount,
            now=at,
        )


def _destination(
    ada: Actor, grace: Actor, brand_id: UUID, root: Path, at: datetime
) -> DestinationRecord:
    (root / "shared").mkdir(parents=True, exist_ok=True)
    proposed = publishing.propose_destination(
        actor=ada,
        brand_id=brand_id,
        slug="folder",
        name="Shared folder",
        kind="folder",
        config={"path": str(root / "shared")},
        credential_ref="",
        now=at,
    )
    return publishing.approve_destination(actor=grace, destination_id=proposed.id, now=at)
