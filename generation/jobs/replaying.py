"""One replay's work: claim, make the image again from its recipe, compare, record what was found.

The image goes the way of a first rendering. Its bytes are compared and forgotten: they become no
asset, reach no store, and are billed to nobody.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import structlog
from django.db import connection
from django.utils.translation import gettext as _

from generation.assets import blobs
from generation.assets import selectors as assets
from generation.engines.errors import Cancelled
from generation.jobs import chains, classes, drift, leases, recipes, rendering, services
from generation.jobs.errors import LeaseLost
from generation.jobs.records import Recipe, Remade, ReplayClaim
from governance.kernel.actors import SYSTEM
from governance.kernel.clock import now
from governance.kernel.digests import sha256_hex
from governance.kernel.errors import DomainError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

log = structlog.get_logger(__name__)


def work_on(replay_id: UUID, *, is_patient: bool = True) -> None:
    """Do the replay's work, if it still waits; a patient worker lets ordered images go first.

    Whatever goes wrong ends as a recorded failure, or leaves the lease to run out; the worker
    lives on.
    """
    rendering.prepare()
    with structlog.contextvars.bound_contextvars(replay_id=str(replay_id)):
        claim = services.claim_replay(
            replay_id=replay_id, worker=rendering.worker_name(), is_patient=is_patient
        )
        if claim is None:
            log.info("Nothing to do: the replay is taken or over, or images go first")
            return
        _replay(claim)


def _replay(claim: ReplayClaim) -> None:
    log.info("Claimed a replay", epoch=claim.epoch)
    try:
        with leases.kept(_Hold(claim)) as lease:
            remade = _make_again(claim, lease)
            outcome = services.finish_replay(claim=claim, remade=remade, now=now())
    except (Cancelled, LeaseLost):
        log.info("Stopped: another worker has the replay")
    except leases.DATABASE_AWAY:
        # Nothing was wrong with the replay: its lease runs out, and it is tried again.
        log.exception("Unable to replay an image: the database does not answer")
        connection.close_if_unusable_or_obsolete()
    except DomainError as error:
        log.warning("Unable to replay an image", code=error.code, facts=error.facts)
        services.fail_replay(claim=claim, failure=error.detail, now=now())
    except MemoryError:
        # Celery ends the whole worker on a MemoryError; here it is one image that was too large.
        log.exception("Unable to replay an image: out of memory")
        services.fail_replay(claim=claim, failure=_("The worker ran out of memory."), now=now())
    except Exception:
        log.exception("Unable to replay an image")
        failure = _("The worker met an unexpected error; its log has the details.")
        services.fail_replay(claim=claim, failure=failure, now=now())
    else:
        _tell(outcome, remade)


def _tell(outcome: str, remade: Remade) -> None:
    """Log the outcome; other bytes on the image's own class of worker are an alarm."""
    is_own_class = remade.worker_class == remade.asset_class
    if outcome == "drifted" and is_own_class:
        log.error("A replay drifted on the class of worker that made the image")
    log.info("Finished a replay", outcome=outcome, is_own_class=is_own_class)


def _make_again(claim: ReplayClaim, lease: leases.Lease) -> Remade:
    """Render the recipe and compare. Raises: DomainError, naming what keeps it from being made."""
    asset = assets.get_asset(SYSTEM, claim.asset_id)
    recipes.require_replayable(asset.recipe)
    recipe = recipes.read(asset.recipe, asset.recipe_sha256)
    run = rendering.spec(recipe.making, rendering.open_prompt(recipe.prompt_sealed))
    chain = chains.read(recipe.steps)
    made = chains.complete(chain, chains.begin(chain, run, lease.on_step))
    sha256 = sha256_hex(rendering.encode(made[-1]))
    then = classes.class_of(recipe.facts)
    here = classes.class_of({**made[0].facts, **rendering.encoder_facts()})
    report: dict[str, Any] = {"changed": classes.changed(then, here)}
    if sha256 != asset.sha256:
        report["are_pixels_same"] = made[-1].pixels_sha256 == recipe.pixels[-1]
        report |= _first_drift(chain, made, recipe)
        report |= _measured(asset.sha256, made[-1].pixels)
    return Remade(
        sha256=sha256,
        asset_class=then.sha256,
        worker_class=here.sha256,
        worker_facts=here.facts,
        report=report,
        render_s=sum(each.seconds for each in made),
    )


def _first_drift(chain: chains.Chain, made: chains.Outputs, recipe: Recipe) -> dict[str, Any]:
    """Say at which step of a chain the pixels began to differ; empty without a chain or a drift."""
    if not chain.steps:
        return {}
    names = (chains.GENERATED, *(step.NAME for step in chain.steps))
    for number, (name, each, then) in enumerate(zip(names, made, recipe.pixels, strict=True)):
        if each.pixels_sha256 != then:
            return {"first_drift": {"number": number, "name": name}}
    return {}


def _measured(sha256: str, pixels: "NDArray[np.uint8]") -> dict[str, Any]:
    """Measure the drift from the stored image; without its bytes it is told, not measured."""
    try:
        stored = blobs.get(sha256)
    except DomainError as error:
        return {"unmeasured": error.detail}
    return {"pixels": drift.measure(drift.decode(stored), pixels)}


@dataclass(frozen=True)
class _Hold:
    """The replay's row behind a lease; nobody watches its steps, and nobody cancels it."""

    claim: ReplayClaim

    def extend(self, steps_done: int) -> bool:  # noqa: ARG002  as leases ask
        """Extend the lease."""
        return services.keep_replay(claim=self.claim)

    def is_wanted(self) -> bool:
        """Say yes: a lost lease shows when it is extended."""
        return True
