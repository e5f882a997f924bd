"""A worker's two stages: the device renders, and a pool judges, encodes, stores and records.

The device's thread only claims, renders and hands pixels on; when the pool is behind, it waits. The
next item is claimed during the last step of this one. Whatever goes wrong with an item ends as its
recorded failure with a refund, or leaves its lease to run out, and the worker lives on; the fence
keeps a late result out, whichever stage it comes from.
"""

import errno
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from time import sleep
from typing import Any, TypeVar
from uuid import UUID

import structlog
from django.conf import settings
from django.db import close_old_connections, connection
from django.utils.translation import gettext as _

from generation import metrics
from generation.assets import blobs
from generation.assets import selectors as assets
from generation.assets.records import StepRecord
from generation.assets.selectors import AssetRecord
from generation.engines import previews
from generation.engines.errors import Cancelled
from generation.engines.spec import PREPROCESSORS, RunResult, RunSpec
from generation.jobs import (
    chains,
    endpoints,
    judging,
    leases,
    previewing,
    recipes,
    rendering,
    selectors,
    services,
)
from generation.jobs.chains import Outputs
from generation.jobs.errors import LeaseLost
from generation.jobs.leases import DATABASE_AWAY
from generation.jobs.records import Claim, Making, Rendered, Used, Worn, WornFiles
from generation.registry import services as registry
from generation.registry.states import AdapterKind
from governance.kernel.actors import SYSTEM
from governance.kernel.clock import now
from governance.kernel.digests import canonical_json
from governance.kernel.errors import DomainError
from governance.review import selectors as review
from templates.prompts import selectors as versions
from templates.prompts import services as prompts

FINISH_AGAIN_S = 1.0
# Rendered images that wait for each thread of the pool before the device waits for it.
AHEAD_OF_EACH = 2

T = TypeVar("T")

log = structlog.get_logger(__name__)
stopping = threading.Event()


@dataclass(frozen=True)
class _Prepared:
    """An item that this worker holds, with everything that rendering and judging it need."""

    claim: Claim
    lease: leases.Lease
    screen: previewing.Screen
    prompt: str
    plan: judging.Plan
    spec: RunSpec
    chain: chains.Chain
    same: "_Same | None" = None


@dataclass(frozen=True)
class _Same:
    """An image of the same recipe that was made before, with its recipe under this item's name."""

    asset: AssetRecord
    data: bytes
    recipe: bytes
    steps: tuple[StepRecord, ...]


def drain(queue: str) -> None:
    """Make what waits in a queue, in the order of its turns, until nothing does.

    What is rendered is handed on, so the last images may still be judged when this returns. Once
    `stopping` is set, no further item is claimed.
    """
    rendering.prepare()
    line = _line()
    upcoming = line.next(queue)
    while (item := upcoming.result()) is not None:
        ahead = cache(lambda: line.next(queue))
        result = _render(item, ahead if line.looks_ahead else None)
        if result is not None:
            line.hand_over(item, result)
        upcoming = ahead()


class _Line:
    """The threads beside the device's: one that claims ahead, and the pool behind."""

    def __init__(self, finishers: int) -> None:
        self.looks_ahead = finishers > 0
        self._ahead: Executor = _Threads(1, "claim") if finishers else _Here()
        self._pool: Executor = _Threads(finishers, "finish") if finishers else _Here()
        self._room = threading.BoundedSemaphore(max(1, finishers * AHEAD_OF_EACH))

    def next(self, queue: str) -> "Future[_Prepared | None]":
        """Claim and prepare the item whose turn it is."""
        return self._ahead.submit(_next, queue)

    def hand_over(self, item: _Prepared, result: Outputs | _Same) -> None:
        """Give an image to the pool; wait while it is behind."""
        self._room.acquire()
        done = self._pool.submit(_finish, item, result)
        done.add_done_callback(lambda _done: self._room.release())

    def close(self) -> None:
        """Wait for everything that was handed over."""
        self._ahead.shutdown()
        self._pool.shutdown()


