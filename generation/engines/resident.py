"""What every engine does alike: loaded pipelines, one caller at a time, clear errors."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from generation.engines import applying, loading, previews, reporting
from generation.engines.embeddings import Embeddings
from generation.engines.errors import DeviceExhausted, RenderFailed
from generation.engines.handling import WEAR_NOTHING, Handling
from generation.engines.modes import Mode, require_modes
from generation.engines.placement import Placement, place
from generation.engines.protocol import OnStep
from generation.engines.shelf import Key, Loaded, Shelf
from generation.engines.spec import RunResult, RunSpec
from generation.weights import runtime
from governance.kernel.digests import canonical_json, sha256_hex
from governance.kernel.errors import DomainError, InvalidInput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class ResidentEngine(ABC):
    """Renders one image per call and keeps the models that it used lately loaded.

    A pipeline's scheduler counts its own steps, so two threads must never share one: the shelf
    makes the second caller wait. One image per call, because the same seed in a batch of four
    differs in its last bits from the same seed alone.
    """

    # What recipes call the engine; another number when the same recipe gives other bytes.
    name: ClassVar[str]
    modes: ClassVar[frozenset[Mode]]
    # What a spec must ask for, as the family does nothing else.
    needed: ClassVar[frozenset[Mode]] = frozenset()

    def __init__(self) -> None:
        """Begin with a shelf of its own; `keep_on` shares one."""
        self._shelf = Shelf()

    def keep_on(self, shelf: Shelf) -> None:
        """Keep the loaded models on a shelf that other engines use too."""
        self._shelf = shelf

    def render(self, spec: RunSpec, on_step: OnStep) -> RunResult:
        """Make the image that `spec` describes; see `protocol.Engine`.

        If memory runs out, everything else that is held is dropped, and it is tried once more.
        """
        raised_by_caller: list[BaseException] = []

        def watched(done: int, of: int) -> None:
            try:
                on_step(done, of)
            except BaseException as error:
                raised_by_caller.append(error)
                raise

        placement = place(spec.device, spec.dtype, spec.handling)
        with self._shelf.taken() as shelf:
            made = self._attempt(spec, placement, watched, raised_by_caller)
            if made is None and shelf.drop_others(_key(spec, placement)):
                made = self._attempt(spec, placement, watched, raised_by_caller)
            if made is not None:
                return made
            shelf.clear()
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
        """Give the memory of the loaded models back, those of engines on the same shelf too."""
        with self._shelf.taken() as shelf:
            shelf.clear()

    @abstractmethod
    def require_fits(self, pipeline: Any, spec: RunSpec) -> None:
        """Refuse what this very model cannot do. Raises: InvalidInput, naming the field."""

    @abstractmethod
    def make(
        self, loaded: Loaded, spec: RunSpec, placement: Placement, on_step: OnStep
    ) -> tuple["NDArray[np.uint8]", Mapping[str, str]]:
        """Run the family's stages; return the pixels and what only this family can state."""

    def embed(self, loaded: Loaded, spec: RunSpec, encode: Callable[[], Embeddings]) -> Embeddings:
        """Return the embeddings of a spec's texts, kept ones if the same were made lately."""
        placement = loaded.key.placement
        worn = [f"{each.snapshot_sha256}*{each.weight}" for each in spec.adapters]
        # Some encoders look at pictures beside the text, in a size that the image's may decide.
        seen = [f"{each.image_sha256}@{spec.width}x{spec.height}" for each in spec.references]
        return self._shelf.prompts.obtain(
            {
                "snapshot": spec.snapshot_sha256,
                "pipeline": spec.pipeline,
                "device": str(placement.device),
                "dtype": spec.dtype,
                "handling": str(placement.handling),
                "prompt": spec.prompt,
                "negative_prompt": spec.negative_prompt,
                "is_guided": str(spec.guidance > 1),
                "max_sequence_length": str(spec.max_sequence_length),
                "adapters": " ".join(worn),
                "references": " ".join(seen),
            },
            reporting.stage("encode")(encode),
        )

    def _attempt(
        self,
        spec: RunSpec,
        placement: Placement,
        on_step: OnStep,
        raised_by_caller: Sequence[BaseException],
    ) -> RunResult | None:
        """Make the image; return None if memory ran out, when the failed frames are gone."""
        try:
            return self._render(spec, placement, on_step)
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
        return None

    def _render(self, spec: RunSpec, placement: Placement, on_step: OnStep) -> RunResult:
        """Load, dress and make."""
        require_modes(spec, self.modes, self.needed)
        _require_wearable(spec, placement.handling)
        loaded = self._obtain_loaded(spec, placement)
        self.require_fits(loaded.pipeline, spec)
        with self._weighed(loaded):
            loaded.wardrobe.wear(loaded.pipeline, spec.adapters, spec.folder)
            applying.forget_steps(loaded.pipeline, placement.handling)
            began = time.perf_counter()
            with torch.no_grad():
                pixels, more = self.make(loaded, spec, placement, on_step)
        _require_a_picture(pixels)
        previews.learn(loaded.pipeline, pixels)
        return RunResult(
            pixels=pixels,
            seconds=time.perf_counter() - began,
            facts={**_describe(loaded.pipeline, spec, placement), "engine": self.name, **more},
        )

    @contextmanager
    def _weighed(self, loaded: Loaded) -> Iterator[None]:
        """Weigh the model again if something was hung on it."""
        before = (loaded.wardrobe.held, tuple(loaded.siblings))
        try:
            yield
        finally:
            if before != (loaded.wardrobe.held, tuple(loaded.siblings)):
                self._shelf.settle(loaded)

    def _obtain_loaded(self, spec: RunSpec, placement: Placement) -> Loaded:
        """Return the loaded pipeline that the spec names, loading it if it is not there."""
        key = _key(spec, placement)

        def load() -> Loaded:
            pipeline = loading.load_pipeline(
                key.folder, key.snapshot_sha256, key.pipeline, placement
            )
            pipeline.set_progress_bar_config(disable=True)
            return Loaded(key=key, pipeline=pipeline)

        return self._shelf.obtain(key, load)

    def _obtain(self, spec: RunSpec, placement: Placement) -> Any:
        """Return the pipeline that the spec names."""
        return self._obtain_loaded(spec, placement).pipeline


def _key(spec: RunSpec, placement: Placement) -> Key:
    """Return what the model of a spec is loaded from, as what, and where to."""
    return Key(spec.folder.absolute(), spec.snapshot_sha256, spec.pipeline, placement)


def _require_wearable(spec: RunSpec, handling: Handling) -> None:
    """Refuse looks on a model whose handling does not let them act for certain."""
    if spec.adapters and handling.settings & WEAR_NOTHING:
        raise InvalidInput(
            f"A model that is placed as '{handling}' wears no adapters.",
            pointer="/adapters",
            rule="unsupported",
        )


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
        "handling": spec.handling,
        "scheduler": type(pipeline.scheduler).__name__,
        "scheduler.sha256": sha256_hex(canonical_json(scheduler)),
        "snapshot.sha256": spec.snapshot_sha256,
    }
    if placement.library:
        facts[f"library.{placement.library}"] = runtime.version(placement.library)
    if placement.device.type == "cuda":
        facts["cuda"] = str(torch.version.cuda)
        facts["cudnn"] = str(torch.backends.cudnn.version())
    return facts
