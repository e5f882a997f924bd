"""One item's work: claim, render, score, encode, store, finish; the only module that meets engines.

The lease is kept by a thread of its own, because loading a model can take longer than a lease.
"""

import os
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache
from io import BytesIO
from math import isfinite
from pathlib import Path
from time import monotonic
from uuid import UUID

import structlog
from django.conf import settings
from django.db import InterfaceError, OperationalError, connection
from django.utils.translation import gettext as _
from PIL import Image

from generation.assets import blobs
from generation.assets.selectors import ScoreRecord
from generation.engines import registry as engines
from generation.engines.errors import Cancelled
from generation.engines.spec import RunResult, RunSpec
from generation.jobs import selectors, services
from generation.jobs.errors import LeaseLost, PromptErased
from generation.jobs.records import Claim, Rendered
from generation.registry.selectors import ProfileRecord
from generation.scoring.decode import decode
from generation.scoring.protocol import ScorerEntry
from generation.scoring.suite import ScoringSuite
from generation.scoring.verdict import Judgement, Measured, ScoringRules, judge
from generation.weights import runtime
from governance.kernel.clock import now
from governance.kernel.digests import canonical_json
from governance.kernel.errors import DomainError
from governance.review import selectors as review
from governance.sealing import services as sealing
from templates.brands import selectors as brands
from templates.prompts import services as prompts

MEDIA_TYPE = "image/png"
PROGRESS_EVERY_S = 0.5
DATABASE_AWAY = (OperationalError, InterfaceError)

log = structlog.get_logger(__name__)
_suites: dict[str, ScoringSuite] = {}


def work_on(item_id: UUID) -> UUID | None:
    """Do the item's work and return the asset's id; None if nothing was to do or it ended badly.

    Whatever goes wrong ends as a recorded failure with a refund, or leaves the lease to run out;
    the worker lives on.
    """
    _prepare()
    with structlog.contextvars.bound_contextvars(item_id=str(item_id)):
        claim = services.claim(item_id=item_id, worker=worker_name())
        if claim is None:
            log.info("Nothing to do: the item is taken or over")
            return None
        return _make(claim)


@cache
def _prepare() -> None:
    """Fix once per process what decides an image's bytes: offline loading, threads, sums."""
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
        asset_id = services.finish(
            claim=claim,
            rendered=rendered,
            contributors=_template_authors(claim),
            now=now(),
        )
    except (Cancelled, LeaseLost):
        log.info("Stopped: another worker has the item, or it is cancelled")
        services.end_if_cancelled(claim=claim, now=now())
    except DATABASE_AWAY:
        # Nothing was wrong with the item: its lease runs out, and it is tried again.
        log.exception("Unable to make an item: the database does not answer")
        connection.close_if_unusable_or_obsolete()
    except DomainError as error:
        log.warning("Unable to make an item", code=error.code, facts=error.facts)
        _fail(claim, error.detail)
    except MemoryError:
        # Celery ends the whole worker on a MemoryError; here it is one item that was too large.
        log.exception("Unable to make an item: out of memory")
        _fail(claim, _("The worker ran out of memory."))
    except Exception:
        log.exception("Unable to make an item")
        _fail(claim, _("The worker met an unexpected error; its log has the details."))
    else:
        log.info("Finished an item", asset_id=str(asset_id), verdict=rendered.verdict)
        return asset_id
    return None


def _fail(claim: Claim, failure: str) -> None:
    """End the item as failed, or as cancelled if that was asked for meanwhile."""
    if not services.fail(claim=claim, failure=failure, now=now()):
        services.end_if_cancelled(claim=claim, now=now())


def _render_and_score(claim: Claim, lease: "_Lease") -> Rendered:
    profile, prompt = claim.profile, _prompt(claim)
    # First what can be wrong without a device: a template that is out of use, a policy or scorer
    # that nobody can read.
    prompts.require_in_use(claim.template_version_id)
    policy = brands.get_scoring_policy(claim.scoring_policy_id)
    rules = ScoringRules.from_data(policy.thresholds, advisory=policy.advisory)
    suite = _suite(profile)
    spec = _spec(claim, prompt)
    result = engines.find(profile.pipeline).render(spec, lease.on_step)
    data = _encode(result)
    measured = suite.measure(decode(data), prompt)
    judgement = judge(measured, rules)
    return Rendered(
        sha256=blobs.put(data),
        size_bytes=len(data),
        media_type=MEDIA_TYPE,
        width_px=claim.width_px,
        height_px=claim.height_px,
        recipe=_recipe(claim, spec, result),
        render_s=result.seconds,
        verdict=judgement.verdict.value,
        scores=_scores(judgement, measured, policy.id),
    )


