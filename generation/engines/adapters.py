"""LoRAs worn by a loaded pipeline: verified, fitting, swapped in place, and never fused.

Fusing and unfusing leaves a residue in the weights, so the image after it would be another one.
"""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from generation.engines import loading
from generation.engines.errors import ModelUnavailable
from generation.engines.spec import ADAPTERS_MAX, AdapterRef
from generation.weights import layers

# How many stay in memory, worn or not; the least recently worn one goes first.
_HELD_MAX = 2 * ADAPTERS_MAX
_PREFIX = "lora_"


class Wardrobe:
    """The LoRAs that hang in one pipeline, worn or not."""

    def __init__(self) -> None:
        """Begin empty."""
        self._held: dict[str, None] = {}
        # Set while a LoRA is half put in: the pipeline must not be used again.
        self.is_torn = False

    @property
    def held(self) -> tuple[str, ...]:
        """Return the digests of the adapters in memory, the longest unworn first."""
        return tuple(name.removeprefix(_PREFIX) for name in self._held)

    def wear(self, pipeline: Any, adapters: Sequence[AdapterRef], folder: Path) -> None:
        """Make the pipeline wear exactly these adapters, in this order.

        `folder` is the model's own. Raises: ModelUnavailable; after one that left the pipeline
        half dressed `is_torn` is set.
        """
        for adapter in adapters:
            name = _name(adapter)
            if name not in self._held:
                self._put_in(pipeline, adapter, folder)
            self._held.pop(name, None)
            self._held[name] = None
        self._make_room(pipeline)
        if adapters:
            pipeline.enable_lora()
            pipeline.set_adapters([_name(a) for a in adapters], [a.weight for a in adapters])
        elif self._held:
            pipeline.disable_lora()

    def _put_in(self, pipeline: Any, adapter: AdapterRef, model_folder: Path) -> None:
        """Load one adapter into the pipeline beside the others."""

        def load() -> None:
            fitting = layers.require_lora_fits(adapter.folder, model_folder)
            self.is_torn = True
            try:
                with _quietly():
                    pipeline.load_lora_weights(
                        adapter.folder,
                        weight_name=layers.LORA_FILE,
                        adapter_name=_name(adapter),
                        local_files_only=True,
                        use_safetensors=True,
                    )
            except Exception as error:  # noqa: BLE001  told apart there, and raised again
                loading.raise_unloadable(error, adapter.folder, "a LoRA")
            _require_all_in(pipeline, adapter, len(fitting))

        loading.load_verified(adapter.folder, adapter.snapshot_sha256, load)
        self.is_torn = False

    def _make_room(self, pipeline: Any) -> None:
        """Take out the least recently worn adapters beyond what is kept."""
        while len(self._held) > _HELD_MAX:
            oldest = next(iter(self._held))
            pipeline.delete_adapters(oldest)
            del self._held[oldest]


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep out of the log what the libraries say of every second LoRA, and of parts it leaves."""
    log = logging.getLogger("diffusers.loaders.lora_base")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Already found a `peft_config`")
            yield
    finally:
        log.setLevel(level)


def _name(adapter: AdapterRef) -> str:
    """Return what the pipeline calls an adapter: a module's name may hold no dot."""
    return f"{_PREFIX}{adapter.snapshot_sha256}"


def _require_all_in(pipeline: Any, adapter: AdapterRef, expected: int) -> None:
    """Insist that every layer arrived: the library only warns about those that did not."""
    name = _name(adapter)
    arrived = sum(
        name in getattr(module, "lora_A", ())
        for component in pipeline.components.values()
        if hasattr(component, "modules")
        for module in component.modules()
    )
    if arrived != expected:
        raise ModelUnavailable(
            f"Of the LoRA in '{adapter.folder}' {arrived} of {expected} layers could be put on. "
            "Nothing was rendered.",
            reason="weights_missing",
            folder=str(adapter.folder),
        )
