"""What engines tell the metrics: how long their stages take on the device, and what is held."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from prometheus_client import Metric
from prometheus_client.registry import Collector

from generation import metrics
from generation.engines.shelf import Shelf


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Time one stage of an image, until the device has really done it."""
    with metrics.timed(name):
        yield
        if torch.cuda.is_initialized():
            torch.cuda.synchronize()


class ShelfCollector(Collector):
    """Says what a shelf holds and how often a prompt was kept, when it is asked."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def collect(self) -> Iterator[Metric]:
        """Read the shelf; never waits for a render."""
        held, prompts = self._shelf.held, self._shelf.prompts
        count = metrics.MODELS_HELD.gauge()
        count.add_metric([], len(held))
        yield count
        taken = metrics.MODELS_HELD_BYTES.gauge()
        taken.add_metric(["device"], sum(each.footprint.device_bytes for each in held))
        taken.add_metric(["host"], sum(each.footprint.host_bytes for each in held))
        yield taken
        kept = metrics.PROMPTS_KEPT_BYTES.gauge()
        kept.add_metric([], prompts.size_bytes)
        yield kept
        lookups = metrics.PROMPT_LOOKUPS.counter()
        lookups.add_metric(["yes"], prompts.hits)
        lookups.add_metric(["no"], prompts.misses)
        yield lookups
