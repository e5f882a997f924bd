"""One item's work: claim, render, score, encode, store, finish; the only module that meets engines.

The lease is kept by a thread of its own, because loading a model can take longer than a lease.
"""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache
from io import BytesIO
from pathlib import Path
from time import monotonic
from uuid import UUID

import structlog
from django.conf import settings
from django.db import connection
from django.utils.translation import gettext as _
from PIL import Image

from generation.assets import blobs
from generation.assets.selectors import ScoreRecord
from generation.engines import registry as engines
from generation.engines.errors import Cancelled
from generation.engines.spec import RunResult, RunSpec
from generation.jobs import services
from generation.jobs.errors import LeaseLost
from generation.jobs.records import Claim, Rendered
from generation.registry.selectors import ProfileRecord
from generation.scoring.decode import decode
from generation.scoring.protocol import ScorerEntry
from generation.scoring.suite import ScoringSuite
from generation.scoring.verdict import Judgement, ScoringRules, judge
from generation.weights import runtime
from governance.kernel.clock import now
from governance.kernel.digests import canonical_json
from governance.kernel.errors import DomainError
from governance.review import selectors as review
from templates.brands import selectors as brands

MEDIA_TYPE = "image/png"
PROGRESS_EVERY_S = 0.5

log = structlog.get_logger(__name__)
_suites: dict[str, ScoringSuite] = {}


def work_on(item_id: UUID) -> UUID | None:
    """Do the item's work and return the asset's id; None if there was nothing to do or it ended badly.

    Whatever goes wrong ends as a recorded failure with a refund, or leaves the lease to run out;
    the worker lives on.
    """
    _prepare()
    with structlog.contextvars.bound_contextvars(item_id=str(item_id)):
        try:
            claim = services.claim(item_id=item_id, worker=worker_name())
        except DomainError as error:
            log.warning("Unable to read an item's order", code=error.code)
            return None
        if claim is None:
            log.info("Nothing to do: the item is taken or over")
            return None
        return _make(claim)


@cache
def _prepare() -> None:
    """Fix once per process what decides the bytes of an image: offline loading, threads, order of sums."""
    runtime.prepare_process()
    runtime.set_threads(settings.WORKER_THREADS)


def worker_name() -> str:
    """Return this process's name in leases and the ledger: host, process and device."""
    return f"{socket.gethostname()}:{os.getpid()}:{settings.WORKER_DEVICE}"[:80]


def _make(claim: Claim) -> UUID | None:
    log.info("Claimed an item", epoch=claim.epoch)
    try:
        with _kept_lease(claim) as lease:
            rendered = _render_and_score(claim, lease)
    except Cancelled:
        log.info("Stopped: the lease is lost or the item is cancelled")
        services.end_if_cancelled(claim=claim, now=now())
        return None
    except DomainError as error:
        log.warning("Unable to make an item", code=error.code, facts=error.facts)
        services.fail(claim=claim, failure=error.detail, now=now())
        return None
    except MemoryError:
        # Celery ends the whole worker on a MemoryError; here it is one item that was too large.
        log.exception("Unable to make an item: out of memory")
        services.fail(claim=claim, failure=_("The worker ran out of memory."), now=now())
        return None
    except Exception:
        log.exception("Unable to make an item")
        services.fail(
            claim=claim,
            failure=_("The worker met an unexpected error; its log has the details."),
            now=now(),
        )
        return None
    try:
        asset_id = services.finish(
            claim=claim,
            rendered=rendered,
            contributors=_template_authors(claim),
            now=now(),
        )
    except LeaseLost:
        log.warning("Finished too late: another worker has the item, or it was cancelled")
        services.end_if_cancelled(claim=claim, now=now())
        return None
    log.info("Finished an item", asset_id=str(asset_id), verdict=rendered.verdict)
    return asset_id


def _render_and_score(claim: Claim, lease: "_Lease") -> Rendered:
    profile = claim.profile
    engine = engines.find(profile.pipeline)
    result = engine.render(_spec(claim), lease.on_step)
    data = _encode(result)
    judgement = _judge(claim, data)
    recipe = _recipe(claim, result)
    sha256 = blobs.put(data)
    policy_id = claim.scoring_policy_id
    return Rendered(
        sha256=sha256,
        size_bytes=len(data),
        media_type=MEDIA_TYPE,
        width_px=claim.width_px,
        height_px=claim.height_px,
        recipe=recipe,
        render_s=result.seconds,
        verdict=judgement.verdict.value,
        scores=tuple(
            ScoreRecord(
                scorer=score.scorer,
                version=score.version or "",
                weights_sha256=score.weights_sha256 or "",
                value=score.value,
                threshold=score.threshold,
                verdict=score.verdict.value,
                reason=(score.reason or "")[:300],
                policy_id=policy_id,
                evidence={"licence": score.licence or ""},
            )
            for score in judgement.scores
        ),
    )