@cache
def _line() -> _Line:
    """Return this process's line; without finishers one thread does everything."""
    return _Line(settings.WORKER_FINISHERS)


class _Threads(ThreadPoolExecutor):
    """Threads that live on: each piece of work begins on a connection that still works."""

    def submit(self, act: Callable[..., T], /, *args: Any, **kwargs: Any) -> "Future[T]":
        """Do it in one of the threads."""

        def connected() -> T:
            close_old_connections()
            return act(*args, **kwargs)

        return super().submit(connected)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the threads, each of which closes its connection first."""
        everybody = threading.Barrier(self._max_workers)

        def leave() -> None:
            everybody.wait()
            connection.close()

        for _number in range(self._max_workers):
            super().submit(leave)
        super().shutdown(wait=wait, cancel_futures=cancel_futures)


class _Here(Executor):
    """Does what is submitted at once, in the caller's thread."""

    def submit(self, act: Callable[..., T], /, *args: Any, **kwargs: Any) -> "Future[T]":
        """Do it and return its outcome."""
        future: Future[T] = Future()
        try:
            future.set_result(act(*args, **kwargs))
        except Exception as error:  # noqa: BLE001  whoever asks for the outcome gets it
            future.set_exception(error)
        return future


def _next(queue: str) -> _Prepared | None:
    """Claim the item whose turn it is and prepare it; one that cannot be made is ended."""
    while not stopping.is_set():
        claim = services.claim_next(
            queue=queue, worker=rendering.worker_name(), warm=rendering.warm()
        )
        if claim is None:
            return None
        hold = _Hold(claim, previewing.Screen(claim.item_id, claim.epoch))
        lease = leases.Lease(hold)
        lease.start()
        prepared = _attempt(claim, lease, lambda: _prepare(hold, lease))  # noqa: B023  done here
        if prepared is not None:
            return prepared
    return None


def _prepare(hold: "_Hold", lease: leases.Lease) -> _Prepared:
    """Find out what can be wrong without a device, and say what to render."""
    claim = hold.claim
    log.info("Claimed an item", epoch=claim.epoch)
    prompt = rendering.open_prompt(claim.prompt_sealed)
    prompts.require_in_use(claim.template_version_id)
    registry.require_adapters_in_use([worn.adapter.id for worn in claim.worn])
    services.require_rights(claim.item_id, now())
    content = versions.get_version(SYSTEM, claim.template_version_id).content
    plan, spec = judging.plan(claim, content), _spec(claim, prompt)
    chain = chains.read(content.get("steps", ()))
    return _Prepared(claim, lease, hold.screen, prompt, plan, spec, chain, _find_same(claim))


def _find_same(claim: Claim) -> _Same | None:
    """Find an image that would come out the same, with its bytes; None if they are gone."""
    asset_id = selectors.find_same(claim.brand_id, claim.fingerprint)
    if asset_id is None:
        return None
    asset = assets.get_asset(SYSTEM, asset_id)
    try:
        data = blobs.get(asset.sha256)
    except DomainError as error:
        log.warning("Unable to use an image again", code=error.code, asset_id=str(asset_id))
        return None
    recipe = recipes.reused(asset.recipe, asset_id, claim.prompt_sealed)
    return _Same(asset, data, recipe, assets.list_steps(asset_id))


def _render(item: _Prepared, before_the_end: Callable[[], object] | None) -> Outputs | _Same | None:
    """Render on the device, unless that was done before; None if there is no image."""
    if item.same is not None:
        return item.same

    def on_step(done: int, total: int) -> None:
        item.lease.on_step(done, total)
        if done >= total - 1 and before_the_end is not None:
            before_the_end()

    def begin() -> Outputs:
        # Asked again: the brand's class may have changed since the item was prepared.
        endpoints.require_may_send(item.claim)
        return chains.begin(item.chain, item.spec, on_step)

    with item.lease.on_device(), previews.shown_on(item.screen):
        return _attempt(item.claim, item.lease, begin)


