"""Finds scorers by their entry points: ours and any other package's, in one way and without a list.

The group is `imprimatur.scorers`. An entry point that leads to a class is a scorer without a model,
made without arguments and used everywhere. One that leads to a module or function is a kind with a
model: its `build(entry, root, device)`, or itself, makes the scorer that a manifest's entry states.
"""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

from generation.scoring.cards import card_of
from generation.scoring.protocol import (
    Direction,
    Input,
    Measurement,
    Sample,
    Scorer,
    ScorerEntry,
    ScorerUnavailable,
)

GROUP = "imprimatur.scorers"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Kind:
    """One entry point: its name, who brings it, and how its scorers are made.

    `make` is for a scorer without a model, `build` for a kind with one; both are None if the entry
    point cannot be loaded, and `failure` says why.
    """

    name: str
    package: str
    make: Callable[[], Scorer] | None = None
    build: Callable[[ScorerEntry, Path, str], Scorer] | None = None
    failure: str | None = None


@cache
def discover() -> Mapping[str, Kind]:
    """Map each name to its kind, sorted; a name that two packages claim belongs to neither."""
    found: dict[str, Kind] = {}
    for point in sorted(metadata.entry_points(group=GROUP), key=lambda p: (p.name, p.value)):
        package = f"{point.dist.name} {point.dist.version}" if point.dist else ""
        if point.name in found and found[point.name].package != package:
            found[point.name] = Kind(
                point.name,
                f"{found[point.name].package}, {package}",
                failure=f"Two packages bring a scorer named '{point.name}'.",
            )
        else:
            found[point.name] = _load(point, package)
    return MappingProxyType(found)


def build(entry: ScorerEntry, root: Path, device: str) -> Scorer:
    """Make the scorer that a manifest's entry states; its model is loaded later.

    Raises: ScorerUnavailable if there is no such kind, it takes no model, it cannot be loaded, or
    the entry is misstated.
    """
    kind = discover().get(entry.kind)
    if kind is not None and kind.failure:
        raise ScorerUnavailable(kind.failure, kind=entry.kind)
    if kind is None or kind.build is None:
        known = ", ".join(sorted(k.name for k in discover().values() if k.build))
        raise ScorerUnavailable(
            f"There is no scorer of the kind '{entry.kind}'. There is: {known}.", kind=entry.kind
        )
    return kind.build(entry, root, device)


def make(kind: Kind) -> Scorer:
    """Make a scorer without a model; one that cannot be made measures nothing and says why."""
    failure = kind.failure
    try:
        scorer = kind.make() if kind.make else None
        if scorer is not None and scorer.id == kind.name:
            card_of(scorer)
            return scorer
        failure = failure or f"The scorer '{kind.name}' names itself otherwise."
    except Exception as error:
        logger.exception("Unable to make a scorer", extra={"scorer": kind.name})
        failure = f"The scorer '{kind.name}' of '{kind.package}' cannot be made: {error}"
    return Broken(kind.name, failure)


@dataclass(frozen=True)
class Broken:
    """Stands where a scorer should be, so that a policy that names it learns why it holds."""

    id: str
    failure: str

    version: ClassVar[str] = ""
    weights_sha256: ClassVar[str | None] = None
    licence: ClassVar[str] = ""
    higher_is: ClassVar[Direction] = "better"
    range: ClassVar[tuple[float, float]] = (-math.inf, math.inf)
    inputs: ClassVar[frozenset[Input]] = frozenset({Input.IMAGE})
    cost_ms: ClassVar[float] = 0.0

    @property
    def title(self) -> str:
        """Return the id: nothing more is known."""
        return self.id

    def score(self, samples: Sequence[Sample]) -> Sequence[Measurement]:  # noqa: ARG002
        """Measure nothing. Raises: ScorerUnavailable, always."""
        raise ScorerUnavailable(self.failure, scorer=self.id)


def _load(point: metadata.EntryPoint, package: str) -> Kind:
    """Read what an entry point names; a broken package must not stop the others.

    A module is imported when a scorer is built from it: it may take a library of models with it.
    """
    if not point.attr:
        return Kind(point.name, package, build=partial(_build_by_module, point, package))
    try:
        target = point.load()
    except Exception as error:
        logger.exception("Unable to load a scorer", extra={"scorer": point.name})
        return Kind(point.name, package, failure=_say_failure(point, package, error))
    if isinstance(target, type):
        return Kind(point.name, package, make=target)
    return Kind(point.name, package, build=target)


def _build_by_module(
    point: metadata.EntryPoint, package: str, entry: ScorerEntry, root: Path, device: str
) -> Scorer:
    """Import a module and let it build a scorer. Raises: ScorerUnavailable."""
    try:
        build: Callable[[ScorerEntry, Path, str], Scorer] = point.load().build
    except Exception as error:
        logger.exception("Unable to load a scorer", extra={"scorer": point.name})
        raise ScorerUnavailable(_say_failure(point, package, error), kind=point.name) from error
    return build(entry, root, device)


def _say_failure(point: metadata.EntryPoint, package: str, error: Exception) -> str:
    return f"The scorer '{point.name}' of '{package}' cannot be loaded: {error}"
