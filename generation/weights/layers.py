"""What weight files say about themselves without being loaded: names and shapes, from the header.

A LoRA fits a model if each layer that it changes is there in the shape that it was trained for.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from generation.weights import headers
from governance.kernel.errors import DomainError

LORA_FILE: Final = "pytorch_lora_weights.safetensors"
CONTROLNET_FILE: Final = "diffusion_pytorch_model.safetensors"

_LORA_KEY = re.compile(
    r"(?P<part>transformer|text_encoder|text_encoder_2)\.(?P<layer>.+)\.lora_(?P<half>[AB])\.weight"
)

Shapes = Mapping[str, tuple[int, ...]]


class AdapterUnreadable(DomainError):
    """The folder holds no LoRA or ControlNet in the one form that is read here."""

    code = "adapter_unreadable"


class AdapterMismatch(DomainError):
    """The adapter was made for another model than the one that it should be worn by."""

    code = "adapter_mismatch"


@dataclass(frozen=True)
class LoraLayer:
    """One layer that a LoRA changes: `part` is a folder of the pipeline; sizes in channels."""

    part: str
    layer: str
    rank: int
    taken: int
    given: int


def read_shapes(path: Path) -> Shapes:
    """Return the shape of each tensor of a safetensors file.

    Raises: AdapterUnreadable if it is not one.
    """
    try:
        return {tensor.name: tensor.shape for tensor in headers.read(path)}
    except (OSError, ValueError) as error:
        raise AdapterUnreadable(
            f"'{path.name}' in '{path.parent}' cannot be read as a safetensors file. Copy "
            "it again, or convert it.",
            folder=str(path.parent),
            cause=type(error).__name__,
        ) from error


def read_lora(folder: Path) -> tuple[LoraLayer, ...]:
    """Return which layers a LoRA folder changes, by name.

    Raises: AdapterUnreadable if there is another weight file than `LORA_FILE`, or a tensor in it
    that is not half of a low-rank pair.
    """
    _require_only(folder, LORA_FILE)
    halves: dict[tuple[str, str], dict[str, tuple[int, ...]]] = {}
    for name, shape in read_shapes(folder / LORA_FILE).items():
        found = _LORA_KEY.fullmatch(name)
        if found is None:
            raise AdapterUnreadable(
                f"The LoRA in '{folder}' holds '{name[:100]}', which is not read here. Save it "
                "with the diffusers library (`save_lora_weights`), which names its layers.",
                folder=str(folder),
                tensor=name[:100],
            )
        halves.setdefault((found["part"], found["layer"]), {})[found["half"]] = shape
    layers = []
    for (part, layer), shapes in sorted(halves.items()):
        down, up = shapes.get("A", ()), shapes.get("B", ())
        if len(down) < 2 or len(up) < 2 or down[0] != up[1]:  # noqa: PLR2004  rows and columns
            raise AdapterUnreadable(
                f"The LoRA in '{folder}' lacks half of the layer '{part}.{layer}'. Copy it again.",
                folder=str(folder),
            )
        layers.append(LoraLayer(part, layer, rank=down[0], taken=down[1], given=up[0]))
    if not layers:
        raise AdapterUnreadable(f"The LoRA in '{folder}' is empty.", folder=str(folder))
    return tuple(layers)


def require_lora_fits(folder: Path, model_folder: Path) -> tuple[LoraLayer, ...]:
    """Insist that a model has each layer that a LoRA changes; return them.

    Raises: AdapterMismatch naming the first layer that differs; AdapterUnreadable.
    """
    layers = read_lora(folder)
    shapes = {part: _shapes_of_part(model_folder, part) for part in {x.part for x in layers}}
    for layer in layers:
        found = shapes[layer.part].get(f"{layer.layer}.weight", ())
        if tuple(found[:2]) != (layer.given, layer.taken):
            raise AdapterMismatch(
                f"The LoRA in '{folder.name}' was made for another model: it changes "
                f"'{layer.part}.{layer.layer}' ({layer.given} × {layer.taken}), which the model in "
                f"'{model_folder.name}' does not have in that shape.",
                folder=str(folder),
                layer=f"{layer.part}.{layer.layer}",
            )
    return layers


# What of a ControlNet's configuration must equal its transformer's.
_SHARED = (
    "in_channels",
    "patch_size",
    "attention_head_dim",
    "num_attention_heads",
    "joint_attention_dim",
    "caption_projection_dim",
    "pooled_projection_dim",
)
_BEYOND_A_MAP = ("extra_conditioning_channels", "extra_condition_channels", "num_mode")


def require_controlnet_fits(folder: Path, model_folder: Path) -> str:
    """Insist that a ControlNet was made for this model's transformer; return its class name.

    Raises: AdapterMismatch naming what differs; AdapterUnreadable.
    """
    _require_only(folder, CONTROLNET_FILE)
    own = _read_config(folder)
    base = _read_config(model_folder / "transformer")
    kind = str(own.get("_class_name", ""))
    if not kind.endswith("ControlNetModel"):
        raise AdapterUnreadable(
            f"'{folder}' holds a '{kind or 'model without a name'}', which is no ControlNet.",
            folder=str(folder),
        )
    expected = str(base.get("_class_name", "")).replace("Transformer2DModel", "ControlNetModel")
    differs = [name for name in _SHARED if name in base and own.get(name) != base[name]]
    # A ControlNet may do without the text; then it names no width for it.
    if own.get("joint_attention_dim", "") is None:
        differs = [name for name in differs if name != "joint_attention_dim"]
    # More channels than a map has are for masks, more modes than one for kinds of maps that would
    # have to be named: neither is asked for here.
    differs += [name for name in _BEYOND_A_MAP if own.get(name)]
    if kind != expected or differs:
        raise AdapterMismatch(
            f"The ControlNet in '{folder.name}' was made for another model than the one in "
            f"'{model_folder.name}': {', '.join(differs) or f'it is a {kind}'}.",
            folder=str(folder),
            differs=", ".join(differs) or kind,
        )
    return kind


def _require_only(folder: Path, name: str) -> None:
    """Insist that a folder has one weight file, the expected one."""
    found = sorted(path.name for path in folder.rglob("*.safetensors"))
    if found != [name]:
        raise AdapterUnreadable(
            f"'{folder}' must hold exactly one weight file, '{name}'; it holds "
            f"{', '.join(found) or 'none'}.",
            folder=str(folder),
        )


def _shapes_of_part(model_folder: Path, part: str) -> Shapes:
    """Return all tensors of one part of a pipeline, whose weights may lie in several files."""
    shapes: dict[str, tuple[int, ...]] = {}
    for path in sorted((model_folder / part).glob("*.safetensors")):
        shapes |= read_shapes(path)
    return shapes


def _read_config(folder: Path) -> Mapping[str, object]:
    """Read a model's configuration. Raises: AdapterUnreadable."""
    try:
        config = json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError) as error:
        raise AdapterUnreadable(
            f"'{folder}' has no readable 'config.json'. Copy the files again.", folder=str(folder)
        ) from error
    if not isinstance(config, dict):
        raise AdapterUnreadable(f"'{folder}/config.json' is no object.", folder=str(folder))
    return config
