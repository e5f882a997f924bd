"""The one thing that an engine is: a spec goes in, an image comes out, step by step."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from generation.engines.modes import Mode
from generation.engines.spec import RunResult, RunSpec

# Told after each step: how many are done, of how many. May raise `errors.Cancelled`.
OnStep = Callable[[int, int], None]


class Engine(Protocol):
    """Renders one image per call; the same spec on the same worker class gives the same pixels."""

    @property
    def family(self) -> str:
        """Return the family of its models: adapters are made for one."""

    @property
    def needed(self) -> frozenset[Mode]:
        """Return what every spec must ask for, as the family does nothing else."""
        ...

    def modes_of(self, folder: Path) -> frozenset[Mode]:
        """Return what the model in this folder can do, from its files; nothing is loaded."""
        ...

    def render(self, spec: RunSpec, on_step: OnStep) -> RunResult:
        """Make the image that `spec` describes.

        Raises: what `on_step` raises, unchanged (`Cancelled` to stop); InvalidInput if the size is
        beyond this model; ModelUnavailable, DeviceUnavailable, DeviceExhausted or RenderFailed.
        After any of them the engine can render again.
        """
        ...

    def unload(self) -> None:
        """Give the memory of the loaded model back."""
        ...
