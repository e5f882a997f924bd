"""What leaves a brand, for tests: real images up to their approval, and places to go.

Nothing is rendered: an item is claimed and finished as a worker does, with a picture of one color.
"""

import os
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID

from django.db import transaction
from imprimatur.publishing import selectors as publications
from imprimatur.publishing import services as publishing
from imprimatur.publishing.selectors import DestinationRecord, PublicationRecord
from PIL import Image

from generation.assets import blobs
from generation.assets import selectors as assets
from generation.assets.records import StepRecord
from generation.assets.selectors import AssetRecord, ScoreRecord
from generation.assets.services import keep_blob
from generation.jobs import selectors as jobs
from generation.jobs import services as job_services
from generation.jobs.records import ItemOrder, Rendered
from generation.registry import services as registry
from generation.registry.selectors import ProfileRecord
from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.clock import now as clock_now
from governance.kernel.digests import canonical_json, sha256_hex
from governance.kernel.ids import uuid7
from governance.ledger.keys import make_checkpoint_key
from governance.marking.authority import make_development_authority
from governance.marking.signing import ANCHORS_NAME
from governance.quota import services as quota
from governance.release import services as release_services
from governance.release.records import ReleaseRecord
from governance.review import selectors as review
from governance.review.records import CaseRecord
from governance.sealing import services as sealing
from templates.prompts.records import VersionRecord
from tests.factories import licences
from tests.factories import review as make
from tests.factories import templates as studios
from tests.factories.quota import PERIOD, platform_admin
from tests.factories.review import NOW

ORIGIN = "test.example/log"
SIDE_PX = 64


def make_authority(folder: Path) -> Path:
    """Make signing keys that are valid today, for the tests of a session to share."""
    make_development_authority(folder, now=clock_now())
    return folder


def use_installation(settings: Any, folder: Path, authority: Path) -> None:
    """Give a test keys, a blob store and a place for destinations of its own, under `folder`."""
    make.use_sealing_key(settings, folder)
    settings.PUBLISHER_KEY_FOLDER = authority
    settings.PUBLIC_KEY_FOLDER = folder / "public"
    settings.PUBLIC_KEY_FOLDER.mkdir()
    (settings.PUBLIC_KEY_FOLDER / ANCHORS_NAME).write_bytes((authority / ANCHORS_NAME).read_bytes())
    settings.CHECKPOINT_KEY_FOLDER = folder / "relay"
    settings.CHECKPOINT_KEY_FOLDER.mkdir()
    key = make_checkpoint_key(settings.CHECKPOINT_KEY_FOLDER, ORIGIN)
    (settings.PUBLIC_KEY_FOLDER / "ledger.vkey").write_text(f"{key}\n", encoding="utf-8")
    settings.LEDGER_ORIGIN = ORIGIN
    settings.DESTINATION_ROOTS = [(folder / "published").resolve()]
    (folder / "published").mkdir()
    store = {"location": str(folder / "blobs"), "file_permissions_mode": 0o640}
    settings.STORAGES = {
        **settings.STORAGES,
        "blobs": {"BACKEND": "generation.assets.files.WholeFileStorage", "OPTIONS": store},
    }


