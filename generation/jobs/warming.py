"""Has a worker's models ready before it takes work: loaded, compiled, tried in each size."""

from time import perf_counter

import structlog
from django.conf import settings

from generation.jobs import rendering, selectors
from generation.jobs.records import Making
from generation.registry import selectors as registry
from generation.registry.records import endpoint_in
from generation.registry.selectors import ProfileRecord
from governance.kernel.errors import DomainError

PROMPT = "a plain picture to warm up with"
STEPS = 2
# For a model that nobody ordered from yet.
UNKNOWN_SIZE = (512, 512)

log = structlog.get_logger(__name__)


def warm_up() -> None:
    """Make and forget a picture with each model of `WORKER_WARM_UP`, in the sizes asked for lately.

    A model that cannot be had is logged and keeps nobody waiting: its items will say why.
    """
    if not settings.WORKER_WARM_UP:
        return
    rendering.prepare()
    for slug in settings.WORKER_WARM_UP:
        try:
            profile = registry.current_profile(slug)
            if endpoint_in(profile.pipeline):
                continue  # a server keeps its own models warm
            for size in selectors.sizes_lately(profile.id, profile.queue) or [UNKNOWN_SIZE]:
                _make_one(profile, size)
        except DomainError as error:
            log.warning("Unable to warm up a model", slug=slug, code=error.code)


def _make_one(profile: ProfileRecord, size: tuple[int, int]) -> None:
    began = perf_counter()
    making = Making(
        folder=profile.folder,
        snapshot_sha256=profile.snapshot_sha256,
        pipeline=profile.pipeline,
        dtype=profile.dtype,
        handling=profile.handling,
        negative_prompt="",
        width_px=size[0],
        height_px=size[1],
        steps=STEPS,
        guidance=float(profile.parameters["guidance"]),
        seed=0,
        max_sequence_length=int(profile.parameters["max_sequence_length"]),
    )
    rendering.render(rendering.spec(making, PROMPT), lambda _done, _of: None)
    log.info("Warmed up", slug=profile.slug, size=size, seconds=round(perf_counter() - began, 2))
