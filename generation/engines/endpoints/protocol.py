"""What every place is that an image can be rendered at: it says what it can, and makes one image.

A server of another kind fits by one more module here; see docs/endpoints.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Protocol

from generation.engines.modes import Mode
from generation.engines.protocol import OnStep
from generation.engines.spec import RunResult, RunSpec


@dataclass(frozen=True)
class Model:
    """A model by pipeline and folder; at a server the folder is the server's name for it."""

    pipeline: str
    folder: Path


@dataclass(frozen=True)
class Capabilities:
    """What a place can do with one model.

    Empty `sizes` (width, height in px) mean that the model itself decides. `is_replayable`: the
    same recipe gives the same bytes on the same class of worker, and this installation can check.
    """

    modes: frozenset[Mode]
    sizes: tuple[tuple[int, int], ...]
    honours_seed: bool
    is_replayable: bool


@dataclass(frozen=True)
class Estimate:
    """What one image takes and costs, as far as it is known; None is unknown."""

    seconds: float | None = None
    price: Decimal | None = None
    currency: str = ""


class EngineEndpoint(Protocol):
    """Renders one image per call, in this process or at a server."""

    def capabilities(self, model: Model) -> Capabilities:
        """Say what it can do with a model, without asking anybody."""
        ...

    def estimate(self, spec: RunSpec) -> Estimate:
        """Say what the image would take and cost, without asking anybody."""
        ...

    def render(self, spec: RunSpec, on_step: OnStep) -> RunResult:
        """Make the image that `spec` describes; its facts say where, and whether it is replayable.

        `on_step` is told how far it is where that is known, and asked often where it is not; what
        it raises comes out unchanged, and nothing works on for it.
        Raises: what an engine raises; EndpointUnavailable. After any of them it can render again.
        """
        ...


def facts_of(name: str, kind: str, version: str, *, is_replayable: bool) -> Mapping[str, str]:
    """State for the recipe where an image was made.

    >>> facts_of("studio@1", "openai_images", "0.18", is_replayable=False)["replayable"]
    'no'
    """
    return {
        "endpoint": name,
        "endpoint.kind": kind,
        "endpoint.version": version,
        "replayable": "yes" if is_replayable else "no",
    }
