"""From an image to its scores and verdict: the worker's scoring, in the scorers' own process."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
from django.conf import settings

from generation import metrics
from generation.assets.neighbours import find_neighbours
from generation.assets.records import Features, NeighbourRecord
from generation.assets.selectors import ScoreRecord
from generation.jobs import endpoints, selectors
from generation.jobs.records import Claim
from generation.registry import selectors as registry
from generation.registry import services
from generation.registry.records import ScorerCard
from generation.registry.selectors import ProfileRecord, ScorerRecord
from generation.scoring import cascade, concepts
from generation.scoring import process as processes
from generation.scoring.cascade import Cascade
from generation.scoring.isolation import IsolatedSuite
from generation.scoring.process import Limits, Picture
from generation.scoring.protocol import Concept, Neighbour, ScorerEntry
from generation.scoring.verdict import JudgedScore, Measured, ScoringRules, judge
from governance.kernel.actors import SYSTEM
from governance.kernel.clock import now
from templates.brands import scoring
from templates.brands import selectors as brands
from templates.prompts import content as contents

REASON_LENGTH = 300

_suites: dict[tuple[UUID, ...], IsolatedSuite] = {}
# A suite is for one thread at a time, and none is ended while another thread asks it.
_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Plan:
    """How the image of one claim will be judged; made before any work on a device.

    `idle` are registered scorers that the policy does not name; they would only cost time.
    """

    suite: IsolatedSuite
    policy_id: UUID
    rules: ScoringRules
    cascades: tuple[Cascade, ...]
    concepts: tuple[Concept, ...]
    palette: tuple[str, ...]
    wanted_text: str | None = None
    idle: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Judged:
    """One image's verdict, its scores, and what later images are compared with, if it was found."""

    verdict: str
    scores: tuple[ScoreRecord, ...]
    features: Features | None


def plan(claim: Claim, content: Mapping[str, Any]) -> Plan:
    """Read the policy that holds for this claim, and start its profile's scorers.

    `content` is that of the claim's template version.

    Raises: EndpointNotAllowed before anything is sent elsewhere that may not be; InvalidInput for a
    policy that nobody can read; ScorerUnavailable if the profile's scorers are misstated.
    """
    endpoints.require_may_send(claim)
    policy = brands.get_scoring_policy(claim.scoring_policy_id)
    resolved = scoring.resolve(
        policy.document, market=claim.market, template_slug=claim.template_slug
    )
    registered = registry.usable_scorers()
    made = Plan(
        suite=open_suite(claim.profile, registered),
        policy_id=policy.id,
        rules=ScoringRules.from_data(resolved),
        cascades=cascade.read(policy.cascades),
        concepts=concepts.read(policy.concepts),
        palette=brands.get_brand(SYSTEM, claim.brand_id).palette,
        wanted_text=_wanted_text(claim, content),
        idle=frozenset(each.scorer for each in registered) - scoring.scorers_of(policy.document),
    )
    if not made.suite.is_alive:
        with _one_at_a_time:
            made.suite.start()
    return made


def _wanted_text(claim: Claim, content: Mapping[str, Any]) -> str | None:
    """Return the words that the order's template wants to be legible in the image, if any."""
    if not content.get("legible"):
        return None
    return contents.legible_text(content, selectors.variables_of(claim.job_id))


@metrics.timed("score")
def judge_image(claim: Claim, plan: Plan, *, data: bytes, prompt: str) -> Judged:
    """Measure an image, compare it with its brand's others, and judge it by the plan's policy.

    Whatever goes wrong with a scorer becomes the reason of its score, and holds the image.
    """
    with _one_at_a_time:
        seen = plan.suite.look(data)
    features = _features(claim, seen)
    neighbours = (
        find_neighbours(brand_id=claim.brand_id, features=features) if features is not None else ()
    )
    picture = Picture(
        data=data,
        prompt=prompt,
        palette=plan.palette,
        wanted_text=plan.wanted_text,
        neighbours=tuple(_neighbour(each) for each in neighbours),
        concepts=plan.concepts,
    )
    with _one_at_a_time:
        (measured,) = plan.suite.measure([picture], plan.cascades, leave_out=plan.idle)
    judgement = cascade.settle(judge(measured, plan.rules), plan.cascades, measured)
    said = {each.scorer: each for each in measured}
    metrics.IMAGES.labels(claim.profile.slug, judgement.verdict.value).inc()
    return Judged(
        verdict=judgement.verdict.value,
        scores=tuple(
            _record(score, said.get(score.scorer), plan.policy_id) for score in judgement.scores
        ),
        features=features,
    )


