"""Random scorers in the folders that real ones come in: a CLIP pair and a safety classifier."""

import json
from pathlib import Path

from generation.packs import vocabulary
from generation.packs.tiny import parts
from generation.weights import runtime

SAFETY_LABELS = {0: "allowed", 1: "restricted"}


def save_clip(folder: Path, seed: int) -> None:
    """Save an `open_clip` model folder: configuration, weights and tokenizer."""
    open_clip = runtime.load_library("open_clip")
    safetensors = runtime.load_library("safetensors.torch")
    tokenizer = vocabulary.build_clip_tokenizer()
    config = {
        "embed_dim": 64,
        "vision_cfg": {"image_size": 64, "layers": 2, "width": 64, "head_width": 32,
                       "patch_size": 16},
        "text_cfg": {"context_length": vocabulary.CLIP_LENGTH, "vocab_size": len(tokenizer),
                     "width": 64, "heads": 2, "layers": 2, "hf_tokenizer_name": "local"},
    }  # fmt: skip
    with parts.seeded(seed + 1):
        model = open_clip.CLIP(**config)
    folder.mkdir(parents=True)
    card = {"model_cfg": config, "preprocess_cfg": {"mean": [0.5] * 3, "std": [0.5] * 3}}
    (folder / "open_clip_config.json").write_text(
        json.dumps(card, indent=2, sort_keys=True) + "\n", encoding="utf-8"
    )
    weights = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    safetensors.save_file(weights, folder / "open_clip_model.safetensors")
    vocabulary.save(tokenizer, folder)


def save_safety(folder: Path, seed: int) -> None:
    """Save a `transformers` image classifier folder with an allowed and a restricted label."""
    transformers = runtime.load_library("transformers")
    config = transformers.ViTConfig(
        image_size=64,
        patch_size=16,
        hidden_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=96,
        id2label=SAFETY_LABELS,
        label2id={label: index for index, label in SAFETY_LABELS.items()},
    )
    with parts.seeded(seed + 2):
        model = transformers.ViTForImageClassification(config)
    model.save_pretrained(folder)
    processor = transformers.ViTImageProcessor(size={"height": 64, "width": 64})
    processor.save_pretrained(folder)
