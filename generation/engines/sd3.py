"""The Stable Diffusion 3 family (3, 3.5 Medium, Large, Turbo): one image per call, replayable."""

import gc
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from generation.engines import loading
from generation.engines.errors import DeviceExhausted, RenderFailed
from generation.engines.placement import Placement, place
from generation.engines.protocol import OnStep
from generation.engines.spec import RunResult, RunSpec
from generation.weights import runtime
from governance.kernel.digests import canonical_json, sha256_hex
from governance.kernel.errors import DomainError, InvalidInput

if TYPE_CHECKING:
    from numpy.typing import NDArray

PIPELINE = "StableDiffusion3Pipeline"


@dataclass(frozen=True)
class _Loaded:
    """The pipeline in memory and what it was loaded from."""

    key: tuple[Path, str, Placement]
    pipeline: Any


class StableDiffusion3Engine:
    """Renders with `StableDiffusion3Pipeline`; keeps the last used model loaded.

    A pipeline's scheduler counts its own steps, so two threads must never share one: a lock makes
    the second caller wait. One image per call, because the same seed in a batch of four differs in
    its last bits from the same seed alone.
    """

    def __init__(self) -> None:
        """Begin with nothing loaded."""
        self._lock = threading.Lock()
        self._loaded: _Loaded | None = None

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

    def unload(self) -> None:
        """Give the memory of the loaded model back."""
        with self._lock:
            self._unload()

    def _render(self, spec: RunSpec, on_step: OnStep) -> RunResult:
        """Run the stages in order."""
        placement = place(spec.device, spec.dtype)
        pipeline = self._obtain(spec, placement)
        _require_fits(pipeline, spec)
        began = time.perf_counter()
        with torch.no_grad():
            embeddings = encode(pipeline, spec)
            latents = prepare(pipeline, spec, placement)
            latents = denoise(pipeline, spec, embeddings, latents, on_step)
            pixels = decode(pipeline, latents)
        return RunResult(
            pixels=pixels,
            seconds=time.perf_counter() - began,
            facts=_describe(pipeline, spec, placement),
        )

    def _obtain(self, spec: RunSpec, placement: Placement) -> Any:
        """Return the loaded pipeline, or replace it by the one that the spec names."""
        key = (spec.folder.absolute(), spec.snapshot_sha256, placement)
        if self._loaded is None or self._loaded.key != key:
            self._unload()
            pipeline = loading.load_pipeline(
                spec.folder, spec.snapshot_sha256, spec.pipeline, placement
            )
            pipeline.set_progress_bar_config(disable=True)
            self._loaded = _Loaded(key=key, pipeline=pipeline)
        return self._loaded.pipeline

    def _unload(self) -> None:
        """Drop the pipeline before anything else is allocated."""
        self._loaded = None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def engine() -> StableDiffusion3Engine:
    """Make the engine of this module's pipeline."""
    return StableDiffusion3Engine()


def encode(pipeline: Any, spec: RunSpec) -> Mapping[str, torch.Tensor]:
    """Turn the two texts into embeddings.

    prompt_embeds: (1, tokens, joint width); pooled_prompt_embeds: (1, pooled width). The negative
    pair is absent without guidance.
    """
    positive, negative, pooled, negative_pooled = pipeline.encode_prompt(
        prompt=spec.prompt,
        prompt_2=None,
        prompt_3=None,
        negative_prompt=spec.negative_prompt,
        do_classifier_free_guidance=spec.guidance > 1,
        max_sequence_length=spec.max_sequence_length,
    )
    embeddings = {
        "prompt_embeds": positive,
        "pooled_prompt_embeds": pooled,
        "negative_prompt_embeds": negative,
        "negative_pooled_prompt_embeds": negative_pooled,
    }
    return {name: tensor for name, tensor in embeddings.items() if tensor is not None}


def prepare(pipeline: Any, spec: RunSpec, placement: Placement) -> torch.Tensor:
    """Draw the noise to start from.

    Returns: (1, C, height/8, width/8) on the device. Drawn on the CPU by the spec's own generator,
    so that the same seed gives the same noise on every device.
    """
    latents: torch.Tensor = pipeline.prepare_latents(
        1,
        pipeline.transformer.config.in_channels,
        spec.height,
        spec.width,
        placement.dtype,
        placement.device,
        torch.Generator("cpu").manual_seed(spec.seed),
    )
    return latents


def denoise(
    pipeline: Any,
    spec: RunSpec,
    embeddings: Mapping[str, torch.Tensor],
    latents: torch.Tensor,
    on_step: OnStep,
) -> torch.Tensor:
    """Follow the flow from noise to image, still in latents.

    Returns: (1, C, height/8, width/8), scaled as the transformer has them.
    Source: arXiv:2403.03206, section 2; the loop is the pipeline's own.
    """

    def report(
        _pipeline: object, step: int, _timestep: object, tensors: dict[str, torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        on_step(step + 1, spec.steps)
        return tensors

    denoised: torch.Tensor = pipeline(
        **embeddings,
        latents=latents,
        width=spec.width,
        height=spec.height,
        num_inference_steps=spec.steps,
        guidance_scale=spec.guidance,
        max_sequence_length=spec.max_sequence_length,
        output_type="latent",
        callback_on_step_end=report,
        return_dict=False,
    )[0]
    return denoised


def decode(pipeline: Any, latents: torch.Tensor) -> "NDArray[np.uint8]":
    """Turn latents into pixels.

    Returns: (height, width, 3), uint8, RGB. Raises: RenderFailed if a number is not finite, which
    would otherwise be cast to a black image.
    """
    config = pipeline.vae.config
    decoded = pipeline.vae.decode(
        latents / config.scaling_factor + config.shift_factor, return_dict=False
    )[0]
    if not bool(torch.isfinite(decoded).all()):
        raise RenderFailed(
            "The model produced numbers that are not finite. Run it in 'float32' or 'bfloat16'."
        )
    image = pipeline.image_processor.postprocess(decoded, output_type="np")[0]
    return np.ascontiguousarray((image * 255).round().astype(np.uint8))


def _require_fits(pipeline: Any, spec: RunSpec) -> None:
    """Refuse a size beyond the positions that the model knows.

    Raises: InvalidInput, naming the side.
    """
    patch_px = pipeline.vae_scale_factor * pipeline.patch_size
    most = pipeline.transformer.config.pos_embed_max_size * patch_px
    for field, side in (("width", spec.width), ("height", spec.height)):
        if side % patch_px:
            raise InvalidInput(
                f"The {field} must be a multiple of {patch_px} for this model.",
                pointer=f"/{field}",
                rule="multiple_of",
            )
        if side > most:
            raise InvalidInput(
                f"The {field} may be at most {most} px for this model.",
                pointer=f"/{field}",
                rule="range",
            )


def _describe(pipeline: Any, spec: RunSpec, placement: Placement) -> Mapping[str, str]:
    """List what a replay must find again."""
    scheduler = {k: v for k, v in pipeline.scheduler.config.items() if not k.startswith("_")}
    facts = dict(runtime.describe_process())
    facts |= {
        "device": str(placement.device),
        "device.name": placement.device_name,
        "dtype": spec.dtype,
        "engine": "sd3/1",
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
