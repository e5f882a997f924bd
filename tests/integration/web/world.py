"""The demo's people and templates for portal tests, and a worker that paints its pictures."""

import io
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.test import Client
from imprimatur.accounts import selectors as accounts
from imprimatur.accounts.models import User
from imprimatur.config.demo import seed
from imprimatur.workflow import order
from PIL import Image

from generation.assets import blobs
from generation.assets.selectors import ScoreRecord
from generation.jobs import selectors as jobs
from generation.jobs import services as job_services
from generation.jobs.records import JobRecord, Rendered
from generation.registry import services as registry
from governance.kernel.actors import SYSTEM, Actor
from governance.kernel.clock import now
from governance.kernel.digests import canonical_json, sha256_hex
from governance.kernel.ids import uuid7
from governance.release import services as release
from governance.release.records import ReleaseRecord
from governance.review import selectors as review
from governance.review import services as review_services
from governance.review.records import CaseRecord
from templates.brands import selectors as brands
from templates.prompts import library
from templates.prompts import selectors as prompts
from templates.prompts.records import TemplateRecord
from tests.factories import licences
from tests.factories import review as review_factory

# One template is enough for these tests, and five times faster than the whole library.
TEMPLATES = ("hero_shot",)


@dataclass
class World:
    """A seeded brand; everything in it is reached through the services."""

    brand_id: UUID
    folder: Path
    passwords: dict[str, str]
    _clients: dict[str, Client] = field(default_factory=dict)

    def actor(self, username: str) -> Actor:
        """Return a person of the demo as an Actor."""
        return replace(accounts.get_actor_by_username(username), authenticated_at=now())

    def client(self, username: str = "") -> Client:
        """Return a browser without script; with a name, one that is signed in."""
        client = Client()
        if username:
            client.force_login(User.objects.get(username=username))
            self.authenticate(client, now())
        return client

    def authenticate(self, client: Client, at: datetime) -> None:
        """Note in a session when its person gave their password."""
        session = client.session
        session["authenticated_at"] = at.isoformat()
        session.save()

    def template(self, slug: str = "hero_shot") -> TemplateRecord:
        """Return a released template."""
        found = prompts.find_template(self.actor("marta"), self.brand_id, slug)
        assert found is not None
        return found

    def order(self, variants: int = 2) -> JobRecord:
        """Place an order as the marketer, with the template's starter values."""
        template = self.template()
        assert template.released is not None
        return order.place(
            actor=self.actor("marta"),
            template_id=template.id,
            variables=template.released.content["starter"],
            variants=variants,
            idempotency_key=str(uuid7()),
            seed=1,
            now=now(),
        )

    def make(self, job: JobRecord, verdict: str = "pass") -> JobRecord:
        """Finish every item of an order that still waits, as a worker would."""
        for item in job.items:
            claim = job_services.claim(item_id=item.id, worker="painter")
            if claim is not None:
                rendered = self._rendered(claim.seed, verdict)
                job_services.finish(claim=claim, rendered=rendered, contributors={}, now=now())
        return jobs.get_job(self.actor("marta"), job.id)

    def cases(self, job: JobRecord) -> list[CaseRecord]:
        """Return the review cases of an order, in the order of its items."""
        return [
            review.get_case(SYSTEM, item.case_id) for item in job.items if item.case_id is not None
        ]

    def decide(self, case: CaseRecord, username: str, verdict: str = "approve") -> None:
        """Look at a case's bytes and decide on them."""
        actor, at = self.actor(username), now()
        review_services.record_delivery(
            actor=actor, subject_id=case.subject.id, sha256=str(case.subject.sha256), now=at
        )
        review_services.decide(
            actor=actor,
            case_id=case.id,
            verdict=verdict,
            sha256=str(case.subject.sha256),
            reason="" if verdict == "approve" else "The horizon tilts.",
            now=now(),
        )

    def contribute(self, asset_id: UUID | None, person_id: UUID) -> None:
        """Give a person a part in an image."""
        assert asset_id is not None
        review_services.add_contribution(
            subject_id=asset_id, actor_id=person_id, part="retoucher", now=now()
        )

    def release(self, case: CaseRecord) -> ReleaseRecord:
        """Take a case through both stages and release it."""
        self.decide(case, "bruno")
        self.decide(case, "clara")
        return self.record_release(case)

    def record_release(self, case: CaseRecord) -> ReleaseRecord:
        """Prove a case's approval, and record what the publisher would have marked."""
        approval = review.get_approval(case_id=case.id)
        review_factory.checkpoint(self.folder / "relay")
        return release.record_release(
            actor=SYSTEM,
            release_id=uuid7(),
            approval_id=approval.id,
            marked_sha256=sha256_hex(b"marked" + case.id.bytes),
            media_type="image/png",
            marking_profile="xmp+c2pa/1",
            passport=b'{"v":1}',
            now=now(),
        )

    def _rendered(self, number: int, verdict: str) -> Rendered:
        data = picture(number)
        return Rendered(
            sha256=blobs.put(data),
            size_bytes=len(data),
            media_type="image/png",
            width_px=64,
            height_px=64,
            recipe=canonical_json({"seed": str(number)}),
            render_s=0.1,
            verdict=verdict,
            scores=self._scores(verdict),
        )

    def _scores(self, verdict: str) -> Sequence[ScoreRecord]:
        policy_id = brands.current_scoring_policy(self.brand_id).id

        def is_held(scorer: str) -> bool:
            return verdict == "hold" and scorer == "sharpness"

        values = {"safety": (0.1, 0.8), "sharpness": (3.0, 20.0)}
        return tuple(
            ScoreRecord(
                scorer=scorer,
                version="1",
                weights_sha256="",
                value=None if is_held(scorer) else value,
                threshold=threshold,
                verdict=verdict if scorer == "sharpness" else "pass",
                reason="the scorer stopped" if is_held(scorer) else "",
                policy_id=policy_id,
                evidence={},
            )
            for scorer, (value, threshold) in values.items()
        )


