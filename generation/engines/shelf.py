"""The models that a process keeps loaded: within a budget of memory, the longest unused go first.

One shelf serves all engines of a process. Whoever renders holds it, so there is one render at a
time, and no model is taken away while it is used.
"""

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import torch

from generation.engines import adapters
from generation.engines.embeddings import PromptCache
from generation.engines.errors import ModelTooLarge, ModelUnavailable
from generation.engines.memory import Budget, Footprint, expect, weigh
from generation.engines.placement import Placement
from generation.weights.sizes import WeightsUnreadable
from governance.kernel import clock


@dataclass(frozen=True, slots=True)
class Key:
    """What a model is loaded from, as what, and where to."""

    folder: Path
    snapshot_sha256: str
    pipeline: str
    placement: Placement


@dataclass(frozen=True)
class Loaded:
    """The pipeline in memory, what it was loaded from, and what hangs in its wardrobe."""

    key: Key
    pipeline: Any
    wardrobe: adapters.Wardrobe = field(default_factory=adapters.Wardrobe)
    # Pipelines of the same family over the same weights, by what each has besides.
    siblings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Held:
    """One model on the shelf, for those who plan: what it is, what it wears, what it takes."""

    key: Key
    adapters: tuple[str, ...]
    footprint: Footprint
    used_at: datetime


class Shelf:
    """Loaded models by what they were loaded from, the longest unused first."""

    def __init__(self, budget: Budget | None = None) -> None:
        """Begin empty; without a budget nothing is limited."""
        self.budget = budget or Budget()
        self.prompts = PromptCache()
        self._lock = threading.RLock()
        self._models: dict[Key, tuple[Loaded, Footprint]] = {}
        self._held: tuple[Held, ...] = ()

    @contextmanager
    def taken(self) -> Iterator[Self]:
        """Have the shelf alone, until the block ends."""
        with self._lock:
            yield self

    @property
    def held(self) -> tuple[Held, ...]:
        """Say what is loaded, the longest unused first; never waits for a render."""
        return self._held

    def obtain(self, key: Key, load: Callable[[], Loaded]) -> Loaded:
        """Return the model of that key; if it is not here, make room for it and load it.

        Raises: ModelTooLarge if it could not be held even alone; ModelUnavailable if its files do
        not say what it takes; what `load` raises.
        """
        if key in self._models and not self._models[key][0].wardrobe.is_torn:
            loaded, _ = self._models[key] = self._models.pop(key)
            self._record(used=loaded)
            return loaded
        self.drop(key)
        expected = _expect(key)
        self._require_fits_alone(key, expected)
        self._make_room(expected)
        loaded = load()
        self._models[key] = (loaded, expected)
        self.settle(loaded)
        return loaded

    def settle(self, loaded: Loaded) -> None:
        """Weigh a model as it is now, with what it wears, and make room if that is more."""
        self._models.pop(loaded.key, None)
        found = weigh([loaded.pipeline, *loaded.siblings.values()])
        self._make_room(found)
        self._models[loaded.key] = (loaded, found)
        self._record(used=loaded)

    def drop(self, key: Key) -> None:
        """Give the memory of one model back; nothing if it is not here."""
        if self._models.pop(key, None) is not None:
            self._reclaim()

    def clear(self) -> None:
        """Give the memory of everything back."""
        self._models.clear()
        self.prompts.clear()
        self._reclaim()

    def drop_others(self, key: Key) -> bool:
        """Give everything back but one model: the others, and the embeddings; say if any was."""
        others = [each for each in self._models if each != key]
        for each in others:
            del self._models[each]
        had_prompts = self.prompts.clear()
        if others or had_prompts:
            self._reclaim()
        return bool(others) or had_prompts

    def _require_fits_alone(self, key: Key, expected: Footprint) -> None:
        excess = self.budget.excess(expected)
        if excess is not None:
            raise ModelTooLarge(
                f"The model in '{key.folder}' takes {_gib(excess.needed)} of the {excess.where}'s "
                f"memory, and this worker keeps at most {_gib(excess.allowed)} for models. Raise "
                f"{excess.setting}, run the model on a larger machine, or give it a placement "
                "that takes less.",
                folder=str(key.folder),
                needed_bytes=excess.needed,
                allowed_bytes=excess.allowed,
            )

    def _make_room(self, wanted: Footprint) -> None:
        """Take the longest unused models away until one more fits."""
        taken_away = False
        while self._models and self.budget.excess(self._total() + wanted) is not None:
            del self._models[next(iter(self._models))]
            taken_away = True
        if taken_away:
            self._reclaim()

    def _total(self) -> Footprint:
        return sum((size for _loaded, size in self._models.values()), Footprint())

    def _reclaim(self) -> None:
        """Have the dropped models' memory back before anything else is allocated."""
        self._record()
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _record(self, used: Loaded | None = None) -> None:
        """Write anew what `held` says; whoever reads it meanwhile sees the old or the new."""
        used_at = {each.key: each.used_at for each in self._held}
        now = clock.now()
        self._held = tuple(
            Held(
                key=key,
                adapters=loaded.wardrobe.held,
                footprint=size,
                used_at=now if loaded is used else used_at.get(key, now),
            )
            for key, (loaded, size) in self._models.items()
        )


def _expect(key: Key) -> Footprint:
    """Return what a model will take, by its files. Raises: ModelUnavailable."""
    placement = key.placement
    try:
        return expect(
            key.folder,
            placement.dtype_name,
            placement.handling,
            is_graphics=placement.device.type != "cpu",
        )
    except WeightsUnreadable as error:
        raise ModelUnavailable(error.detail, reason=error.code, folder=str(key.folder)) from error


def _gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"