def _spec(claim: Claim) -> RunSpec:
    profile = claim.profile
    return RunSpec(
        folder=_model_folder(profile.folder),
        snapshot_sha256=profile.snapshot_sha256,
        pipeline=profile.pipeline,
        prompt=claim.prompt,
        negative_prompt=claim.negative_prompt,
        width=claim.width_px,
        height=claim.height_px,
        steps=claim.steps,
        guidance=claim.guidance,
        seed=claim.seed,
        max_sequence_length=int(profile.parameters["max_sequence_length"]),
        device=settings.WORKER_DEVICE,
        dtype=profile.dtype,
    )


def _encode(result: RunResult) -> bytes:
    """Encode losslessly, with no metadata: what is reviewed is pixels and nothing else."""
    buffer = BytesIO()
    Image.fromarray(result.pixels, "RGB").save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def _judge(claim: Claim, data: bytes) -> Judgement:
    policy = brands.get_scoring_policy(claim.scoring_policy_id)
    rules = ScoringRules.from_data(policy.thresholds, advisory=policy.advisory)
    return judge(_suite(claim.profile).measure(decode(data), claim.prompt), rules)


def _suite(profile: ProfileRecord) -> ScoringSuite:
    key = str(profile.id)
    if key not in _suites:
        _suites.clear()
        _suites[key] = ScoringSuite.from_folder(
            _model_folder(str(profile.scorers["folder"])),
            [ScorerEntry(**entry) for entry in profile.scorers["entries"]],
            device=settings.WORKER_DEVICE,
        )
    return _suites[key]


def _recipe(claim: Claim, result: RunResult) -> bytes:
    """Write everything that a replay needs; the prompt only as the ciphertext that was stored."""
    spec = asdict(_spec(claim))
    for name in ("folder", "prompt", "negative_prompt"):
        del spec[name]
    return canonical_json(
        {
            "v": 1,
            **{name: str(value) for name, value in spec.items()},
            "profile": {
                "id": str(claim.profile.id),
                "slug": claim.profile.slug,
                "number": claim.profile.number,
                "folder": claim.profile.folder,
                "licence": claim.profile.licence,
                "family": claim.profile.family,
                "is_calibrated": claim.profile.is_calibrated,
            },
            "template_version": {
                "id": str(claim.template_version_id),
                "sha256": claim.template_version_sha256,
            },
            "prompt_sealed": claim.prompt_sealed.hex(),
            "negative_prompt": claim.negative_prompt,
            "fingerprint": claim.fingerprint,
            "pixels_sha256": result.pixels_sha256,
            "batch": "1",
            "facts": {name: str(value) for name, value in result.facts.items()},
        }
    )


def _template_authors(claim: Claim) -> dict[UUID, str]:
    """Return who wrote the template version: they had a part in the prompt, so in the image."""
    return dict.fromkeys(review.contributors(claim.template_version_id), "template_author")


def _model_folder(name: str) -> Path:
    return Path(settings.MODELS_FOLDER) / name


class _Lease:
    """What the render step asks after each step: go on, or stop."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.lost = threading.Event()
        self._told_at = 0.0

    def on_step(self, done: int, total: int) -> None:
        """Report progress at most twice a second. Raises: Cancelled once the lease is lost."""
        if self.lost.is_set():
            raise Cancelled
        if monotonic() - self._told_at >= PROGRESS_EVERY_S or done == total:
            self._told_at = monotonic()
            services.report_progress(
                item_id=self.claim.item_id, epoch=self.claim.epoch, steps_done=done
            )
            if not services.heartbeat(item_id=self.claim.item_id, epoch=self.claim.epoch):
                self.lost.set()
                raise Cancelled


@contextmanager
def _kept_lease(claim: Claim) -> Iterator[_Lease]:
    """Extend the lease four times in its length until the block ends."""
    lease = _Lease(claim)
    over = threading.Event()

    def keep() -> None:
        try:
            while not over.wait(settings.LEASE_S / 4):
                if not services.heartbeat(item_id=claim.item_id, epoch=claim.epoch):
                    lease.lost.set()
                    return
        except Exception:
            # The lease runs out by itself, and the fence keeps a late result out.
            log.exception("Unable to extend a lease")
            lease.lost.set()
        finally:
            connection.close()

    thread = threading.Thread(target=keep, name="lease", daemon=True)
    thread.start()
    try:
        yield lease
    finally:
        over.set()
        thread.join()
