"""The model cards of the demo pack, in the form that model hubs read; each says it is untrained."""

_CARD = """---
license: {licence_tag}
library_name: {library}
tags:
- random-weights
- uncalibrated
---

# {title}

{body}

- **Weights**: random, drawn from the seed {seed} by `python -m generation.packs build`. Never
  trained on anything, so there is no training data and no person, work or brand in it.
- **Use**: demonstrations and tests of the real loading, rendering and scoring code.
- **Not for**: {not_for}
- **Licence**: {licence}
"""

_MODELS = {
    "sd3": {
        "library": "diffusers",
        "title": "Demo image model (uncalibrated)",
        "body": (
            "A `StableDiffusion3Pipeline` in the shape of Stable Diffusion 3.5: three text\n"
            "encoders, a joint-attention transformer, a 16-channel autoencoder. It paints soft\n"
            "areas of color that depend on prompt and seed and depict nothing."
        ),
        "not_for": "publishing. Its images mean nothing.",
    },
    "flux": {
        "library": "diffusers",
        "title": "Random FLUX.1 model (uncalibrated)",
        "body": (
            "A `FluxPipeline` in the shape of FLUX.1: two text encoders, a transformer of double\n"
            "and single blocks, a 16-channel autoencoder. It paints soft areas of color that\n"
            "depend on prompt and seed and depict nothing."
        ),
        "not_for": "publishing. Its images mean nothing.",
    },
    "flux_kontext": {
        "library": "diffusers",
        "title": "Random FLUX.1 Kontext model (uncalibrated)",
        "body": (
            "A `FluxKontextPipeline` in the shape of FLUX.1 Kontext: the parts of FLUX.1, and a\n"
            "picture to look at. It paints soft areas of color that depend on prompt, picture and\n"
            "seed and depict nothing."
        ),
        "not_for": "publishing. Its images mean nothing.",
    },
    "flux_fill": {
        "library": "diffusers",
        "title": "Random FLUX.1 Fill model (uncalibrated)",
        "body": (
            "A `FluxFillPipeline` in the shape of FLUX.1 Fill: the parts of FLUX.1, with a\n"
            "transformer that is given a picture and its mask. It paints soft areas of color\n"
            "into the mask that depict nothing."
        ),
        "not_for": "publishing. Its images mean nothing.",
    },
    "flux2": {
        "library": "diffusers",
        "title": "Random FLUX.2 model (uncalibrated)",
        "body": (
            "A `Flux2Pipeline` in the shape of FLUX.2 dev: a language model with a vision tower,\n"
            "a transformer of double and single blocks, an autoencoder that normalizes patches.\n"
            "It paints soft areas of color that depend on prompt and seed and depict nothing."
        ),
        "not_for": "publishing. Its images mean nothing.",
    },
    "flux2_klein": {
        "library": "diffusers",
        "title": "Random FLUX.2 klein model (uncalibrated)",
        "body": (
            "A `Flux2KleinPipeline` in the shape of FLUX.2 klein: a language model, a transformer\n"
            "of double and single blocks, an autoencoder that normalizes patches. It paints soft\n"
            "areas of color that depend on prompt and seed and depict nothing."
        ),
        "not_for": "publishing. Its images mean nothing.",
    },
    "qwen": {
        "library": "diffusers",
        "title": "Random Qwen-Image model (uncalibrated)",
        "body": (
            "A `QwenImagePipeline` in the shape of Qwen-Image: a language model with a vision\n"
            "tower, a joint-attention transformer, an autoencoder for videos. It paints soft\n"
            "areas of color that depend on prompt and seed and depict nothing."
        ),
        "not_for": "publishing. Its images mean nothing.",
    },
    "qwen_edit": {
        "library": "diffusers",
        "title": "Random Qwen-Image-Edit model (uncalibrated)",
        "body": (
            "A `QwenImageEditPlusPipeline` in the shape of Qwen-Image-Edit: the parts of\n"
            "Qwen-Image, whose language model sees pictures. It paints soft areas of color that\n"
            "depend on prompt, pictures and seed and depict nothing."
        ),
        "not_for": "publishing. Its images mean nothing.",
    },
    "lora-random": {
        "library": "diffusers",
        "title": "Random look (uncalibrated)",
        "body": "A LoRA over the attention of the transformer beside it.",
        "not_for": "publishing. It changes images, and means nothing.",
    },
    "controlnet-random": {
        "library": "diffusers",
        "title": "Random outlines (uncalibrated)",
        "body": "A ControlNet of one layer for the transformer beside it.",
        "not_for": "publishing. It follows no outlines.",
    },
    "clip": {
        "library": "open_clip",
        "title": "Demo prompt-match model (uncalibrated)",
        "body": "An `open_clip` model with an image and a text tower.",
        "not_for": "judging images. Its similarities are chance.",
    },
    "safety": {
        "library": "transformers",
        "title": "Demo safety classifier (uncalibrated)",
        "body": ("A `ViTForImageClassification` with the labels `allowed` and `restricted`."),
        "not_for": "protecting anyone. Its probabilities are chance.",
    },
}


def title(name: str) -> str:
    """Return what one of the pack's models is called."""
    return _MODELS[name]["title"]


def write(name: str, seed: int, licence: str) -> str:
    """Write the card of one of the pack's models.

    >>> "seed 7 " in write("clip", 7, "CC0-1.0")
    True
    """
    return _CARD.format(**_MODELS[name], seed=seed, licence=licence, licence_tag=licence.lower())
