"""What every engine does alike: one loaded pipeline, one caller at a time, clear errors."""

import gc
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from generation.engines import adapters, loading
from generation.engines.errors import DeviceExhausted, RenderFailed
from generation.engines.modes import Mode, require_modes
from generation.engines.placement import Placement, place
from generation.engines.protocol import OnStep
from generation.engines.spec import RunResult, RunSpec
from generation.weights import runtime
from governance.kernel.digests import canonical_json, sha256_hex
from governance.kernel.errors import DomainError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Loaded:
    """The pipeline in memory, what it was loaded from, and what hangs in its wardrobe."""

    key: tuple[Path, str, Placement]
    pipeline: Any
    wardrobe: adapters.Wardrobe = field(default_factory=adapters.Wardrobe)
    # Pipelines of the same family over the same weights, by what each has besides.
    siblings: dict[str, Any] = field(default_factory=dict)


class ResidentEngine(ABC):
    """Renders one image per call and keeps the last used model loaded.

    A pipeline's scheduler counts its own steps, so two threads must never share one: a lock makes
    the second caller wait. One image per call, because the same seed in a batch of four differs in
    its last bits from the same seed alone.
    """

    # What recipes call the engine; another number when the same recipe gives other bytes.
    name: ClassVar[str]
    modes: ClassVar[frozenset[Mode]]

    def __init__(self) -> None:
        """Begin with nothing loaded."""
        self._lock = threading.Lock()
        self._loaded: Loaded | None = None

    def render(self, spec: RunSpec, on_step: OnStep) -> RunResult:
        """Make the image that `spec` describes; see `protocol.Engine`."""
        raised_by_caller: list[BaseException] = []

        def watched(done: int, of: int) -> None:
            try:
                on_step(done, of)
            except BaseException as error:
                raised_by_caller.append(error)
                raise

        with self._lock:
            try:
                return self._render(spec, watched)
            except DomainError:
                raise
            except Exception as error:
                if error in raised_by_caller:
                    raise
                if not loading.is_out_of_memory(error):
                    raise RenderFailed(
                        "The model was loaded but could not make this image.",
                        # Facts are logged, and the libraries' messages can quote the prompt.
                        cause=type(error).__name__,
                    ) from error
            # After `except`, so that the failed frames and their tensors are gone.
            self._unload()
        raise DeviceExhausted(
            f"The device '{spec.device}' ran out of memory at {spec.width} x {spec.height} px. "
            "Order a smaller image, or run the model on a larger device.",
            device=spec.device,
            width_px=spec.width,
            height_px=spec.height,
        )

    @property
    def family(self) -> str:
        """Return the family, which is the engine's name without its number."""
        return self.name.partition("/")[0]

    def modes_of(self, folder: Path) -> frozenset[Mode]:  # noqa: ARG002  some families look
        """Return what the model in this folder can do."""
        return self.modes

    def unload(self) -> None:
        """Give the memory of the loaded model back."""
        with self._lock:
            self._unload()

    @abstractmethod
    def require_fits(self, pipeline: Any, spec: RunSpec) -> None:
        """Refuse what this very model cannot do. Raises: InvalidInput, naming the field."""

    @abstractmethod
    def make(
        self, loaded: Loaded, spec: RunSpec, placement: Placement, on_step: OnStep
    ) -> tuple["NDArray[np.uint8]", Mapping[str, str]]:
        """Run the family's stages; return the pixels and what only this family can state."""

    def _render(self, spec: RunSpec, on_step: OnStep) -> RunResult:
        """Load, dress and make."""
        require_modes(spec, self.modes)
        placement = place(spec.device, spec.dtype)
        loaded = self._obtain_loaded(spec, placement)
        self.require_fits(loaded.pipeline, spec)
        loaded.wardrobe.wear(loaded.pipeline, spec.adapters, spec.folder)
        began = time.perf_counter()
        with torch.no_grad():
            pixels, more = self.make(loaded, spec, placement, on_step)
        _require_a_picture(pixels)
        return RunResult(
            pixels=pixels,
            seconds=time.perf_counter() - began,
            facts={**_describe(loaded.pipeline, spec, placement), "engine": self.name, **more},
        )

    def _obtain_loaded(self, spec: RunSpec, placement: Placement) -> Loaded:
        """Return the loaded pipeline, or replace it by the one that the spec names."""
        key = (spec.folder.absolute(), spec.snapshot_sha256, placement)
        loaded = self._loaded
        if loaded is None or loaded.key != key or loaded.wardrobe.is_torn:
            self._unload()
            pipeline = loading.load_pipeline(
                spec.folder, spec.snapshot_sha256, spec.pipeline, placement
            )
            pipeline.set_progress_bar_config(disable=True)
            self._loaded = loaded = Loaded(key=key, pipeline=pipeline)
        return loaded

    def _obtain(self, spec: RunSpec, placement: Placement) -> Any:
        """Return the pipeline that the spec names."""
        return self._obtain_loaded(spec, placement).pipeline

    def _unload(self) -> None:
        """Drop the pipeline before anything else is allocated."""
        self._loaded = None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _require_a_picture(pixels: "NDArray[np.uint8]") -> None:
    """Refuse an image that is black all over, as a model failed. Raises: RenderFailed."""
    if not pixels.any():
        raise RenderFailed(
            "The model made an image that is black all over. Run it in 'float32' or 'bfloat16', "
            "or check the model's files."
        )


def _describe(pipeline: Any, spec: RunSpec, placement: Placement) -> Mapping[str, str]:
    """List what a replay must find again."""
    scheduler = {k: v for k, v in pipeline.scheduler.config.items() if not k.startswith("_")}
    facts = dict(runtime.describe_process())
    facts |= {
        "device": str(placement.device),
        "device.name": placement.device_name,
        "dtype": spec.dtype,
        "generator": "torch.Generator(cpu)",
        "pipeline": spec.pipeline,
        "scheduler": type(pipeline.scheduler).__name__,
        "scheduler.sha256": sha256_hex(canonical_json(scheduler)),
        "snapshot.sha256": spec.snapshot_sha256,
    }
    if placement.device.type == "cuda":
        facts["cuda"] = str(torch.version.cuda)
        facts["cudnn"] = str(torch.backends.cudnn.version())
    return facts
