"""How much memory a model takes and may take, on the device that calculates and beside it."""

import os
import resource
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch

from generation.engines.handling import Handling
from generation.weights import sizes

# What a model's weights may take of a memory if nobody says: the rest is for the images.
USUAL_SHARE = 0.7
# Where a container's own limit stands, in bytes, or "max".
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True, slots=True)
class Footprint:
    """Bytes of weights: on a graphics device, and in the machine's own memory."""

    device_bytes: int = 0
    host_bytes: int = 0

    def __add__(self, other: "Footprint") -> "Footprint":
        return Footprint(self.device_bytes + other.device_bytes, self.host_bytes + other.host_bytes)


class Excess(NamedTuple):
    """What does not fit, where, and the setting that would let it."""

    where: str
    setting: str
    needed: int
    allowed: int


@dataclass(frozen=True, slots=True)
class Budget:
    """What loaded models may take together; None is without a limit."""

    device_bytes: int | None = None
    host_bytes: int | None = None

    def excess(self, footprint: Footprint) -> Excess | None:
        """Return what goes beyond the budget, or None if it fits.

        >>> Budget(host_bytes=10).excess(Footprint(host_bytes=10)) is None
        True
        >>> Budget(host_bytes=10).excess(Footprint(host_bytes=11)).where
        'machine'
        """
        if self.device_bytes is not None and footprint.device_bytes > self.device_bytes:
            return Excess(
                "graphics device",
                "WORKER_DEVICE_MODELS_GIB",
                footprint.device_bytes,
                self.device_bytes,
            )
        if self.host_bytes is not None and footprint.host_bytes > self.host_bytes:
            return Excess(
                "machine", "WORKER_HOST_MODELS_GIB", footprint.host_bytes, self.host_bytes
            )
        return None


def usual_budget(device: str) -> Budget:
    """Return the budget of a worker that states none: a share of what is there."""
    total = 0
    if device.startswith("cuda") and torch.cuda.is_available():
        total = torch.cuda.get_device_properties(device).total_memory
    return Budget(
        device_bytes=int(total * USUAL_SHARE) or None,
        host_bytes=int(_host_bytes() * USUAL_SHARE),
    )


def expect(folder: Path, dtype: str, handling: Handling, *, is_graphics: bool) -> Footprint:
    """Return what a model folder will take once it is loaded, from its files' headers.

    Raises: WeightsUnreadable.
    """
    parts = {
        name: int(size.numbers * handling.bytes_a_number(name, dtype)) + size.other_bytes
        for name, size in sizes.measure(folder).items()
    }
    if not is_graphics:
        return Footprint(host_bytes=sum(parts.values()))
    if handling.is_offloaded:
        # One part at a time is on the device, or a few of its blocks.
        return Footprint(
            device_bytes=max(parts.values(), default=0), host_bytes=sum(parts.values())
        )
    return Footprint(device_bytes=sum(parts.values()))


def weigh(holders: Iterable[Any]) -> Footprint:
    """Add up the weights that pipelines and single models hold now, each once."""
    found = {(each.device.type, each.data_ptr()): each.nbytes for each in _tensors(holders)}
    on_host = sum(size for (device, _), size in found.items() if device == "cpu")
    return Footprint(device_bytes=sum(found.values()) - on_host, host_bytes=on_host)


def peak_bytes(device: str) -> int:
    """Return the most memory that was taken so far: of the card, or else of the whole process."""
    if device.startswith("cuda"):
        return int(torch.cuda.max_memory_allocated(device))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _tensors(holders: Iterable[Any]) -> Iterator[torch.Tensor]:
    for holder in holders:
        parts = (
            holder.components.values() if hasattr(holder, "components") else vars(holder).values()
        )
        for part in parts:
            if isinstance(part, torch.nn.Module):
                for tensor in (*part.parameters(), *part.buffers()):
                    yield from _plain(tensor)


def _plain(tensor: Any) -> Iterator[torch.Tensor]:
    """Yield the tensors that a quantised one consists of, or the tensor itself."""
    if not hasattr(tensor, "__tensor_flatten__"):
        yield tensor
        return
    for name in tensor.__tensor_flatten__()[0]:
        yield from _plain(getattr(tensor, name))


def _host_bytes() -> int:
    """Return the memory of this machine, or of this container where that is less."""
    installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        limit = _CGROUP_LIMIT.read_text(encoding="ascii").strip()
    except OSError:
        limit = "max"
    return min(installed, int(limit)) if limit.isdigit() else installed
