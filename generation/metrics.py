"""Every metric of an installation: its name, unit and labels; nobody's name, brand or text is one.

A worker counts what it does in `WORKER`; web reads the others from the database when it is asked.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

WORKER: Final = CollectorRegistry(auto_describe=True)
ProcessCollector(registry=WORKER)

# From a kept embedding to an hour of a large model on a small machine.
_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)

STAGE_SECONDS: Final = Histogram(
    "imprimatur_stage_seconds",
    "Seconds that a stage of one image took: encode, denoise, decode, file, score, store, finish.",
    ("stage",),
    buckets=_BUCKETS_S,
    registry=WORKER,
)
DEVICE_BUSY_SECONDS: Final = Counter(
    "imprimatur_device_busy_seconds",
    "Seconds in which the device loaded models or rendered.",
    registry=WORKER,
)
IMAGES: Final = Counter(
    "imprimatur_images",
    "Images that were made and judged, by model and verdict.",
    ("model", "verdict"),
    registry=WORKER,
)


class Family(NamedTuple):
    """A metric that is read when somebody asks for it."""

    name: str
    says: str
    labels: tuple[str, ...] = ()

    def gauge(self) -> GaugeMetricFamily:
        """Return an empty gauge of this name."""
        return GaugeMetricFamily(self.name, self.says, labels=self.labels)

    def counter(self) -> CounterMetricFamily:
        """Return an empty counter of this name."""
        return CounterMetricFamily(self.name, self.says, labels=self.labels)


MODELS_HELD: Final = Family("imprimatur_models_held", "Models that are loaded.")
MODELS_HELD_BYTES: Final = Family(
    "imprimatur_models_held_bytes", "Bytes of loaded models, by where they are.", ("memory",)
)
PROMPTS_KEPT_BYTES: Final = Family(
    "imprimatur_prompts_kept_bytes", "Bytes of embeddings of prompts that are kept."
)
PROMPT_LOOKUPS: Final = Family(
    "imprimatur_prompt_lookups", "Prompts that were asked for, and whether kept.", ("found",)
)
QUEUE_IMAGES: Final = Family(
    "imprimatur_queue_images", "Images that wait, counted up to a limit.", ("queue",)
)
QUEUE_OLDEST_SECONDS: Final = Family(
    "imprimatur_queue_oldest_seconds", "How long the oldest of them has waited.", ("queue",)
)
REFUSALS_LAST_HOUR: Final = Family(
    "imprimatur_refusals_last_hour", "Refusals of the last hour, by stage.", ("stage",)
)


@contextmanager
def timed(stage: str) -> Iterator[None]:
    """Time one stage of one image; one that fails is not counted."""
    began = time.perf_counter()
    yield
    STAGE_SECONDS.labels(stage).observe(time.perf_counter() - began)


@contextmanager
def busy() -> Iterator[None]:
    """Count the time that a device is at work, also where that ends badly."""
    began = time.perf_counter()
    try:
        yield
    finally:
        DEVICE_BUSY_SECONDS.inc(time.perf_counter() - began)
