"""All scorers of one worker, run one by one; a scorer that fails is recorded and hides no other."""

import importlib
import logging
import pkgutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING

import generation.scoring
from generation.scoring import technical
from generation.scoring.protocol import Measurement, Scorer, ScorerEntry, ScorerUnavailable
from generation.scoring.verdict import Measured
from governance.kernel.errors import DomainError

if TYPE_CHECKING:
    from PIL.Image import Image

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ScoringSuite:
    """Scorers with different ids."""

    scorers: tuple[Scorer, ...]

    def __post_init__(self) -> None:
        """Refuse two scorers of one id, whose scores nobody could tell apart."""
        ids = [scorer.id for scorer in self.scorers]
        if len(set(ids)) != len(ids):
            message = f"two scorers have the same id: {sorted(ids)}"
            raise ValueError(message)

    @classmethod
    def from_folder(
        cls, folder: Path, entries: Iterable[ScorerEntry], *, device: str = "cpu"
    ) -> "ScoringSuite":
        """Build the scorers that a manifest in `folder` lists, and those that need no model.

        Models are verified and loaded at the first image, so a broken one holds items instead of
        stopping the worker. Raises: ScorerUnavailable if an entry is of no known kind or misstated.
        """
        built = [_find_kind(entry.kind).build(entry, folder, device) for entry in entries]
        return cls((*built, *technical.build()))

    def measure(self, image: "Image", prompt: str) -> tuple[Measured, ...]:
        """Let every scorer measure an RGB image that was made for `prompt`."""
        return tuple(_measure(scorer, image, prompt) for scorer in self.scorers)


@cache
def discover_kinds() -> Mapping[str, ModuleType]:
    """Map each kind of scorer with a model to the module that declares it by `KIND`."""
    modules: Sequence[ModuleType] = [
        importlib.import_module(info.name)
        for info in pkgutil.iter_modules(generation.scoring.__path__, "generation.scoring.")
        if info.name != __name__
    ]
    return MappingProxyType({m.KIND: m for m in modules if hasattr(m, "KIND")})


def _find_kind(kind: str) -> ModuleType:
    """Return the module of a kind, or say which there are."""
    kinds = discover_kinds()
    if kind not in kinds:
        raise ScorerUnavailable(
            f"There is no scorer of the kind '{kind}'. There is: {', '.join(sorted(kinds))}.",
            kind=kind,
        )
    return kinds[kind]


def _require_measurement(said: object) -> Measurement:
    """Insist on a measurement: a scorer from elsewhere may answer in another shape.

    Raises: TypeError.
    """
    if not isinstance(said, Measurement):
        message = f"a scorer returned {type(said).__name__}, not a Measurement"
        raise TypeError(message)
    return said


def _measure(scorer: Scorer, image: "Image", prompt: str) -> Measured:
    """Run one scorer in isolation: whatever it raises becomes a recorded reason."""
    measurement, reason = None, None
    try:
        measurement = _require_measurement(scorer.score(image, prompt))
    except DomainError as error:
        reason = error.detail
        logger.warning(
            "Scorer is unavailable", extra={"scorer": scorer.id, "error_code": error.code}
        )
    except Exception as error:
        reason = f"The scorer '{scorer.id}' failed ({type(error).__name__})."
        logger.exception("Unable to score", extra={"scorer": scorer.id})
    return Measured(
        scorer=scorer.id,
        version=scorer.version,
        weights_sha256=scorer.weights_sha256,
        licence=scorer.licence,
        higher_is=scorer.higher_is,
        range=scorer.range,
        measurement=measurement,
        reason=reason,
    )