@dataclass
class Press:
    """One brand with a released template, a model and quota; it makes images and lets them go."""

    folder: Path
    slug: str = "northwind"
    admin: Actor = field(default_factory=platform_admin)
    other_admin: Actor = field(default_factory=platform_admin)
    studio: studios.Studio = field(init=False)
    team: make.Team = field(init=False)
    version: VersionRecord = field(init=False)
    profile: ProfileRecord = field(init=False)

    def __post_init__(self) -> None:
        self.studio = studios.studio(self.slug)
        self.team = self.studio.team
        self.version = self.studio.release()
        make.approved_policy(self.team)
        self.profile = self._profile()
        for kind, holder_id, brand_id in (
            ("user", self.team.requester.id, self.brand_id),
            ("brand", self.brand_id, self.brand_id),
            ("model", self.profile.id, None),
        ):
            quota.grant(
                actor=self.admin,
                holder_kind=kind,
                holder_id=holder_id,
                brand_id=brand_id,
                period=PERIOD,
                amount=100,
                now=NOW,
            )

    @property
    def brand_id(self) -> UUID:
        """Return the brand."""
        return self.studio.brand.id

    @property
    def marketer(self) -> Actor:
        """Return who orders."""
        return self.team.requester

    @property
    def place(self) -> Path:
        """Return the folder below which destinations may lie."""
        return self.folder / "published"

    def image(self, *more: ScoreRecord) -> AssetRecord:
        """Order an image and make it: it is in review then. `more` was said of it besides."""
        return self.made(self.job(), *more)

    def made(self, job_id: UUID, *more: ScoreRecord, generated: bytes = b"") -> AssetRecord:
        """Make the one image of an order, as a worker does; it is enlarged from `generated`."""
        (item,) = jobs.get_job(self.marketer, job_id).items
        claim = job_services.claim(item_id=item.id, worker="test")
        assert claim is not None
        data = picture()
        rendered = Rendered(
            sha256=blobs.put(data),
            size_bytes=len(data),
            media_type="image/png",
            width_px=SIDE_PX,
            height_px=SIDE_PX,
            recipe=self._recipe(claim.fingerprint),
            render_s=1.25,
            verdict="pass",
            scores=(score(), *more),
            steps=enlarged(generated, data) if generated else (),
        )
        asset_id = job_services.finish(claim=claim, rendered=rendered, contributors={}, now=NOW)
        return assets.get_asset(self.marketer, asset_id)

    def case_of(self, asset: AssetRecord) -> CaseRecord:
        """Return the review of an image."""
        case = review.find_case_for_subject(asset.subject_id)
        assert case is not None
        return case

    def approved(self) -> CaseRecord:
        """Make an image and take it through both stages of its review."""
        case = self.case_of(self.image())
        make.approve(self.team, case)
        return make.current(case)

    def prove(self) -> None:
        """Sign a checkpoint of everything so far, as the relay does."""
        make.checkpoint(self.folder / "relay")

    def provable(self) -> CaseRecord:
        """Return an approved case whose approval is under a checkpoint."""
        case = self.approved()
        self.prove()
        return case

    def released(self) -> ReleaseRecord:
        """Return a release, marked and with its passport."""
        release = publishing.release_case(case_id=self.provable().id, now=NOW)
        assert release is not None
        return release

    def recorded(self) -> ReleaseRecord:
        """Return a release whose bytes only stand for marked ones: marking takes most of a test."""
        case = self.provable()
        marked = picture()
        with transaction.atomic():
            keep_blob(
                sha256=blobs.put(marked),
                size_bytes=len(marked),
                media_type="image/png",
                retention="released",
                now=NOW,
            )
            return release_services.record_release(
                actor=SYSTEM,
                release_id=uuid7(),
                approval_id=review.get_approval(case_id=case.id).id,
                marked_sha256=sha256_hex(marked),
                media_type="image/png",
                marking_profile="test@1",
                passport=b"{}",
                now=NOW,
            )

    def proposed(self, slug: str = "folder", **changes: Any) -> DestinationRecord:
        """Propose a folder, or what `changes` say."""
        (self.place / slug).mkdir(parents=True, exist_ok=True)
        facts: dict[str, Any] = {
            "brand_id": self.brand_id,
            "slug": slug,
            "name": "Shared folder",
            "kind": "folder",
            "config": {"path": str(self.place / slug)},
            "credential_ref": "",
            "actor": self.admin,
        }
        return publishing.propose_destination(now=NOW, **{**facts, **changes})

    def destination(self, slug: str = "folder", **changes: Any) -> DestinationRecord:
        """Return an open destination."""
        proposed = self.proposed(slug, **changes)
        return publishing.approve_destination(
            actor=self.other_admin, destination_id=proposed.id, now=NOW
        )

    def ordered(
        self, release: ReleaseRecord | None = None, destination: DestinationRecord | None = None
    ) -> PublicationRecord:
        """Order the delivery of a release, by default a fresh one to a fresh folder."""
        release = release or self.recorded()
        destination = destination or self.destination()
        return publishing.request_publication(
            actor=self.marketer, release_id=release.id, destination_id=destination.id, now=NOW
        )

    def job(self) -> UUID:
        """Order one image."""
        person = self.marketer.id
        prompt = sealing.seal(person_id=person, text="a red mug", purpose=jobs.PROMPT)
        variables = sealing.seal(person_id=person, text='{"object":"mug"}', purpose=jobs.VARIABLES)
        with transaction.atomic():
            return job_services.create_job(
                actor=self.marketer,
                version=self.version,
                profile=self.profile,
                scoring_policy_id=uuid7(),
                variables=variables,
                items=[ItemOrder(prompt, "0" * 64, "", 7, SIDE_PX, SIDE_PX, 8, 4.0)],
                idempotency_key=str(uuid7()),
                now=NOW,
            )

    def _profile(self) -> ProfileRecord:
        proposed = registry.propose_profile(
            actor=self.admin,
            slug=f"demo-sd3-{self.slug}",
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
            now=NOW,
        )
        return registry.approve_profile(actor=self.other_admin, profile_id=proposed.id, now=NOW)

    def _recipe(self, fingerprint: str) -> bytes:
        return canonical_json(
            {
                "v": 1,
                "profile": {
                    "id": str(self.profile.id),
                    "slug": self.profile.slug,
                    "number": self.profile.number,
                    "licence": self.profile.licence,
                    "family": self.profile.family,
                    "is_calibrated": False,
                },
                "fingerprint": fingerprint,
                "snapshot_sha256": self.profile.snapshot_sha256,
                "pipeline": self.profile.pipeline,
                "seed": "7",
                "steps": "8",
                "guidance": "4.0",
                "dtype": "float32",
                "facts": {"scheduler": "FlowMatchEulerDiscreteScheduler", "device": "cpu"},
            }
        )


def picture() -> bytes:
    """Return a small PNG that no other is equal to."""
    file = BytesIO()
    Image.frombytes("RGB", (SIDE_PX, SIDE_PX), os.urandom(3 * SIDE_PX**2)).save(file, "PNG")
    return file.getvalue()


def enlarged(generated: bytes, data: bytes) -> tuple[StepRecord, StepRecord]:
    """Return the two outputs on the way to an image that was enlarged."""
    half, name = SIDE_PX // 2, "upscale.lanczos/1"
    return (
        StepRecord(0, "generate", {}, blobs.put(generated), len(generated), half, half),
        StepRecord(1, name, {"factor": 2}, sha256_hex(data), len(data), SIDE_PX, SIDE_PX),
    )


def current(publication: PublicationRecord) -> PublicationRecord:
    """Read the publication again."""
    return publications.get_publication(SYSTEM, publication.id)


def score(**changes: Any) -> ScoreRecord:
    """Return one scorer's verdict."""
    made = ScoreRecord(
        scorer="sharpness",
        version="1",
        weights_sha256="",
        value=0.5,
        threshold=0.1,
        verdict="pass",
        reason="",
        policy_id=uuid7(),
        evidence={},
    )
    return replace(made, **changes)