def picture(number: int) -> bytes:
    """Paint a small picture: the same number, the same bytes."""
    dice = random.Random(number)
    image = Image.new("RGB", (64, 64), tuple(dice.randrange(256) for _ in range(3)))
    image.putpixel((dice.randrange(64), dice.randrange(64)), (255, 255, 255))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def build(settings: Any, folder: Path, monkeypatch: Any) -> World:
    """Seed the demo into an empty database, with a model profile that needs no weights."""
    settings.VAR = folder
    settings.DESTINATION_ROOTS = [folder / "published"]
    review_factory.use_sealing_key(settings, folder)
    monkeypatch.setattr(seed, "_profile", _profile)
    monkeypatch.setattr(seed, "_adapters", lambda *_given: None)
    monkeypatch.setattr(seed.photos, "seed", lambda *_given: None)
    pack = library.read_pack(library.FOLDER / seed.LIBRARY_PACK)
    few = tuple(template for template in pack.templates if template.slug in TEMPLATES)
    monkeypatch.setattr(library, "read_pack", lambda _folder: replace(pack, templates=few))
    seeded = seed.seed(now=now())
    return World(seeded.brand_id, folder, dict(seeded.passwords))


def _profile(proposer: Actor, approver: Actor, at: Any) -> None:
    profile = registry.propose_profile(
        actor=proposer,
        slug=seed.PROFILE,
        name="Demo model",
        family="sd3",
        pipeline="StableDiffusion3Pipeline",
        folder="demo/sd3",
        snapshot_sha256="0" * 64,
        dtype="float32",
        device="cpu",
        parameters={
            "steps": 4,
            "guidance": 4.0,
            "max_sequence_length": 77,
            "modes": list(seed.MODES),
        },
        scorers={"folder": "demo", "entries": []},
        is_calibrated=False,
        licence_id=licences.agreed("CC0-1.0").id,
        now=at,
    )
    registry.approve_profile(actor=approver, profile_id=profile.id, now=at)
