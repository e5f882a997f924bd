"""Puts a loaded pipeline where its placement says, in the way that it says; or refuses.

Nothing is left out silently: a setting that this very pipeline cannot take is a refusal.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch

from generation.engines.errors import DeviceUnavailable
from generation.engines.handling import (
    ATTENTIONS,
    STEP_CACHES,
    WORKHORSE,
    Handling,
    Setting,
)
from generation.engines.placement import Placement
from generation.weights import runtime

# What the library calls each, and for the quantised ones the class that says how.
_ATTENTION: Mapping[Setting, str] = {
    Setting.ATTENTION_MATH: "_native_math",
    Setting.ATTENTION_EFFICIENT: "_native_efficient",
    Setting.ATTENTION_FLASH: "_native_flash",
    Setting.ATTENTION_CUDNN: "_native_cudnn",
}
_TORCHAO: Mapping[Setting, str] = {
    Setting.INT8_WEIGHTS: "Int8WeightOnlyConfig",
    Setting.INT8_DYNAMIC: "Int8DynamicActivationInt8WeightConfig",
    Setting.FP8_WEIGHTS: "Float8WeightOnlyConfig",
    Setting.FP8_DYNAMIC: "Float8DynamicActivationFloat8WeightConfig",
}
_STEP_CACHE: Mapping[Setting, str] = {
    Setting.FIRST_BLOCK_CACHE: "FirstBlockCacheConfig",
    Setting.TAYLORSEER_CACHE: "TaylorSeerCacheConfig",
}


def put_in_place(pipeline: Any, placement: Placement) -> None:
    """Quantise, place, and set what else the handling says. Raises: DeviceUnavailable."""
    handling, transformer = placement.handling, pipeline.transformer
    _quantise(transformer, handling)
    _choose_attention(transformer, handling)
    _cache_steps(pipeline, handling)
    if Setting.VAE_SLICING in handling:
        pipeline.vae.enable_slicing()
    if Setting.VAE_TILING in handling:
        pipeline.vae.enable_tiling()
    for setting, put in _PLACES.items():
        if setting in handling:
            put(pipeline, placement.device)
    if Setting.COMPILE in handling:
        compile_blocks(transformer)


def forget_steps(pipeline: Any, handling: Handling) -> None:
    """Forget what a step cache kept: of a render that was stopped it would change the next."""
    if handling.chosen(STEP_CACHES):
        pipeline.transformer._reset_stateful_cache()  # noqa: SLF001  nowhere public


def require_step_cache(pipeline: Any, handling: Handling) -> None:
    """Refuse a step cache where the loop does not say which pass it is in.

    Without it the library's caches raise in the middle of an image. Raises: DeviceUnavailable.
    """
    chosen = handling.chosen(STEP_CACHES)
    loop = inspect.unwrap(type(pipeline).__call__).__code__
    if chosen and not (
        hasattr(pipeline.transformer, "enable_cache") and "cache_context" in loop.co_names
    ):
        raise _impossible(chosen, f"{type(pipeline).__name__} keeps no steps")


def compile_blocks(transformer: Any, **options: Any) -> None:
    """Compile the blocks that repeat, once for all of them; the first image pays for it."""
    # SD3's class leaves the list empty, and the library then compiles nothing.
    if not transformer._repeated_blocks:  # noqa: SLF001  nowhere public
        name = type(transformer.transformer_blocks[0]).__name__
        transformer._repeated_blocks = [name]  # noqa: SLF001
    transformer.compile_repeated_blocks(**{"fullgraph": True, "dynamic": True} | options)


def offload_in_groups(pipeline: Any, device: torch.device) -> None:
    """Keep the weights in the machine's memory and bring a few layers at a time to the device."""
    apply_group_offloading = runtime.load_library("diffusers.hooks").apply_group_offloading
    for name, model in _models(pipeline):
        blocks = {"offload_type": "block_level", "num_blocks_per_group": 1}
        apply_group_offloading(
            model,
            onload_device=device,
            offload_device=torch.device("cpu"),
            use_stream=device.type == "cuda",
            **(blocks if name == WORKHORSE else {"offload_type": "leaf_level"}),
        )


def _keep_resident(pipeline: Any, device: torch.device) -> None:
    pipeline.to(device)


def _offload_models(pipeline: Any, device: torch.device) -> None:
    pipeline.enable_model_cpu_offload(device=device)


_PLACES: Mapping[Setting, Callable[[Any, torch.device], None]] = {
    Setting.RESIDENT: _keep_resident,
    Setting.MODEL_OFFLOAD: _offload_models,
    Setting.GROUP_OFFLOAD: offload_in_groups,
}


def _models(pipeline: Any) -> Iterator[tuple[str, torch.nn.Module]]:
    for name, component in pipeline.components.items():
        if isinstance(component, torch.nn.Module):
            yield name, component


def _quantise(transformer: Any, handling: Handling) -> None:
    """Turn the weights of the transformer's linear layers into 8-bit numbers.

    NF4 is done while the files are read; see `loading`.
    """
    chosen = handling.chosen(frozenset(_TORCHAO))
    if chosen is not None:
        torchao = runtime.load_library("torchao.quantization")
        torchao.quantize_(transformer, getattr(torchao, _TORCHAO[chosen])())


def _choose_attention(transformer: Any, handling: Handling) -> None:
    """Set how attention is calculated in this model only.

    The library's own method also sets it for every other model of the process, and passes over
    layers that do not heed it.
    """
    chosen = handling.chosen(ATTENTIONS)
    if chosen is None:
        return
    dispatch = runtime.load_library("diffusers.models.attention_dispatch")
    processors = [
        module.processor for module in transformer.modules() if hasattr(module, "processor")
    ]
    if not processors or not all(hasattr(each, "_attention_backend") for each in processors):
        raise _impossible(chosen, f"{type(transformer).__name__} does not heed it")
    for each in processors:
        each._attention_backend = dispatch.AttentionBackendName(_ATTENTION[chosen])  # noqa: SLF001


def _cache_steps(pipeline: Any, handling: Handling) -> None:
    chosen = handling.chosen(STEP_CACHES)
    if chosen is not None:
        require_step_cache(pipeline, handling)
        hooks = runtime.load_library("diffusers.hooks")
        pipeline.transformer.enable_cache(getattr(hooks, _STEP_CACHE[chosen])())


def _impossible(setting: Setting, why: str) -> DeviceUnavailable:
    return DeviceUnavailable(
        f"The placement '{setting}' is not possible for this model: {why}. Give it another one.",
        handling=str(setting),
    )
