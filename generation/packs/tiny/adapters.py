"""Random LoRAs and ControlNets that visibly change an image, in the files that real ones have."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from generation.weights import runtime

_RANK = 4
_TARGETS = ("to_q", "to_k", "to_v", "to_out.0")
# So that the change can be seen at a weight of 1 and is no noise.
_STRENGTH = 0.6


def save_lora(folder: Path, pipeline_class: Any, transformer: Any) -> None:
    """Save a LoRA of random numbers, drawn now, for a transformer of this pipeline."""
    peft = runtime.load_library("peft")
    transformer.add_adapter(
        peft.LoraConfig(r=_RANK, lora_alpha=_RANK, target_modules=list(_TARGETS))
    )
    with torch.no_grad():
        for name, weights in transformer.named_parameters():
            if "lora_B" in name:
                weights.normal_(std=_STRENGTH)
    folder.mkdir(parents=True)
    pipeline_class.save_lora_weights(
        folder,
        transformer_lora_layers=peft.get_peft_model_state_dict(transformer),
        safe_serialization=True,
    )


def awaken(outlets: Iterable[Any], inlet: Any) -> None:
    """Give a new ControlNet an effect: its outlets and the map's inlet are zero until trained."""
    with torch.no_grad():
        for layer in (*outlets, inlet):
            layer.weight.normal_(std=0.3)