def _finish(item: _Prepared, result: Outputs | _Same) -> UUID | None:
    """Encode, judge, store and record an image, and let its lease go."""
    try:
        return _attempt(item.claim, item.lease, lambda: _record(item, result))
    finally:
        item.lease.end()


def _attempt(claim: Claim, lease: leases.Lease, act: Callable[[], T]) -> T | None:
    """Do one stage of an item's work; whatever goes wrong ends the item, not the worker."""
    with structlog.contextvars.bound_contextvars(item_id=str(claim.item_id)):
        try:
            return act()
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
        except Exception as error:
            log.exception("Unable to make an item")
            _fail(claim, _say(error))
        lease.end()
    return None


def _say(error: Exception) -> str:
    """Tell an operator what nobody foresaw, as far as it can be told."""
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return _("The image store has no room left.")
    return _("The worker met an unexpected error; its log has the details.")


def _fail(claim: Claim, failure: str) -> None:
    """End the item as failed, or as cancelled if that was asked for meanwhile."""
    if not services.fail(claim=claim, failure=failure, now=now()):
        services.end_if_cancelled(claim=claim, now=now())


def _record(item: _Prepared, result: Outputs | _Same) -> UUID:
    """Judge an image and write down everything that it led to. Raises: LeaseLost."""
    made = _same(result) if isinstance(result, _Same) else _made(item, result)
    judged = judging.judge_image(item.claim, item.plan, data=made.data, prompt=item.prompt)
    rendered = Rendered(
        sha256=_store(made.data),
        size_bytes=len(made.data),
        media_type=rendering.MEDIA_TYPE,
        width_px=made.size[0],
        height_px=made.size[1],
        recipe=made.recipe,
        render_s=made.render_s,
        verdict=judged.verdict,
        scores=judged.scores,
        features=judged.features,
        reused_asset_id=made.reused_asset_id,
        steps=made.steps,
    )
    asset_id = _write(item, rendered)
    log.info("Finished an item", asset_id=str(asset_id), verdict=rendered.verdict)
    return asset_id


@dataclass(frozen=True)
class _Made:
    """A finished image before it is judged."""

    data: bytes
    size: tuple[int, int]
    recipe: bytes
    steps: tuple[StepRecord, ...]
    render_s: float | None = None
    reused_asset_id: UUID | None = None


def _same(found: _Same) -> _Made:
    """Take an image that was made before as it is, with what it was on its way."""
    asset = found.asset
    size = asset.width_px, asset.height_px
    return _Made(found.data, size, found.recipe, found.steps, reused_asset_id=asset.id)


def _made(item: _Prepared, begun: Outputs) -> _Made:
    """Do the steps that are left, and encode every output; those on the way are stored at once."""
    made = chains.complete(item.chain, begun)
    files = [rendering.encode(each) for each in made]
    for data in files[:-1]:
        _store(data)
    height, width, _channels = made[-1].pixels.shape
    facts = chains.facts(item.chain, made, files)
    return _Made(
        data=files[-1],
        size=(width, height),
        recipe=_recipe(item.claim, item.spec, made[0], facts),
        steps=tuple(
            _step_record(number, each, len(data))
            for number, (each, data) in enumerate(zip(facts, files, strict=False))
        ),
        render_s=sum(each.seconds for each in made),
    )


def _step_record(number: int, facts: Mapping[str, Any], size_bytes: int) -> StepRecord:
    declared = dict(facts["declared"])
    return StepRecord(
        number=number,
        name=declared.pop("name"),
        parameters=declared,
        sha256=facts["sha256"],
        size_bytes=size_bytes,
        width_px=facts["width_px"],
        height_px=facts["height_px"],
    )


@metrics.timed("store")
def _store(data: bytes) -> str:
    return blobs.put(data)


