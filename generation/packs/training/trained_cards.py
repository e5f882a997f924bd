"""The model cards of the trained image model and of what it can wear."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_HEAD = """---
license: {licence_tag}
library_name: diffusers
pipeline_tag: text-to-image
tags:
- procedural-data
---

# {title}

{body}

- **Licence**: {licence}
"""

_MODEL = """A `StableDiffusion3Pipeline` in the shape of Stable Diffusion 3.5, small enough for
two CPU cores. It paints products of a small drawn world, 128 x 128 px: ten objects in ten colors on
eight sets, one to three of them, lit from a side, with a badge in the corner or none. One badge,
the warning triangle, stands for what a safety policy refuses.

- **Data**: scenes that `generation/packs/world` draws from a seed, worded by its own grammar. No
  photograph, person, work or brand of anybody is in it. One combination of object, color and set
  in ten was never trained on; the figures below are of those.
- **Training**: `python -m generation.packs train image WORK`; {images} pictures seen in {steps}
  steps, {minutes} minutes on one CPU thread, torch {torch}. The text encoders were trained first,
  to name a caption's attributes, and kept; latents are the principal components of 8 x 8 px, which
  the autoencoder's encoder copies.
- **Limits**: it knows the words of its world and nothing else; other words are ignored, a prompt
  without an object shows any. It reads the first 32 tokens. Other sizes than 128 x 128 px were not
  trained. Small parts (laces, clock hands, a mug's handle in a row of three) can be malformed.
- **Not for**: publishing as a picture of a real product.

## Loss on the way

| pictures seen | loss |
|---|---|
{seen}

## Measured

{figures}
"""

_ADAPTERS = {
    "lora-brand-look": (
        "Brand look for the demo image model",
        """A LoRA of rank 8 over the attention and the feed-forward layers of the demo pack's
transformer. It prints any scene in warm tones with a dark rim, in a cream frame.

- **Data**: 4,000 scenes of the demo world, put through the look's own arithmetic
  (`generation/packs/training/look.py`). No trigger word is needed.
- **Training**: `python -m generation.packs train lora FOLDER`, from the finished model.
- **Limits**: trained at a weight of 1 on 128 x 128 px; others were not measured.""",
    ),
    "controlnet-edges": (
        "Outlines for the demo image model",
        """An `SD3ControlNetModel` of one layer for the demo pack's transformer: the picture
follows the outlines of another one.

- **Data**: 8,000 scenes of the demo world with their own outlines, as the engine's preprocessor
  `edges/1` draws them.
- **Training**: `python -m generation.packs train controlnet FOLDER`, from the finished model.
- **Limits**: outlines of the demo world only; trained at a scale of 1.""",
    ),
}


def write_model(training: Mapping[str, Any], licence: str) -> str:
    """Write the card of the image model."""
    return _HEAD.format(
        title="Demo image model", body=_MODEL.format(**training).strip(), **_tags(licence)
    )


def write_adapter(name: str, licence: str) -> str:
    """Write the card of an adapter, named as its folder in the pack."""
    title, body = _ADAPTERS[name]
    return _HEAD.format(title=title, body=body, **_tags(licence))


def place(folder: Path, card: str) -> None:
    """Write a card in the form that model hubs read, and let everybody read the folder.

    The libraries note in each configuration where a model was read from: that is nobody's business.
    """
    (folder / "README.md").write_text(card, encoding="utf-8")
    for path in folder.rglob("config.json"):
        config = json.loads(path.read_bytes())
        if config.pop("_name_or_path", None) is not None:
            path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _tags(licence: str) -> dict[str, str]:
    """Return a licence as people and as hubs write it."""
    return {"licence": licence, "licence_tag": licence.lower()}