def _scores(
    judgement: Judgement, measured: Iterable[Measured], policy_id: UUID
) -> tuple[ScoreRecord, ...]:
    """Join each verdict with what its scorer showed for it."""
    evidence = {m.scorer: m.measurement.evidence for m in measured if m.measurement}
    return tuple(
        ScoreRecord(
            scorer=score.scorer,
            version=score.version or "",
            weights_sha256=score.weights_sha256 or "",
            value=score.value,
            threshold=score.threshold,
            verdict=score.verdict.value,
            reason=(score.reason or "")[:300],
            policy_id=policy_id,
            evidence={
                "licence": score.licence or "",
                **{name: _plain(v) for name, v in evidence.get(score.scorer, {}).items()},
            },
        )
        for score in judgement.scores
    )


def _plain(value: object) -> object:
    """Return a value that JSON has a word for: it has none for what is not a number.

    >>> _plain(0.5), _plain(float("nan")), _plain(("a", 1))
    (0.5, 'nan', "('a', 1)")
    """
    if isinstance(value, bool | int | str) or value is None:
        return value
    return value if isinstance(value, float) and isfinite(value) else str(value)


def _prompt(claim: Claim) -> str:
    """Open the prompt; no row holds it in clear. Raises: PromptErased, SealBroken, KeyMissing."""
    prompt = sealing.reveal(sealed=claim.prompt_sealed, purpose=selectors.PROMPT)
    if prompt is None:
        raise PromptErased(
            _("The person's texts were erased, so this image can no longer be made.")
        )
    return prompt


def _spec(claim: Claim, prompt: str) -> RunSpec:
    profile = claim.profile
    return RunSpec(
        folder=_model_folder(profile.folder),
        snapshot_sha256=profile.snapshot_sha256,
        pipeline=profile.pipeline,
        prompt=prompt,
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


def _recipe(claim: Claim, run: RunSpec, result: RunResult) -> bytes:
    """Write everything that a replay needs; the prompt only as the ciphertext that was stored."""
    spec = asdict(run)
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
        if monotonic() - self._told_at < PROGRESS_EVERY_S and done != total:
            return
        self._told_at = monotonic()
        try:
            services.report_progress(
                item_id=self.claim.item_id, epoch=self.claim.epoch, steps_done=done
            )
            self.extend()
        except DATABASE_AWAY:
            # Rendering goes on: the database may be back before the lease runs out.
            log.warning("Unable to report progress", exc_info=True)
            connection.close_if_unusable_or_obsolete()
        if self.lost.is_set():
            raise Cancelled

    def extend(self) -> None:
        """Hold the item for another lease, or note that it is lost."""
        if not services.heartbeat(item_id=self.claim.item_id, epoch=self.claim.epoch):
            self.lost.set()

    def keep(self, over: threading.Event) -> None:
        """Extend the lease four times in its length until `over`, or until it is lost."""
        try:
            while not self.lost.is_set() and not over.wait(settings.LEASE_S / 4):
                try:
                    self.extend()
                except DATABASE_AWAY:
                    # The lease runs out by itself, and the fence keeps a late result out.
                    log.warning("Unable to extend a lease", exc_info=True)
                    connection.close_if_unusable_or_obsolete()
        except Exception:
            log.exception("Unable to extend a lease")
            self.lost.set()
        finally:
            connection.close()


@contextmanager
def _kept_lease(claim: Claim) -> Iterator[_Lease]:
    """Extend the lease in a thread of its own until the block ends."""
    lease = _Lease(claim)
    over = threading.Event()
    thread = threading.Thread(target=lease.keep, args=[over], name="lease", daemon=True)
    thread.start()
    try:
        yield lease
    finally:
        over.set()
        thread.join()