@metrics.timed("finish")
def _write(item: _Prepared, rendered: Rendered) -> UUID:
    """Record the image; while the database is away the image waits, as long as the lease holds.

    A finish whose answer was lost is found done: then the item is over. Raises: LeaseLost.
    """
    while True:
        try:
            return services.finish(
                claim=item.claim,
                rendered=rendered,
                contributors=_authors(item.claim),
                now=now(),
            )
        except DATABASE_AWAY:
            if not item.lease.is_held:
                raise
            log.warning("Unable to record an image yet", exc_info=True)
            connection.close_if_unusable_or_obsolete()
            sleep(FINISH_AGAIN_S)


def _spec(claim: Claim, prompt: str) -> RunSpec:
    profile = claim.profile
    return rendering.spec(
        Making(
            folder=profile.folder,
            snapshot_sha256=profile.snapshot_sha256,
            pipeline=profile.pipeline,
            dtype=profile.dtype,
            handling=profile.handling,
            negative_prompt=claim.negative_prompt,
            width_px=claim.width_px,
            height_px=claim.height_px,
            steps=claim.steps,
            guidance=claim.guidance,
            seed=claim.seed,
            max_sequence_length=int(profile.parameters["max_sequence_length"]),
            worn=tuple(_files_of(worn) for worn in claim.worn),
            pictures=claim.pictures,
        ),
        prompt,
    )


def _files_of(worn: Worn) -> WornFiles:
    follows = worn.adapter.kind == AdapterKind.CONTROLNET
    return WornFiles(
        folder=worn.adapter.folder,
        snapshot_sha256=worn.adapter.snapshot_sha256,
        strength=worn.strength,
        preprocessor=PREPROCESSORS[0] if follows else "",
    )


def _recipe(
    claim: Claim, run: RunSpec, result: RunResult, chain: Sequence[Mapping[str, Any]] = ()
) -> bytes:
    """Write everything that a replay needs; the prompt only as the ciphertext that was stored."""
    spec = asdict(run)
    for name in (
        "folder",
        "prompt",
        "negative_prompt",
        "adapters",
        "control",
        "source",
        "references",
    ):
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
            **(
                {"pictures": [_picture_facts(used) for used in claim.pictures]}
                if claim.pictures
                else {}
            ),
            "pixels_sha256": result.pixels_sha256,
            **({"chain": list(chain)} if chain else {}),
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
                {"preprocessor": run.control.preprocessor}
                if worn.adapter.kind == AdapterKind.CONTROLNET and run.control
                else {}
            ),
        }
        for worn in claim.worn
    ]


def _picture_facts(used: Used) -> dict[str, object]:
    """Write a picture that the image was made from, with the id of what it is in its brand."""
    origin = {"asset_id": used.asset_id, "picture_id": used.picture_id}
    ids = {name: str(each) for name, each in origin.items() if each is not None}
    return {**services.facts_of(used), **ids}


def _authors(claim: Claim) -> dict[UUID, str]:
    """Return who had a part in the prompt, or in a picture that is used, so in the image."""
    sources = [each.asset_id or each.picture_id for each in claim.pictures]
    return {
        **{
            person: "source_author"
            for each in sources
            if each is not None
            for person in review.contributors(each)
        },
        **dict.fromkeys(review.contributors(claim.template_version_id), "template_author"),
    }


@dataclass(frozen=True)
class _Hold:
    """The item's row behind a lease, and the screen that its thread looks after."""

    claim: Claim
    screen: previewing.Screen

    def extend(self, steps_done: int) -> bool:
        """Extend the lease and show progress."""
        self.screen.look()
        return services.heartbeat(
            item_id=self.claim.item_id, epoch=self.claim.epoch, steps_done=steps_done
        )

    def is_wanted(self) -> bool:
        """Ask whether the item is still to be made by this worker."""
        self.screen.look()
        return services.is_wanted(item_id=self.claim.item_id, epoch=self.claim.epoch)