def open_suite(profile: ProfileRecord, registered: Sequence[ScorerRecord] = ()) -> IsolatedSuite:
    """Return the scorers of a profile and the registered ones; those of before are ended.

    Raises: ScorerUnavailable if an entry of the profile names a folder outside of its pack.
    """
    key = (profile.id, *(each.id for each in registered))
    if key in _suites:
        return _suites[key]
    with _one_at_a_time:
        close_suites()
        models = Path(settings.MODELS_FOLDER)
        suite = IsolatedSuite(
            folder=models,
            entries=(
                *_entries_of(profile, models),
                *(ScorerEntry(**each.entry) for each in registered),
            ),
            device=settings.WORKER_DEVICE,
            threads=settings.WORKER_THREADS,
            limits=Limits(
                score_s=settings.SCORER_TIMEOUT_S,
                load_s=settings.SCORER_LOAD_TIMEOUT_S,
                memory_mb=settings.SCORING_MEMORY_MB,
            ),
        )
        services.record_scorer_cards(
            actor=SYSTEM,
            cards=[ScorerCard(**card.to_facts()) for card in suite.cards],
            now=now(),
        )
        _suites[key] = suite
    return _suites[key]


def _entries_of(profile: ProfileRecord, models: Path) -> Iterator[ScorerEntry]:
    """Yield the scorers of a profile, whose folders lie in its pack, from the models folder on."""
    pack = str(profile.scorers["folder"])
    for entry in (ScorerEntry(**each) for each in profile.scorers["entries"]):
        entry.resolve(models / pack)
        yield replace(entry, folder=f"{pack}/{entry.folder}")


def close_suites() -> None:
    """End every scoring process of this worker."""
    for suite in _suites.values():
        suite.close()
    _suites.clear()


def _features(claim: Claim, seen: processes.Features) -> Features | None:
    """Write what finds near-duplicates as the assets keep it; None if the image has no hash."""
    if seen.perceptual_hash is None:
        return None
    has_embedding = seen.embedding is not None and bool(seen.encoder_sha256)
    return Features(
        fingerprint=claim.fingerprint,
        phash=seen.perceptual_hash,
        embedding=np.asarray(seen.embedding, "<f4").tobytes() if has_embedding else None,
        encoder_sha256=(seen.encoder_sha256 or "") if has_embedding else "",
    )


def _neighbour(found: NeighbourRecord) -> Neighbour:
    return Neighbour(
        asset_id=str(found.asset_id),
        perceptual_hash=found.phash,
        embedding=None if found.embedding is None else np.frombuffer(found.embedding, dtype="<f4"),
    )


def _record(score: JudgedScore, said: Measured | None, policy_id: UUID) -> ScoreRecord:
    """Join a verdict with what its scorer is and what it showed."""
    low, high = said.range if said else (None, None)
    return ScoreRecord(
        scorer=score.scorer,
        version=score.version or "",
        weights_sha256=score.weights_sha256 or "",
        value=score.value,
        threshold=score.threshold,
        verdict=score.verdict.value,
        reason=(score.reason or "")[:REASON_LENGTH],
        policy_id=policy_id,
        evidence=said.measurement.evidence if said and said.measurement else {},
        title=said.title if said else "",
        licence=score.licence or "",
        higher_is=said.higher_is if said else "",
        low=low if low is not None and isfinite(low) else None,
        high=high if high is not None and isfinite(high) else None,
        inputs=said.inputs if said else (),
        took_ms=said.took_ms if said else None,
    )
