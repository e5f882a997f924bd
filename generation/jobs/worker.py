"""One item's work: claim, render, score, encode, store, finish."""

from contextlib import AbstractContextManager
from dataclasses import asdict
from time import sleep
from uuid import UUID

import structlog
from django.db import connection
from django.utils.translation import gettext as _

from generation.assets import blobs
from generation.assets import selectors as assets
from generation.engines.errors import Cancelled
from generation.engines.spec import RunResult, RunSpec
from generation.jobs import judging, leases, rendering, services
from generation.jobs.errors import LeaseLost
from generation.jobs.leases import DATABASE_AWAY
from generation.jobs.records import Claim, Making, Rendered, Worn, WornFiles
from generation.registry import services as registry
from governance.kernel.actors import SYSTEM
from governance.kernel.clock import now
from governance.kernel.digests import canonical_json
from governance.kernel.errors import DomainError
from governance.review import selectors as review
from templates.prompts import services as prompts

FINISH_AGAIN_S = 1.0

log = structlog.get_logger(__name__)


def work_on(item_id: UUID) -> UUID | None:
    """Do the item's work and return the asset's id; None if nothing was to do or it ended badly.

    Whatever goes wrong ends as a recorded failure with a refund, or leaves the lease to run out;
    the worker lives on.
    """
    rendering.prepare()
    with structlog.contextvars.bound_contextvars(item_id=str(item_id)):
        claim = services.claim(item_id=item_id, worker=rendering.worker_name())
        if claim is None:
            log.info("Nothing to do: the item is taken or over")
            return None
        return _make(claim)


def _make(claim: Claim) -> UUID | None:
    log.info("Claimed an item", epoch=claim.epoch)
    try:
        with _kept_lease(claim) as lease:
            rendered = _render_and_score(claim, lease)
            asset_id = _finish(claim, rendered, lease)
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


def _finish(claim: Claim, rendered: Rendered, lease: leases.Lease) -> UUID:
    """Record the image; while the database is away the image waits, as long as the lease holds.

    A finish whose answer was lost is found done: then the item is over. Raises: LeaseLost.
    """
    while True:
        try:
            return services.finish(
                claim=claim, rendered=rendered, contributors=_authors(claim), now=now()
            )
        except DATABASE_AWAY:
            if not lease.is_held:
                raise
            log.warning("Unable to record an image yet", exc_info=True)
            connection.close_if_unusable_or_obsolete()
            sleep(FINISH_AGAIN_S)


def _fail(claim: Claim, failure: str) -> None:
    """End the item as failed, or as cancelled if that was asked for meanwhile."""
    if not services.fail(claim=claim, failure=failure, now=now()):
        services.end_if_cancelled(claim=claim, now=now())


def _render_and_score(claim: Claim, lease: leases.Lease) -> Rendered:
    prompt = rendering.open_prompt(claim.prompt_sealed)
    # First what can be wrong without a device: a template that is out of use, a policy or scorer
    # that nobody can read.
    prompts.require_in_use(claim.template_version_id)
    registry.require_adapters_in_use([worn.adapter.id for worn in claim.worn])
    plan = judging.plan(claim)
    spec = _spec(claim, prompt)
    result = rendering.render(spec, lease.on_step)
    data = rendering.encode(result)
    judged = judging.judge_image(claim, plan, data=data, prompt=prompt)
    return Rendered(
        sha256=blobs.put(data),
        size_bytes=len(data),
        media_type=rendering.MEDIA_TYPE,
        width_px=claim.width_px,
        height_px=claim.height_px,
        recipe=_recipe(claim, spec, result),
        render_s=result.seconds,
        verdict=judged.verdict,
        scores=judged.scores,
        features=judged.features,
    )


def _spec(claim: Claim, prompt: str) -> RunSpec:
    profile = claim.profile
    return rendering.spec(
        Making(
            folder=profile.folder,
            snapshot_sha256=profile.snapshot_sha256,
            pipeline=profile.pipeline,
            dtype=profile.dtype,
            negative_prompt=claim.negative_prompt,
            width_px=claim.width_px,
            height_px=claim.height_px,
            steps=claim.steps,
            guidance=claim.guidance,
            seed=claim.seed,
            max_sequence_length=int(profile.parameters["max_sequence_length"]),
            worn=tuple(_files_of(worn) for worn in claim.worn),
        ),
        prompt,
    )


def _files_of(worn: Worn) -> WornFiles:
    source_id = worn.source_asset_id
    return WornFiles(
        folder=worn.adapter.folder,
        snapshot_sha256=worn.adapter.snapshot_sha256,
        strength=worn.strength,
        source_sha256="" if source_id is None else assets.get_asset(SYSTEM, source_id).sha256,
    )


def _recipe(claim: Claim, run: RunSpec, result: RunResult) -> bytes:
    """Write everything that a replay needs; the prompt only as the ciphertext that was stored."""
    spec = asdict(run)
    for name in ("folder", "prompt", "negative_prompt", "adapters", "control"):
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
            **({"market": claim.market} if claim.market else {}),
            **({"adapters": _worn_facts(claim, run)} if claim.worn else {}),
            "pixels_sha256": result.pixels_sha256,
            "batch": "1",
            "facts": {name: str(value) for name, value in result.facts.items()},
            "encoder": dict(rendering.encoder_facts()),
        }
    )


def _worn_facts(claim: Claim, run: RunSpec) -> list[dict[str, str]]:
    """Write what the image was made with besides the model, in its order."""
    return [
        {
            "id": str(worn.adapter.id),
            "slug": worn.adapter.slug,
            "number": str(worn.adapter.number),
            "name": worn.adapter.name,
            "kind": worn.adapter.kind,
            "folder": worn.adapter.folder,
            "snapshot_sha256": worn.adapter.snapshot_sha256,
            "licence": worn.adapter.licence,
            "strength": str(worn.strength),
            **(
                {
                    "source_asset_id": str(worn.source_asset_id),
                    "source_sha256": run.control.image_sha256,
                    "preprocessor": run.control.preprocessor,
                }
                if worn.source_asset_id and run.control
                else {}
            ),
        }
        for worn in claim.worn
    ]


def _authors(claim: Claim) -> dict[UUID, str]:
    """Return who had a part in the prompt, or in the picture that is followed, so in the image."""
    sources = [worn.source_asset_id for worn in claim.worn if worn.source_asset_id]
    return {
        **{person: "source_author" for each in sources for person in review.contributors(each)},
        **dict.fromkeys(review.contributors(claim.template_version_id), "template_author"),
    }


def _kept_lease(claim: Claim) -> AbstractContextManager[leases.Lease]:
    return leases.kept(
        lambda: services.heartbeat(item_id=claim.item_id, epoch=claim.epoch),
        lambda done: services.report_progress(
            item_id=claim.item_id, epoch=claim.epoch, steps_done=done
        ),
    )
